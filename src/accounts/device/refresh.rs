//! Renewing a terminal's sign-in: a refresh token for a new pair.
//!
//! Processes that share one token file may come with the same refresh token within two minutes of each other, and each
//! is given a pair. One that comes back later than that is in two hands: then the whole sign-in ends.

use serde_json::json;

use super::{Pair, Terminal, active, give};
use crate::{
    accounts::tokens::sql,
    app::App,
    clock,
    domain::{
        refusal::{Code, Refusal},
        time::Micros,
        token::{Class, fits, plausible},
    },
    gate::{
        Call, Newcomer,
        act::{RefreshToken, ReuseToken},
        identity,
        tx::Change,
    },
    store::tables::token,
};

/// `None` when the token is good for nothing; that is counted, like every other failed sign-in.
pub async fn refresh(app: &App, text: &str, call: &Call) -> Result<Option<Pair>, Refusal> {
    if !plausible(text) || !fits(text, Class::Refresh) {
        return Ok(None);
    }
    let door = Newcomer::Stranger("a terminal that renews its sign-in");
    let looks = app.gate.admit_newcomer::<RefreshToken>(door, call).await?;
    let row = sql::find_by_hash(looks.reader(), &identity::hash(text)).await?;
    let now = clock::now();
    let good =
        |row: &token::Model| row.class == Class::Refresh.word() && row.revoked_at.is_none() && row.expires_at > now.0;
    let Some(row) = row.filter(good) else { return Ok(None) };
    let (Some(person), Some(family)) = (row.person_id.as_deref(), row.family.clone()) else { return Ok(None) };
    let Some(owner) = active(&looks, person).await? else { return Ok(None) };
    let who = |cause| Newcomer::Person { issuer: &owner.issuer, subject: &owner.subject, name: &owner.name, cause };
    if row.replaced_at.is_some_and(|at| Micros(at).plus_seconds(GRACE) <= now) {
        let may = app.gate.admit_newcomer::<ReuseToken>(who("a refresh token that was used before"), call).await?;
        let tx = may.begin().await?;
        let ended = sql::end(&tx, &may, &row, "a refresh token was used twice", now).await?;
        tx.commit(may, Change::new(json!({"token_id": row.id, "family": family, "ended": ended}))).await?;
        return Ok(None);
    }
    let may = app.gate.admit_newcomer::<RefreshToken>(who("a terminal that renews its sign-in"), call).await?;
    let tx = may.begin().await?;
    if !sql::is_in(&tx, &may, &owner.id).await? {
        return Ok(None);
    }
    // The first use counts: the grace is not drawn out by using it.
    if !sql::replace(&tx, &may, &row.id, Micros(row.replaced_at.unwrap_or(now.0))).await? {
        return Ok(None);
    }
    let (pair, detail) = give(&tx, &may, &owner, Terminal { family: &family, name: &row.name }).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(Some(pair))
}

/// What a sign-in that cannot be renewed is counted as.
pub fn not_renewed() -> Refusal {
    Refusal::new(Code::TokenNotAccepted, "This sign-in cannot be renewed.").hint("Sign in again: hf auth login.")
}

/// How long a refresh token that was exchanged is still taken, in seconds.
const GRACE: i64 = 120;
