//! Leaked tokens: whoever finds one says so, and it is ended at once.
//!
//! Never says whether a token was one of ours: the answer is the same for all. Asks for no credential: whoever shows a
//! token could use it, and ending it is the least they can do with it.

use http::StatusCode;
use serde_json::json;

use super::sql;
use crate::{
    app::App,
    clock,
    domain::{
        event::{Kind, ObjectFact},
        refusal::Refusal,
        token,
    },
    endpoint::{answer::Json, input::Knock},
    gate::{Newcomer, act::ReportToken, identity, tx::Change},
};

/// Ends what was reported and is ours.
pub async fn report(app: &App, knock: &Knock) -> Result<Json, Refusal> {
    app.gate.knock(&knock.call)?;
    app.tries.report(knock.asked.address)?;
    let shown = ["credentials", "credential", "token"].into_iter().flat_map(|name| knock.fields(name));
    let mut hashes: Vec<Vec<u8>> = shown
        .map(str::trim)
        .filter(|text| token::plausible(text))
        .take(MOST)
        .map(|t| identity::hash(t).to_vec())
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    let accepted = Json::new(&json!({"accepted": true})).status(StatusCode::ACCEPTED);
    if hashes.is_empty() {
        return Ok(accepted);
    }
    let may = app.gate.admit_newcomer::<ReportToken>(Newcomer::Stranger("a report of leaked tokens"), &knock.call);
    let may = may.await?;
    let found = sql::list_by_hashes(may.reader(), hashes).await?;
    if found.is_empty() {
        return Ok(accepted);
    }
    let tx = may.begin().await?;
    let mut change = Change::new(json!({"count": found.len()}));
    for row in found {
        sql::end(&tx, &may, &row, "reported as leaked", clock::now()).await?;
        let object = ObjectFact { kind: "token", id: Some(row.id), ..ObjectFact::default() };
        change = change.and(Kind::TokenRevoked, object, json!({"reason": "reported", "class": row.class}));
    }
    tx.commit(may, change).await?;
    Ok(accepted)
}

/// As many tokens as one report may name.
const MOST: usize = 1000;
