//! What somebody is here now: their groups as last heard, what people granted them, and nothing that they say themselves.
//!
//! Never trusts a list of groups that may be cut short: then no group gives a role.

use super::{Person, not_accepted};
use crate::{
    clock,
    domain::{
        refusal::{Fault, Refusal},
        role::{Held, Reach, Role},
    },
    gate::{Gate, sql},
    ledger::About,
};

pub(super) struct Known {
    pub person: Person,
    pub name: String,
    pub reference: String,
    pub roles: Vec<Held>,
}

/// Somebody who is not deactivated.
pub(super) async fn load(gate: &Gate, id: &str) -> Result<Known, Refusal> {
    let row = sql::find_person(gate.reader(), id).await?;
    let row = row.ok_or_else(|| not_accepted("Nobody is known here by this credential any more."))?;
    if row.deactivated_at.is_some() {
        return Err(not_accepted("This account is deactivated."));
    }
    let groups = sql::list_groups(gate.reader(), id, row.groups_state == "known").await?;
    let mut roles = gate.identity().mapping.roles(&row.provider, &groups);
    for grant in sql::list_role_grants(gate.reader(), id, clock::now()).await? {
        let role = Role::from_word(&grant.role).ok_or_else(|| Fault::new("reading a grant of a role: unknown role"))?;
        let reach = Reach::parse(&grant.reach).ok_or_else(|| Fault::new("reading a grant of a role: its reach"))?;
        roles.push(Held { role, reach });
    }
    let reference = gate.ledger().reference(About::Actor, &clear(&row.issuer, &row.subject)).await?;
    let person = Person { id: row.id, provider: row.provider, groups };
    Ok(Known { person, name: row.name, reference, roles })
}

/// What a person's reference is made of: what the provider says they are, never an address or a name.
pub(in crate::gate) fn clear(issuer: &str, subject: &str) -> String {
    format!("person {subject} of {issuer}")
}
