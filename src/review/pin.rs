//! Pinning: moving a pointer where no approval would move it, to another approved commit.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{approve::reason, examine, sql};
use crate::{
    clock,
    domain::{
        pointers::Move,
        refusal::{Code, Refusal},
        rev::Rev,
    },
    gate::{
        act::PinPointer,
        grant::Granted,
        resolve::{full_names, pointer_fact, repo_of, short_name},
        tx::Change,
    },
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    reason: String,
    /// Which branch or tag; `main` when nothing is said.
    pointer: Option<String>,
}

pub async fn pin(may: Granted<PinPointer>, input: Pin) -> Result<Value, Refusal> {
    if may.everywhere() {
        return Err(Refusal::bad_input("A pin is for one environment; name it instead of `all`."));
    }
    let reason = reason(&input.reason)?;
    let pointer = Rev::new(input.pointer.as_deref().unwrap_or("main"));
    let pointer = pointer.ok_or_else(|| Refusal::bad_input("This is not the name of a branch or tag."))?;
    let name = may.object().repo.clone();
    let commit = may.object().rev.as_commit();
    let commit = commit.ok_or_else(|| Refusal::bad_input("A pin names a full commit, never a branch."))?;
    let (environment, at) = (may.environment().clone(), clock::now());
    let not_approved = || {
        let sentence = format!("{name}@{commit} is not approved in {environment}, so nothing can be pinned to it.");
        Refusal::new(Code::Conflict, sentence).hint("Approve it first.")
    };
    let repository = sql::find_repository(&may, &name).await?.ok_or_else(not_approved)?;
    let tx = may.begin().await?;
    sql::lock_repository(&tx, &repository.id).await?;
    let row = sql::find_revision(&tx, &repository.id, commit.as_str()).await?.ok_or_else(not_approved)?;
    let standing = sql::find_standing(&tx, &row.id, &environment).await?;
    if examine::standing_word(standing.as_ref()) != "approved" {
        return Err(not_approved());
    }
    let now = sql::find_pointer(&tx, &repository.id, &environment, &pointer).await?;
    let now = now.as_ref();
    let step = Move {
        name: now.map_or_else(|| full_names(&pointer).swap_remove(0), |p| p.name.clone()),
        kind: now.map_or_else(|| "branch".to_owned(), |p| p.kind.clone()),
        from: now.map(|p| p.commit_id.clone()),
        to: commit.to_string(),
    };
    sql::save_pointer(&tx, &may, &repository.id, &step, at).await?;
    sql::save_pin(&tx, &may, &repository.id, &step, at).await?;
    let fact = pointer_fact(&repo_of(repository.clone())?, &step.name, &commit, &environment);
    let change =
        Change::new(json!({"reason": reason, "from": step.from, "to": step.to, "pointer": fact.id, "pinned": true}));
    tx.commit(may, change).await?;
    Ok(
        json!({"pointer": short_name(&step.name), "from": step.from, "commit": step.to, "environment": environment.as_str()}),
    )
}
