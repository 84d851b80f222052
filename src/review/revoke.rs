//! Revoking: a revision, some of its files, or a whole repository; in one environment or all; at once.
//!
//! With the reason *malicious* the digests of the named files are denied everywhere. What else would stop is shown first.

use std::collections::BTreeSet;

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
        tx::Change,
    },
    store::{
        Rows,
        tables::{repository, revision, standing},
    },
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

/// What is to stop, before anybody has looked which rows that is.
struct Aim<'a> {
    repository: &'a repository::Model,
    name: &'a RepoName,
    /// None: the whole repository.
    rev: Option<&'a Rev>,
    environments: Vec<Environment>,
}

pub async fn revoke_revision(gate: &Gate, may: Granted<RevokeRevision>, input: Revocation) -> Result<Value, Refusal> {
    let (name, rev) = (may.object().repo.clone(), may.object().rev.clone());
    let repository = known(&may, &name).await?;
    let environments = scope(gate, &may);
    carry_out(may, &Aim { repository: &repository, name: &name, rev: Some(&rev), environments }, input).await
}

pub async fn revoke_repository(
    gate: &Gate,
    may: Granted<RevokeRepository>,
    input: Revocation,
) -> Result<Value, Refusal> {
    let name = may.object().repo.clone();
    let repository = known(&may, &name).await?;
    let environments = scope(gate, &may);
    carry_out(may, &Aim { repository: &repository, name: &name, rev: None, environments }, input).await
}

async fn carry_out<A: Act>(may: Granted<A>, aim: &Aim<'_>, input: Revocation) -> Result<Value, Refusal> {
    let reason = reason(&input.reason)?;
    if input.preview {
        let targets = aim.targets(may.reader()).await?;
        return Ok(Plan::of(&may, may.reader(), aim, targets, &input).await?.answer("would revoke"));
    }
    let at = clock::now();
    let tx = may.begin().await?;
    // An approval that races with this waits, and then finds what it wants to approve revoked.
    sql::lock_repository(&tx, &aim.repository.id).await?;
    let targets = aim.targets(&tx).await?;
    let plan = Plan::of(&may, &tx, aim, targets, &input).await?;
    let answer = plan.answer("revoked");
    let few = |key: &str| {
        answer.get(key).and_then(Value::as_array).map(|list| list.iter().take(MOST_TOLD).cloned().collect::<Vec<_>>())
    };
    let mut change = Change::new(json!({
        "reason": reason, "malicious": input.malicious, "files": input.files.iter().take(MOST_TOLD).collect::<Vec<_>>(),
        "revoked": few("revoked"), "also_stops": few("also_stops"), "revoked_count": plan.targets.len(),
    }));
    for (row, revision) in plan.targets {
        if plan.only_files {
            for path in &input.files {
                sql::save_revoked_file(&tx, &may, &row, path, &reason, at).await?;
            }
        } else {
            let fact = ObjectFact {
                kind: "revision",
                commit: Some(revision.commit_id.clone()),
                environment: Some(row.environment.clone()),
                ..may.object().fact()
            };
            change = change.and(Kind::RevisionRevoked, fact, json!({"approval": row.approval_id}));
            sql::save_revoked(&tx, &may, row, &reason, at).await?;
        }
    }
    for (path, sha256) in &plan.denied {
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

impl Aim<'_> {
    async fn targets(&self, db: &impl Rows) -> Result<Targets, Refusal> {
        let mut targets = Vec::new();
        for environment in &self.environments {
            let here = std::slice::from_ref(environment);
            let Some(rev) = self.rev else {
                targets.extend(sql::list_approved(db, &self.repository.id, None, here).await?);
                continue;
            };
            let commit = match rev.as_commit() {
                Some(commit) => Some(commit.to_string()),
                None => sql::find_pointer(db, &self.repository.id, environment, rev).await?.map(|row| row.commit_id),
            };
            let Some(commit) = commit else { continue };
            let Some(row) = sql::find_revision(db, &self.repository.id, &commit).await? else { continue };
            targets.extend(sql::list_approved(db, &self.repository.id, Some(&row.id), here).await?);
        }
        if targets.is_empty() {
            let what = match self.rev {
                Some(rev) => format!("{}@{rev} is not approved there", self.name),
                None => format!("Nothing of {} is approved there", self.name),
            };
            return Err(Refusal::new(Code::Conflict, format!("{what}, so there is nothing to revoke.")));
        }
        Ok(targets)
    }
}

/// What a revocation stops, worked out.
struct Plan {
    name: String,
    targets: Targets,
    files: Vec<String>,
    only_files: bool,
    /// Paths with the bytes that are denied everywhere; one path can have other bytes in each revision.
    denied: BTreeSet<(String, String)>,
    also_stops: Vec<Value>,
}

impl Plan {
    async fn of<A: Act>(
        may: &Granted<A>,
        db: &impl Rows,
        aim: &Aim<'_>,
        targets: Targets,
        input: &Revocation,
    ) -> Result<Self, Refusal> {
        let named = named_files(db, &targets, input).await?;
        let denied = if input.malicious { named } else { BTreeSet::new() };
        let digests: Vec<String> = denied.iter().map(|(_, sha256)| sha256.clone()).collect();
        let also_stops = holders(may, &digests, &targets).await?;
        let only_files = !input.malicious && !input.files.is_empty();
        let name = format!("{}{}", aim.name.kind().prefix(), aim.repository.name);
        Ok(Self { name, targets, files: input.files.clone(), only_files, denied, also_stops })
    }

    fn answer(&self, done: &str) -> Value {
        let revoked: Vec<Value> = self.targets.iter().map(|(row, revision)| of(&self.name, revision, row)).collect();
        let denied: Vec<Value> = self.denied.iter().map(|(path, sha)| json!({"path": path, "sha256": sha})).collect();
        let what = if self.only_files { "the named files of " } else { "" };
        let message = format!("{done} {what}{} approved revision(s)", revoked.len());
        json!({"revoked": revoked, "digests": denied, "also_stops": self.also_stops, "message": message, "files": self.files})
    }
}

/// The named files with their digests; each must exist in a revision that is revoked.
async fn named_files(
    db: &impl Rows,
    targets: &Targets,
    input: &Revocation,
) -> Result<BTreeSet<(String, String)>, Refusal> {
    if input.malicious && input.files.is_empty() {
        let sentence = "Which file is malicious? Nothing here has been scanned, so no finding says it.";
        return Err(Refusal::bad_input(sentence).hint("Name it with --file; its bytes are then denied everywhere."));
    }
    let mut named = BTreeSet::new();
    for (_, revision) in targets {
        for row in sql::list_named_files(db, &revision.id, &input.files).await? {
            if row.size == 0 && input.malicious {
                let sentence = format!("{} is empty: its digest is that of every empty file.", row.path);
                return Err(Refusal::bad_input(sentence));
            }
            if let Some(sha256) = row.sha256 {
                named.insert((row.path, sha256));
            }
        }
    }
    match input.files.iter().find(|path| !named.iter().any(|(known, _)| known == *path)) {
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

fn scope<A: Act>(gate: &Gate, may: &Granted<A>) -> Vec<Environment> {
    if may.everywhere() {
        return gate.environments().iter().map(|e| e.name.clone()).collect();
    }
    vec![may.environment().clone()]
}

/// How many of each list the ledger's event names; the rows know all.
const MOST_TOLD: usize = 20;
