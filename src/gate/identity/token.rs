//! Our own tokens: what a row of `token` makes of whoever sends it.
//!
//! Never says more to a stranger than that a token is not taken, and why its owner's other tokens would not be either.

use super::{
    Actor, Credential, Proof,
    actor::{Inner, Who},
    hash, not_accepted, people,
};
use crate::{
    domain::{
        refusal::{Fault, Refusal},
        role::{Held, Reach, Role},
        scope::Scopes,
        time::Micros,
        token::{Class, fits},
    },
    gate::{Gate, access::Subject, sql},
    ledger::About,
    store::tables::token,
};

pub(super) async fn load(gate: &Gate, text: &str) -> Result<Actor, Refusal> {
    let row = sql::find_token(gate.reader(), &hash(text)).await?;
    let row = row.ok_or_else(|| not_accepted("This token is not known here."))?;
    if row.revoked_at.is_some() {
        return Err(not_accepted("This token was revoked."));
    }
    // A directory's token is a service's by its shape: what it opens is another thing.
    let class = if row.class == DIRECTORY { Some(Class::Service) } else { Class::from_word(&row.class) };
    let class = class.filter(|class| fits(text, *class)).ok_or_else(|| Fault::new("reading a token: unknown class"))?;
    if class == Class::Refresh {
        return Err(not_accepted("A refresh token opens nothing; it is exchanged for another at /oauth/token."));
    }
    of_row(gate, row, class).await
}

/// The same of a token that was accepted before, as it stands now.
pub(super) async fn again(gate: &Gate, id: &str, class: Class) -> Result<Actor, Refusal> {
    let row = sql::find_token_by_id(gate.reader(), id).await?.filter(|row| row.revoked_at.is_none());
    of_row(gate, row.ok_or_else(|| not_accepted("This token was revoked."))?, class).await
}

async fn of_row(gate: &Gate, row: token::Model, class: Class) -> Result<Actor, Refusal> {
    let reach = Reach::parse(&row.reach).ok_or_else(|| Fault::new("reading a token: unreadable reach"))?;
    match row.person_id.clone() {
        Some(person) => of_person(gate, row, class, &reach, &person).await,
        None => of_machine(gate, row, class, reach).await,
    }
}

/// Its owner's roles, as they are now, in the environments that it reaches.
async fn of_person(gate: &Gate, row: token::Model, class: Class, reach: &Reach, id: &str) -> Result<Actor, Refusal> {
    let known = people::load(gate, id).await?;
    let held = known.roles.iter().map(|h| Held { role: h.role, reach: h.reach.meet(reach) });
    let held: Vec<Held> = held.filter(|h| !h.reach.is_nowhere()).collect();
    let raised = sql::find_elevation(gate.reader(), &row.id).await?;
    let proved = raised.filter(|raised| raised.person_id == id);
    Ok(Actor::of(Inner {
        who: Who::Holder(held),
        kind: "user",
        reference: Some(known.reference),
        name: known.name,
        scopes: Scopes::stored(row.scopes.as_deref()),
        credential: Credential::Token { id: row.id, class },
        person: Some(known.person),
        proved: proved.map(|raised| Proof { at: Micros(raised.authenticated_at), acr: raised.acr }),
        cluster: None,
        expires_at: Some(ends(row.expires_at, row.replaced_at)),
        cause: None,
    }))
}

async fn of_machine(gate: &Gate, row: token::Model, class: Class, reach: Reach) -> Result<Actor, Refusal> {
    let reference = gate.ledger().reference(About::Actor, &format!("weighbridge token {}", row.id)).await?;
    let (who, kind) = if row.class == DIRECTORY {
        (Who::One(Subject::Directory), "directory")
    } else {
        let role = Role::from_word(&row.role).ok_or_else(|| Fault::new("reading a token: unknown role"))?;
        let kind = if role == Role::Cluster || class == Class::Exchanged { "workload" } else { "service" };
        (Who::Holder(vec![Held { role, reach }]), kind)
    };
    Ok(Actor::of(Inner {
        who,
        kind,
        reference: Some(reference),
        name: row.name,
        scopes: Scopes::stored(row.scopes.as_deref()),
        credential: Credential::Token { id: row.id, class },
        person: None,
        proved: None,
        cluster: row.cluster,
        expires_at: Some(ends(row.expires_at, row.replaced_at)),
        cause: None,
    }))
}

/// One that was replaced works a little longer: its holders do not all learn of the new one at once.
fn ends(expires_at: i64, replaced_at: Option<i64>) -> Micros {
    let overlap = replaced_at.map(|at| Micros(at).plus_seconds(OVERLAP));
    overlap.map_or(Micros(expires_at), |end| Micros(end.0.min(expires_at)))
}

/// The class word of the token that a directory pushes people with.
pub(super) const DIRECTORY: &str = "directory";
/// How long a replaced token still works.
const OVERLAP: i64 = 24 * 3600;
