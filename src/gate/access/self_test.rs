//! What a policy must show before anything is asked of it: that a deny denies, that nobody unknown is let in, and that
//! every act is still left to someone.
//!
//! Never repairs anything: a policy that fails is not loaded.

use std::collections::HashSet;

use casbin::CoreApi;

use crate::domain::{refusal::Fault, role::Role};

use super::{Access, EVERY, Question, Subject, acts, engine, rows::Row};

pub(super) async fn run(access: &Access) -> Result<(), Fault> {
    holds_what_was_read(access)?;
    denies_what_is_denied(&access.rows).await?;
    lets_nobody_unknown_in(access)?;
    leaves_every_act_to_someone(access)
}

/// Casbin drops rows it has no section for, and answers yes to everything when it is switched off.
fn holds_what_was_read(access: &Access) -> Result<(), Fault> {
    let read: Vec<_> = access.rows.iter().map(Row::fields).collect();
    if read.is_empty() {
        return Err(failed("there are no rows"));
    }
    if access.enforcer.get_model().get_policy("p", "p") != read {
        return Err(failed("Casbin does not hold the rows that were read"));
    }
    if access.enforcer.is_enabled() { Ok(()) } else { Err(failed("Casbin is switched off")) }
}

async fn denies_what_is_denied(rows: &[Row]) -> Result<(), Fault> {
    let [allow, deny] = [("self-test-allow", true), ("self-test-deny", false)].map(|(id, allow)| Row {
        id: id.to_owned(),
        subject: Subject::Role(Role::Developer),
        environment: EVERY.to_owned(),
        object: "/models/*/*".to_owned(),
        act: "file.pull",
        allow,
    });
    let asked = [allow.subject.word(), "self-test", "/models/self/test", allow.act];
    let both = [allow.id.clone(), deny.id.clone()];
    let scratch = engine::build(std::slice::from_ref(&allow)).await?;
    if engine::ask(&scratch, asked) != Ok((true, vec![allow.id.clone()])) {
        return Err(failed("a known allow does not allow"));
    }
    // Once alone and once after all rows, where an effector that stops early would not reach the end.
    let alone = [allow, deny];
    for rows in [alone.to_vec(), rows.iter().cloned().chain(alone).collect()] {
        let (allow, matched) = engine::ask(&engine::build(&rows).await?, asked).map_err(failed)?;
        if allow || !both.iter().all(|id| matched.contains(id)) {
            return Err(failed("a known deny does not deny, or is not told"));
        }
    }
    Ok(())
}

fn lets_nobody_unknown_in(access: &Access) -> Result<(), Fault> {
    // One row for each act and environment: asking Casbin about every row would take the square of their number.
    let mut tried = HashSet::new();
    for row in access.rows.iter().filter(|row| tried.insert((row.act, row.environment.as_str()))) {
        let object = row.sample().unwrap_or_default();
        let environment = if row.environment == EVERY { "any" } else { &row.environment };
        let unprefixed = row.subject.word().rsplit(':').next().unwrap_or_default();
        for stranger in ["role:nobody", Subject::Anonymous.word(), unprefixed, ""] {
            if engine::ask(&access.enforcer, [stranger, environment, &object, row.act]).map_err(failed)?.0 {
                return Err(failed(format!("row `{}` lets in `{stranger}`", row.id)));
            }
        }
        // To Casbin an empty environment is one that `*` matches: such a question must never come to it.
        for [environment, object, act] in
            [["", &object, row.act], [environment, "", row.act], [environment, &object, ""]]
        {
            if Question::read(row.subject, environment, object, act).is_ok() {
                return Err(failed("a question with an empty field can be asked"));
            }
        }
    }
    Ok(())
}

fn leaves_every_act_to_someone(access: &Access) -> Result<(), Fault> {
    for act in acts::ACTS.iter().filter(|act| act.given_to != acts::Given::Newcomers) {
        let mut given = access.rows.iter().filter(|row| row.allow && row.act == act.word);
        let reached = given.any(|row| {
            let environment = if row.environment == EVERY { "any" } else { &row.environment };
            let object = row.sample().unwrap_or_default();
            Question::read(row.subject, environment, &object, row.act)
                .is_ok_and(|asked| access.weigh(&asked).is_some_and(|answer| answer.0))
        });
        if !reached {
            return Err(failed(format!("no row leaves `{}` to anyone", act.word)));
        }
    }
    Ok(())
}

fn failed(why: impl Into<String>) -> Fault {
    Fault::new(format!("testing the access policy before use: {}", why.into()))
}
