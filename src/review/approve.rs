//! Approving: one commit, in one environment, on the evidence its giver saw.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    examine,
    sql::{self, Approved},
};
use crate::{
    app::App,
    clock,
    domain::{
        event::{ApprovalFact, Kind},
        pointers::{self, Pointer, Walk},
        refusal::{Code, Refusal},
        rev::Commit,
        standing::{self, Step},
        time::Micros,
    },
    gate::{
        act::ApproveRevision,
        evidence,
        grant::Granted,
        resolve::{now_of, pointer_fact, repo_of, short_name},
        tx::Change,
    },
    store::tables::{repository, revision},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    evidence_digest: String,
    reason: String,
    expires_days: Option<i64>,
}

pub async fn approve(app: &App, may: Granted<ApproveRevision>, input: Approval) -> Result<Value, Refusal> {
    let (reason, days) = checked(&may, &input)?;
    let (repository, row, commit) = find(&may).await?;
    let at = clock::now();
    let expires_at = Micros(at.0 + days * Micros::DAY);
    let environment = may.environment().clone();
    // What a commit holds never changes, so only what others decide meanwhile has to be read under the lock.
    let files = sql::list_files(may.reader(), &row.id).await?;
    if files.iter().any(|f| f.sha256.is_none()) {
        return Err(Refusal::new(Code::Conflict, "This revision has not been examined yet.").hint("Examine it first."));
    }
    let tx = may.begin().await?;
    sql::lock_repository(&tx, &repository.id).await?;
    let before = sql::find_standing(&tx, &row.id, &environment).await?;
    // Read here and not before: what is approved is what its giver saw, whatever was found out meanwhile.
    let known = sql::find_knowledge(&tx, &row.id).await?.ok_or_else(|| {
        Refusal::new(Code::Conflict, "This revision has not been scanned yet.").hint("Examine it first.")
    })?;
    let (evidence_digest, tree_digest) = evidence::digest(may.policy_rev(), &row, &commit, &files, &known)?;
    let shown = evidence::shown(&evidence_digest, before.as_ref());
    if shown != input.evidence_digest {
        let sentence = "The evidence is no longer what you saw: its digest has changed.";
        return Err(Refusal::new(Code::Conflict, sentence).hint("Examine it again and decide anew."));
    }
    if let Some((path, why)) = sql::find_denied(&tx, &files).await? {
        let sentence = format!("It cannot be approved: the bytes of {path} are denied everywhere ({why}).");
        return Err(Refusal::new(Code::Conflict, sentence));
    }
    standing::step(now_of(before.as_ref(), at), Step::Approve).map_err(|why| {
        Refusal::new(Code::Conflict, format!("It cannot be approved: {why}.")).hint("Approve another commit.")
    })?;
    let histories = sql::list_histories(&tx, &repository.id).await?;
    let pointers_now = sql::list_pointers(&tx, &repository.id, &environment).await?;
    let walks = histories.iter().map(|h| Walk { name: &h.ref_name, kind: &h.ref_kind, commits: &h.commits });
    let there: Vec<_> = pointers_now.iter().map(|p| Pointer { name: &p.name, commit: &p.commit_id }).collect();
    let moves = pointers::moves(commit.as_str(), walks, &there);
    let approval_id = clock::new_id();
    let approved = Approved {
        revision: &row,
        tree_digest: tree_digest.clone(),
        evidence_digest: evidence_digest.clone(),
        approval_id: &approval_id,
        reason: &reason,
        answers: before.as_ref().map(|row| row.rules.clone()).unwrap_or_default(),
        at,
        expires_at,
        moves: &moves,
        // What the rules said last is what was answered: when they have changed since, they are asked again.
        basis: before.as_ref().map_or_else(|| app.basis.number(), |row| row.basis),
        ends: before.as_ref().and_then(|row| row.approval_id.clone()),
    };
    sql::save_approval(&tx, &may, &approved).await?;
    let now_means: Vec<&str> = moves.iter().map(|m| m.name.as_str()).collect();
    let asked_by = sql::close_requests(&tx, &may, commit.as_str(), &now_means, at).await?;
    // By person, whichever of their credentials they asked and approve with.
    if may.actor().person().is_some() && asked_by.iter().any(|who| who == may.actor().reference()) {
        let sentence = "You asked for this yourself: nobody approves what they asked for.";
        return Err(Refusal::new(Code::NotAllowed, sentence).hint("Let another reviewer decide."));
    }
    let repo = repo_of(repository.clone())?;
    let mut change = Change::new(json!({
        "reason": reason, "evidence_digest": evidence_digest, "shown": shown, "tree_digest": tree_digest,
        "commit": commit.as_str(), "basis": approved.basis,
        "before": examine::standing_word(before.as_ref()),
    }));
    let by = vec![may.actor().reference().to_owned()];
    change = change.approval(ApprovalFact { id: approval_id.clone(), by, expires: Some(expires_at.to_string()) });
    for step in &moves {
        let fact = pointer_fact(&repo, &step.name, &commit, &environment);
        change =
            change.and(Kind::PointerMoved, fact, json!({"from": step.from, "to": step.to, "approval": approval_id}));
    }
    tx.commit(may, change).await?;
    let pointers: Vec<Value> = moves.iter().map(|m| json!({"name": short_name(&m.name), "commit": m.to})).collect();
    Ok(json!({
        "approval": approval_id, "commit": commit.as_str(), "environment": environment.as_str(),
        "expires_at": expires_at.to_millis_text(), "pointers": pointers,
    }))
}

fn checked(may: &Granted<ApproveRevision>, input: &Approval) -> Result<(String, i64), Refusal> {
    if may.everywhere() {
        return Err(Refusal::bad_input("An approval is for one environment; name it instead of `all`."));
    }
    let days = input.expires_days.unwrap_or(LONGEST);
    if !(1..=LONGEST).contains(&days) {
        return Err(Refusal::bad_input(format!("An approval lasts 1 to {LONGEST} days.")));
    }
    Ok((reason(&input.reason)?, days))
}

/// A reason is what an auditor reads later: it must say something, on one line.
pub fn reason(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let fine = (3..=1000).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fine {
        Ok(text.to_owned())
    } else {
        Err(Refusal::bad_input("A reason of 3 to 1000 characters on one line is needed."))
    }
}

async fn find(may: &Granted<ApproveRevision>) -> Result<(repository::Model, revision::Model, Commit), Refusal> {
    let object = may.object();
    let commit = object.rev.as_commit();
    let commit = commit.ok_or_else(|| Refusal::bad_input("An approval names a full commit, never a branch."))?;
    let unknown = || {
        let sentence = format!("{}@{commit} has not been examined here.", object.repo);
        Refusal::new(Code::NotFound, sentence).hint("Examine it first; weighbridge approve does.")
    };
    let repository = sql::find_repository(may, &object.repo).await?.ok_or_else(unknown)?;
    let row = sql::find_revision(may.reader(), &repository.id, commit.as_str()).await?.ok_or_else(unknown)?;
    Ok((repository, row, commit))
}

/// The longest an approval lasts, and how long it lasts when nothing is said.
const LONGEST: i64 = 365;
