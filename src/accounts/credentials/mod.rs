//! Credentials at the public hub: a person's own, or an environment's, for repositories that are gated or private there.
//!
//! Kept sealed, each bound to its row and its owner, after the hub has said whose it is. Never shown again and never
//! logged; what is told of one is its id, its owner and the hub's name of it.

pub mod http;
pub mod sql;

use serde_json::json;

use crate::{
    clock,
    domain::{
        refusal::{Code, Fault, Refusal},
        time::Micros,
    },
    gate::{
        Gate,
        act::{Act, KeepCredential, KeepOwnCredential, RemoveCredential, RemoveOwnCredential},
        grant::Granted,
        rights::belongs_to,
        tx::Change,
    },
    store::tables::upstream_credential,
    upstream::{Trouble, Upstream},
};

/// Whose a credential is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// person or environment.
    pub kind: &'static str,
    pub id: String,
}

/// What may be told of a kept credential.
#[derive(Clone, Debug)]
pub struct Kept {
    pub id: String,
    pub hub_user: String,
}

/// Acts that keep a credential.
pub trait Keeps: Act {}
impl Keeps for KeepCredential {}
impl Keeps for KeepOwnCredential {}

/// Acts that take one away.
pub trait Removes: Act {}
impl Removes for RemoveCredential {}
impl Removes for RemoveOwnCredential {}

/// Keeps a token for its owner in place of the one before, once the hub has said whose it is.
pub async fn keep<A: Keeps>(
    gate: &Gate,
    hub: &Upstream,
    may: Granted<A>,
    owner: Owner,
    token: &str,
) -> Result<Kept, Refusal> {
    let token = token.trim();
    if token.is_empty() || token.len() > LONGEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::bad_input("This is no token of the hub: it is empty, too long or has odd characters."));
    }
    let seals = gate.identity().seals.clone().ok_or_else(|| Fault::new("sealing a credential: there is no key"))?;
    let hub_user = whose(hub, token).await?;
    let at = clock::now();
    let mut row = upstream_credential::Model {
        id: clock::new_id(),
        owner_kind: owner.kind.to_owned(),
        owner: owner.id,
        hub_user: hub_user.clone(),
        sealed: Vec::new(),
        created_at: at.0,
        created_by: may.actor().reference().to_owned(),
        last_used_at: None,
        ended_at: None,
    };
    row.sealed = seals.seal(&belongs_to(&row), token)?;
    // A person stands in the ledger by a keyed reference; of a person's credential only its id is said.
    let environment = (owner.kind == "environment").then(|| row.owner.clone());
    let detail = json!({"credential": row.id, "owner": owner.kind, "environment": environment});
    let kept = Kept { id: row.id.clone(), hub_user };
    let tx = may.begin().await?;
    sql::end_credentials_of(&tx, &may, owner.kind, &row.owner, at).await?;
    sql::save_credential(&tx, &may, row).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(kept)
}

/// Takes one away: what it opened stays shut for its owner from here on, running downloads included.
pub async fn remove<A: Removes>(may: Granted<A>, id: &str) -> Result<bool, Refusal> {
    let row = sql::find_credential(may.reader(), id).await?;
    let row = row.ok_or_else(|| Refusal::new(Code::NotFound, "There is no such credential."))?;
    if row.ended_at.is_some() {
        return Ok(false);
    }
    let tx = may.begin().await?;
    sql::end_credential(&tx, &may, id, clock::now()).await?;
    tx.commit(may, Change::new(json!({"credential": id, "owner": row.owner_kind}))).await?;
    Ok(true)
}

/// Every credential that is kept, without what it is.
pub async fn list(may: &Granted<KeepCredential>) -> Result<Vec<upstream_credential::Model>, Fault> {
    sql::list_credentials(may.reader()).await
}

/// The hub's own word on whose token this is.
async fn whose(hub: &Upstream, token: &str) -> Result<String, Refusal> {
    match hub.with_token(token)?.whoami().await {
        Ok(Some(name)) => Ok(name),
        Ok(None) => Err(Refusal::bad_input("This is no token of the hub.")),
        Err(trouble @ (Trouble::Unreachable(_) | Trouble::Busy { .. })) => {
            let sentence = format!("The token was not kept, because the hub could not say whose it is. {trouble}");
            Err(Refusal::new(Code::UpstreamUnreachable, sentence).hint("Try again when the hub can be reached."))
        }
        Err(_) => Err(Refusal::bad_input("The hub does not know this token, so it was not kept.")
            .hint("Make a token with read access at the hub and give it here.")),
    }
}

/// `2026-11-21`, or a dash.
pub fn day(at: Option<i64>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| Micros(at).to_day_text())
}

const LONGEST: usize = 500;
