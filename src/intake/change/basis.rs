//! Which basis holds: each process says what it works on, and the newest of those that are alive is decided on.
//!
//! During a rolling upgrade old and new processes work side by side. The new ones begin a basis, with a higher number; the
//! old ones see that they are behind, and write nothing over what was decided on the new one. When nobody is left on the
//! newest basis, as after a step back, whoever is there begins one of its own. Never decides about a revision.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::sql;
use crate::{
    app::{App, Publishers},
    clock,
    domain::{
        basis::{self, Words},
        refusal::Fault,
        time::Micros,
    },
    gate::{Gate, act::ChangeBasis, object::Gateway, tx::Change},
    intake::{knowledge, seen},
};

/// What decisions of this program rest on under this gate and these publishers.
pub fn words(gate: &Gate, publishers: &Publishers) -> Words {
    let environments: Vec<Value> = gate
        .environments()
        .iter()
        .map(|one| json!([one.name.as_str(), one.production, one.data_class.word(), one.stream_unverified]))
        .collect();
    Words {
        scanner: seen::SCANNER.clone(),
        policy: gate.admission().digest().to_owned(),
        knowledge: knowledge::VERSION.clone(),
        publishers: publishers.digest(),
        environments: match &gate.identity().namespaces[..] {
            [] => basis::hash(&json!(environments)),
            // Whose private repositories may be served at all is decided with them.
            namespaces => basis::hash(&json!([environments, format!("{namespaces:?}")])),
        },
    }
}

/// Says that this process is there, and finds out under which number it decides.
pub async fn settle(app: &App, replica: &str) -> Result<(), Fault> {
    let (words, at) = (app.basis.words(), clock::now());
    let digest = words.digest();
    sql::save_replica(&app.chores, replica, &digest, &words.scanner, at).await?;
    app.basis.forget(gone(app, at).await?);
    let newest = sql::find_newest(&app.chores).await?;
    if let Some(newest) = &newest
        && newest.digest == digest
    {
        app.basis.settle(newest.number, false);
        return Ok(());
    }
    let Some(newest) = newest else { return begin(app, &digest, &Value::Null, 1).await };
    if may_begin(app, &digest, &newest, at).await? {
        let from = serde_json::from_str(&newest.words).unwrap_or_default();
        return begin(app, &digest, &from, newest.number + 1).await;
    }
    let mine = sql::find_number(&app.chores, &digest).await?.unwrap_or_default();
    if !app.basis.is_behind() {
        let others = newest.words;
        tracing::info!(number = mine, newest = newest.number, others, "other replicas work on a newer basis");
    }
    app.basis.settle(mine, true);
    Ok(())
}

/// A basis that was never there replaces the newest one, unless its scanner is an older one. One that was there before is a
/// process that started again in the middle of an upgrade, or a step back: it waits until nobody works on the newest.
async fn may_begin(
    app: &App,
    digest: &str,
    newest: &crate::store::tables::basis::Model,
    at: Micros,
) -> Result<bool, Fault> {
    if sql::is_alone(&app.chores) {
        return Ok(true);
    }
    let fresh = sql::find_number(&app.chores, digest).await?.is_none();
    if fresh && !basis::is_newer(&newest.scanner, &app.basis.words().scanner) {
        return Ok(true);
    }
    Ok(!sql::is_alive(&app.chores, &newest.digest, Micros(at.0 - ALIVE)).await?)
}

/// The scanners above ours that decisions once rested on, and that nobody works with now.
async fn gone(app: &App, at: Micros) -> Result<BTreeSet<String>, Fault> {
    let mut gone = sql::list_known_scanners(&app.chores).await?;
    gone.retain(|one| basis::is_newer(one, &app.basis.words().scanner));
    if !gone.is_empty() && !sql::is_alone(&app.chores) {
        for alive in sql::list_living_scanners(&app.chores, Micros(at.0 - ALIVE)).await? {
            gone.remove(&alive);
        }
    }
    Ok(gone)
}

async fn begin(app: &App, digest: &str, from: &Value, number: i64) -> Result<(), Fault> {
    let may = app.gate.admit_work::<ChangeBasis>("this process works on another basis than the last one", Gateway);
    let may = may.map_err(|refusal| Fault::new(refusal.line()))?;
    let words = app.basis.words();
    let to = words.to_json();
    let detail = json!({"number": number, "changed": basis::difference(from, &to), "basis": digest});
    let tx = may.begin().await?;
    if !sql::save_basis(&tx, &may, number, digest, words, clock::now()).await? {
        // Another replica was faster: the next look sees its number.
        return Ok(());
    }
    tx.commit(may, Change::new(detail)).await?;
    tracing::info!(number, "decisions rest on a new basis; what was decided before is decided about anew");
    app.basis.settle(number, false);
    Ok(())
}

/// This process stops: whoever works on another basis need not wait until it has been silent for long.
pub async fn leave(app: &App, replica: &str) {
    if let Err(fault) = sql::delete_replica(&app.chores, replica).await {
        tracing::warn!(%fault, "that this replica stops could not be written");
    }
}

/// How long a process that says nothing counts as being there.
const ALIVE: i64 = 180 * Micros::SECOND;
