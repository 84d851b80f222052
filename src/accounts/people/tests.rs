//! The hands that give roles: whatever administrators do, one will makes one approver.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::hands::judge;
use crate::{
    domain::{refusal::Code, role::Role, time::Micros},
    store::tables::role_grant,
};

fn given(role: Role, by: &str, to: &str) -> role_grant::Model {
    role_grant::Model {
        id: format!("{by}-{to}"),
        person_id: to.to_owned(),
        role: role.word().to_owned(),
        reach: "*".to_owned(),
        granted_by: by.to_owned(),
        reason: "a test".to_owned(),
        created_at: 0,
        expires_at: Some(100),
        withdrawn_at: None,
    }
}

#[test]
fn one_person_makes_one_approver() {
    use Role::{Admin, Developer, Reviewer};
    let may = |all: &[role_grant::Model], by: &str, to: &str, role: Role| {
        judge(all, by, to, role, Micros(50)).map_err(|refusal| refusal.code)
    };
    let no = Err(Code::NotAllowed);
    let one = [given(Reviewer, "ann", "bob")];
    assert_eq!(may(&[], "ann", "bob", Reviewer), Ok(()));
    assert_eq!(may(&one, "ann", "cid", Reviewer), no);
    assert_eq!(may(&one, "ann", "bob", Reviewer), Ok(()), "the same person's again is no second one");
    assert_eq!(may(&one, "ann", "cid", Developer), Ok(()));
    assert_eq!(may(&one, "eve", "cid", Reviewer), Ok(()), "another administrator can");
    let over = [role_grant::Model { withdrawn_at: Some(40), ..given(Reviewer, "ann", "bob") }];
    assert_eq!(may(&over, "ann", "cid", Reviewer), Ok(()));
    assert_eq!(judge(&one, "ann", "cid", Reviewer, Micros(100)).map_err(|r| r.code), Ok(()), "its time is over");
    // By way of an administrator of one's own making, also when that was taken back.
    let puppet = [given(Admin, "ann", "pat"), given(Reviewer, "ann", "bob")];
    assert_eq!(may(&puppet, "pat", "cid", Reviewer), no);
    assert_eq!(may(&puppet, "pat", "ann", Reviewer), no, "nobody hands a role to themselves by way of another");
    let gone =
        [role_grant::Model { withdrawn_at: Some(40), ..given(Admin, "ann", "pat") }, given(Reviewer, "pat", "bob")];
    assert_eq!(may(&gone, "ann", "cid", Reviewer), no);
}

proptest! {
    /// Whatever a few administrators by groups and whoever they make administrators do, the reviewers by hand that stand
    /// are never more than the administrators by groups, and nobody gave one to themselves.
    #[test]
    fn no_sequence_makes_more_approvers_than_there_were_wills(
        steps in proptest::collection::vec((0usize..6, 0usize..6, any::<bool>(), any::<bool>()), 1..60)
    ) {
        let names = ["ann", "bob", "cid", "dan", "eve", "pat"];
        // The first two are administrators by groups; who they make one is one by hand.
        let mut all: Vec<role_grant::Model> = Vec::new();
        for (by, to, admin, withdraw) in steps {
            let (by, to) = (names[by], names[to]);
            let is_admin = by == "ann" || by == "bob" || all.iter().any(|one| {
                one.role == "admin" && one.person_id == by && one.withdrawn_at.is_none()
            });
            if !is_admin || by == to {
                continue;
            }
            let role = if admin { Role::Admin } else { Role::Reviewer };
            if judge(&all, by, to, role, Micros(50)).is_ok() {
                let mut new = given(role, by, to);
                // Only administrators by hand are taken back here: reviewers stay to be counted.
                new.withdrawn_at = (withdraw && admin).then_some(40);
                all.push(new);
            }
            let reviewers: BTreeSet<&str> = all
                .iter()
                .filter(|one| one.role == "reviewer" && one.withdrawn_at.is_none())
                .map(|one| one.person_id.as_str())
                .collect();
            prop_assert!(reviewers.len() <= 2, "{all:?}");
        }
    }
}
