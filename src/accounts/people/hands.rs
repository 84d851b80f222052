//! Whose hands are behind a role given by hand: the rule that no one will makes two approvers.
//!
//! Knows only what was ever given by hand; never asks the database.

use std::collections::BTreeSet;

use crate::{
    domain::{
        refusal::{Code, Refusal},
        role::Role,
        time::Micros,
    },
    store::tables::role_grant,
};

/// Whether this hand may give this role to this person, given everything that was ever given by hand.
pub fn judge(all: &[role_grant::Model], giver: &str, to: &str, role: Role, at: Micros) -> Result<(), Refusal> {
    let mine = hands(all, giver);
    if mine.contains(to) {
        let sentence = "This person made you an administrator by hand, so you cannot give them a role: \
                        nobody hands a role to themselves, not by way of another either.";
        return Err(Refusal::new(Code::NotAllowed, sentence).hint("Another administrator can."));
    }
    if role != Role::Reviewer {
        return Ok(());
    }
    let reviewers = all.iter().filter(|grant| grant.role == Role::Reviewer.word() && stands(grant, at.0));
    let mut others = reviewers.filter(|grant| grant.person_id != to);
    let Some(other) = others.find(|grant| !hands(all, &grant.granted_by).is_disjoint(&mine)) else { return Ok(()) };
    let until = other.expires_at.map_or_else(String::new, |end| format!(" until {}", Micros(end).to_day_text()));
    let sentence = format!(
        "One reviewer was made by your hand already, or by one that made you an administrator (grant {}{until}): \
         no one person makes two approvers.",
        other.id
    );
    let hint = "Let another administrator give it, map a group of the provider to the role, or withdraw that grant.";
    Err(Refusal::new(Code::NotAllowed, sentence).hint(hint))
}

/// Somebody, and all who made them an administrator by hand, and who made those: one will may be behind all of them. What
/// was withdrawn counts too, or a row of short grants would be as many hands.
fn hands(all: &[role_grant::Model], of: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([of.to_owned()]);
    let mut open = vec![of.to_owned()];
    while let Some(one) = open.pop() {
        let made = all.iter().filter(|grant| grant.role == Role::Admin.word() && grant.person_id == one);
        for grant in made {
            if found.insert(grant.granted_by.clone()) {
                open.push(grant.granted_by.clone());
            }
        }
    }
    found
}

/// Whether a grant still gives its role.
pub fn stands(grant: &role_grant::Model, at: i64) -> bool {
    grant.withdrawn_at.is_none() && grant.expires_at.is_none_or(|end| end > at)
}
