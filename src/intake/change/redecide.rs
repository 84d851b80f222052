//! Deciding anew about everything that is known, from stored facts and reports; then having bytes read again.
//!
//! Goes on where it stopped: what rests on the newest basis is not looked at again. A hundred revisions about which the
//! rules say the same are one change; anything else is written at once, and a worse answer stops what is served with that.

use std::collections::HashMap;

use serde_json::json;

use super::sql::{self, Confirmed, Listed, Stale};
use crate::{
    app::App,
    clock,
    domain::{
        basis,
        name::{RepoKind, RepoName},
        refusal::Fault,
        time::Micros,
    },
    gate::{act::ConfirmBasis, grant::Granted, object::Gateway, tx::Change},
    intake::{
        decide,
        digests::Wish,
        worker::{Lease, Outcome},
    },
    jobs::{self, Work},
};

/// Decides anew about what rests on an older basis, or about everything.
pub async fn redecide(app: &App, everything: bool, lease: &mut Lease) -> Result<Outcome, Fault> {
    if app.basis.is_behind() {
        return Ok(not_ours());
    }
    let environments: Vec<String> = app.gate.environments().iter().map(|one| one.name.to_string()).collect();
    let number = if everything { i64::MAX } else { app.basis.number() };
    let stale = Stale { number, environments: &environments, at: clock::now() };
    let (mut after, mut done, mut failed) = (String::new(), 0_u64, 0_u64);
    loop {
        let may = grant(app)?;
        let page = sql::list_stale(may.reader(), &stale, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        let mut confirmed = Vec::new();
        for one in &page {
            match anew(app, one).await {
                Ok(same) => confirmed.extend(same),
                Err(fault) => {
                    failed += 1;
                    tracing::error!(repo = one.hub_name, commit = one.commit_id, %fault, "a decision could not be made anew");
                }
            }
            done += 1;
        }
        confirm(app, may, confirmed).await?;
        if !lease.renew(app, done, done).await? {
            return Ok(Outcome::Lost);
        }
    }
    tracing::info!(revisions = done, failed, basis = app.basis.number(), "decisions were made anew");
    ask_for_rescans(app).await?;
    if failed > 0 {
        let why = format!("about {failed} revisions it could not be decided anew; see the log");
        return Ok(Outcome::Later { why, after: std::time::Duration::from_secs(5) });
    }
    Ok(Outcome::Done)
}

/// On which other replicas work, and not this one.
pub fn not_ours() -> Outcome {
    let why = "replicas on a newer basis do this".to_owned();
    Outcome::GoesOn { why, after: std::time::Duration::from_secs(5) }
}

async fn anew(app: &App, one: &Listed) -> Result<Vec<Confirmed>, Fault> {
    let Some(wish) = wish_of(one) else { return Err(Fault::new("reading a revision's name")) };
    decide::decide_anew(app, &wish).await
}

fn wish_of(one: &Listed) -> Option<Wish> {
    let repo = RepoName::new(RepoKind::from_word(&one.kind)?, &one.hub_name)?;
    Some(Wish { repo, revision_id: one.id.clone(), commit: one.commit_id.parse().ok()? })
}

/// Writes down that the rules were asked and said the same.
async fn confirm(app: &App, may: Granted<ConfirmBasis>, mut confirmed: Vec<Confirmed>) -> Result<(), Fault> {
    if confirmed.is_empty() {
        return Ok(());
    }
    confirmed.sort();
    let list: Vec<_> = confirmed.iter().map(|one| json!([one.revision_id, one.environment, one.state])).collect();
    let number = app.basis.number();
    let detail = json!({"basis": number, "decisions": confirmed.len(), "list": basis::hash(&json!(list))});
    let tx = may.begin().await?;
    sql::save_confirmed(&tx, &may, number, &confirmed).await?;
    tx.commit(may, Change::new(detail)).await
}

/// Asks for the bytes of revisions to be read again that an older scanner judged: some at a time, in the order of their
/// last use. What could not be read again lately is left alone for a day.
pub async fn ask_for_rescans(app: &App) -> Result<u64, Fault> {
    let may = grant(app)?;
    let old: Vec<String> =
        sql::list_scanners(may.reader()).await?.into_iter().filter(|one| !app.basis.leaves(one)).collect();
    if old.is_empty() {
        return Ok(0);
    }
    let at = clock::now();
    let under_way: HashMap<String, (String, i64)> = jobs::sql::list_kind(&app.chores, "rescan").await?;
    let resting = |key: &str| {
        under_way.get(key).is_some_and(|(state, run_at)| match state.as_str() {
            "waiting" | "running" => true,
            _ => at.0 - run_at < Micros::DAY,
        })
    };
    let room = MOST_WAITING.saturating_sub(under_way.values().filter(|(state, _)| state == "waiting").count());
    let mut asked = 0;
    for one in sql::list_judged_by(may.reader(), &old).await? {
        let Some(wish) = wish_of(&one) else { continue };
        let work = Work::rescan(&wish.repo, &wish.revision_id, &wish.commit);
        if usize::try_from(asked).is_ok_and(|asked| asked >= room) {
            break;
        }
        if !resting(&work.key()) {
            // A microsecond apart, so that they are taken in this order.
            jobs::sql::push(&app.chores, &work, jobs::sql::Pushed::short(), Micros(at.0 + asked)).await?;
            asked += 1;
        }
    }
    if asked > 0 {
        app.bells.ring_for_work();
        tracing::info!(revisions = asked, "bytes are scanned again by a new scanner");
    }
    Ok(asked.unsigned_abs())
}

pub(super) fn grant(app: &App) -> Result<Granted<ConfirmBasis>, Fault> {
    let may = app.gate.admit_work::<ConfirmBasis>("what decisions rest on has changed", Gateway);
    may.map_err(|refusal| Fault::new(refusal.line()))
}

/// Revisions looked at before what they came to is written down.
const PAGE: u64 = 100;
/// Scans that wait at once.
const MOST_WAITING: usize = 500;
