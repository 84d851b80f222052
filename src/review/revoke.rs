//! Revoking: a revision, some of its files, or a whole repository; in one environment or all; at once.
//!
//! With the reason *malicious* the digests of the named files are denied everywhere. What else would stop is shown first.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{approve::reason, sql};
use crate::{
    clock,
    domain::{
        event::{Kind, ObjectFact},
        name::RepoName,
        refusal::{Code, Refusal},
        rev::Rev,
        role::Environment,
    },
    gate::{
        Gate,
        act::{Act, RevokeRepository, RevokeRevision},
        grant::Granted,
        object::Found,
        resolve::branch,
        tx::Change,
    },
    store::tables::{file, repository, revision, standing},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    reason: String,
    #[serde(default)]
    malicious: bool,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    preview: bool,
}

type Targets = Vec<(standing::Model, revision::Model)>;

pub async fn revoke_revision(gate: &Gate, may: Granted<RevokeRevision>, input: Revocation) -> Result<Value, Refusal> {
    let (name, rev) = (may.object().repo.clone(), may.object().rev.clone());
    let repository = known(&may, &name).await?;
    let environments = scope(gate, &may);
    let mut targets = Vec::new();
    for environment in &environments {
        let Some(commit) = commit_of(&may, &repository, &rev, environment).await? else { continue };
        let Some(row) = sql::find_revision(&may, &repository.id, &commit).await? else { continue };
        targets
            .extend(sql::list_approved(&may, &repository.id, Some(&row.id), std::slice::from_ref(environment)).await?);
    }
    if targets.is_empty() {
        let sentence = format!("{name}@{rev} is not approved there, so there is nothing to revoke.");
        return Err(Refusal::new(Code::Conflict, sentence));
    }
    carry_out(may, &repository, targets, input).await
}

pub async fn revoke_repository(
    gate: &Gate,
    may: Granted<RevokeRepository>,
    input: Revocation,
) -> Result<Value, Refusal> {
    let name = may.object().repo.clone();
    let repository = known(&may, &name).await?;
    let targets = sql::list_approved(&may, &repository.id, None, &scope(gate, &may)).await?;
    if targets.is_empty() {
        return Err(Refusal::new(
            Code::Conflict,
            format!("Nothing of {name} is approved there, so there is nothing to revoke."),
        ));
    }
    carry_out(may, &repository, targets, input).await
}

async fn carry_out<A: Act>(
    may: Granted<A>,
    repository: &repository::Model,
    targets: Targets,
    input: Revocation,
) -> Result<Value, Refusal> {
    let reason = reason(&input.reason)?;
    let named = named_files(&may, &targets, &input).await?;
    let digests: Vec<String> = if input.malicious { named.values().cloned().collect() } else { Vec::new() };
    let also_stops = holders(&may, &digests, &targets).await?;
    let only_files = !input.malicious && !input.files.is_empty();
    let revoked: Vec<Value> = targets.iter().map(|(row, revision)| of(&repository.name, revision, row)).collect();
    let denied: Vec<Value> =
        named.iter().filter(|_| input.malicious).map(|(path, sha)| json!({"path": path, "sha256": sha})).collect();
    let what = if only_files { "the named files of" } else { "" };
    let done = if input.preview { "would revoke" } else { "revoked" };
    let message = format!("{done} {what} {} approved revision(s)", targets.len()).replace("  ", " ");
    let answer = json!({"revoked": revoked, "digests": denied, "also_stops": also_stops, "message": message, "files": input.files});
    if input.preview {
        return Ok(answer);
    }
    let at = clock::now();
    let mut change = Change::new(json!({
        "reason": reason, "malicious": input.malicious, "files": input.files, "revoked": revoked, "also_stops": also_stops,
    }));
    let tx = may.begin().await?;
    for (row, revision) in targets {
        if only_files {
            for path in &input.files {
                sql::save_revoked_file(&tx, &may, &row, path, &reason, at).await?;
            }
        } else {
            let fact = ObjectFact {
                commit: Some(revision.commit_id.clone()),
                environment: Some(row.environment.clone()),
                ..may.object().fact()
            };
            change = change.and(Kind::RevisionRevoked, fact, json!({"approval": row.approval_id}));
            sql::save_revoked(&tx, &may, row, &reason, at).await?;
        }
    }
    for (path, sha256) in named.iter().filter(|_| input.malicious) {
        sql::save_denied(&tx, &may, sha256, &reason, at).await?;
        let fact = ObjectFact {
            kind: "digest",
            sha256: Some(sha256.clone()),
            path: Some(path.clone()),
            ..ObjectFact::default()
        };
        change = change.and(Kind::DigestDenied, fact, json!({"reason": reason}));
    }
    tx.commit(may, change).await?;
    Ok(answer)
}

/// The named files with their digests; each must exist in a revision that is revoked.
async fn named_files<A: Act>(
    may: &Granted<A>,
    targets: &Targets,
    input: &Revocation,
) -> Result<BTreeMap<String, String>, Refusal> {
    if input.malicious && input.files.is_empty() {
        let sentence = "Which file is malicious? Nothing here has been scanned, so no finding says it.";
        return Err(Refusal::bad_input(sentence).hint("Name it with --file; its bytes are then denied everywhere."));
    }
    let mut named = BTreeMap::new();
    for (_, revision) in targets {
        let files: Vec<file::Model> = sql::list_files(may.reader(), &revision.id).await?;
        for row in files.into_iter().filter(|row| input.files.contains(&row.path)) {
            if row.size == 0 && input.malicious {
                return Err(Refusal::bad_input(format!(
                    "{} is empty: its digest is that of every empty file.",
                    row.path
                )));
            }
            if let Some(sha256) = row.sha256 {
                named.insert(row.path, sha256);
            }
        }
    }
    match input.files.iter().find(|path| !named.contains_key(*path)) {
        Some(path) => Err(Refusal::bad_input(format!("No revision that would be revoked has a file {path}."))),
        None => Ok(named),
    }
}

async fn holders<A: Act>(may: &Granted<A>, digests: &[String], targets: &Targets) -> Result<Vec<Value>, Refusal> {
    if digests.is_empty() {
        return Ok(Vec::new());
    }
    let holders = sql::list_holders(may, digests).await?;
    let other = holders.iter().filter(|(row, _, _)| {
        !targets.iter().any(|(t, _)| t.revision_id == row.revision_id && t.environment == row.environment)
    });
    Ok(other.map(|(row, revision, name)| of(name, revision, row)).collect())
}

fn of(name: &str, revision: &revision::Model, row: &standing::Model) -> Value {
    json!({"repo": name, "commit": revision.commit_id, "environment": row.environment})
}

async fn known<A: Act>(may: &Granted<A>, name: &RepoName) -> Result<repository::Model, Refusal> {
    let row = sql::find_repository(may, name).await?;
    row.ok_or_else(|| Refusal::new(Code::NotFound, format!("Nothing is known here of {name}.")))
}

async fn commit_of<A: Act>(
    may: &Granted<A>,
    repository: &repository::Model,
    rev: &Rev,
    environment: &Environment,
) -> Result<Option<String>, Refusal> {
    if let Some(commit) = rev.as_commit() {
        return Ok(Some(commit.to_string()));
    }
    let pointer = sql::find_pointer(may, &repository.id, environment, branch(rev)).await?;
    Ok(pointer.map(|row| row.commit_id))
}

fn scope<A: Act>(gate: &Gate, may: &Granted<A>) -> Vec<Environment> {
    if may.everywhere() {
        return gate.environments().iter().map(|e| e.name.clone()).collect();
    }
    vec![may.environment().clone()]
}
