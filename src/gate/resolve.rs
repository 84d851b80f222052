//! From a name to the one thing it means here: renames, case, branches, and whether it is served.
//!
//! A name we do not hold is looked up at the hub, but only to say the right kind of no: that it does not exist, that it
//! is another name of something approved, or that nobody has approved it. Never shows anything of an undecided revision.

use std::time::Duration;

use super::{
    Gate,
    act::NameRepository,
    identity::Actor,
    object::{File, FileAsked, Repo, RepoNamed, Revision},
    rights, sql,
    tx::Change,
};
use crate::{
    clock,
    domain::{
        digest::FileId,
        event::ObjectFact,
        file::FilePath,
        name::RepoName,
        refusal::{Code, Fault, Refusal},
        rev::{Commit, Rev},
        role::Environment,
        standing::{self, Now, State},
        time::Micros,
    },
    store::tables::{repository, standing as standing_row},
    upstream::Trouble,
};

/// A found thing, and until when that answer holds at most.
#[derive(Clone, Debug)]
pub(super) struct Until<T> {
    pub found: T,
    pub expires_at: Option<Micros>,
}

/// Who asks, and where.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub gate: &'a Gate,
    pub actor: &'a Actor,
    pub environment: &'a Environment,
}

pub(super) async fn served_repository(by: Asker<'_>, name: &RepoName) -> Result<Repo, Refusal> {
    let Asker { gate, environment, .. } = by;
    rights::check(by, name).await?;
    let row = known_or_refused(by, name, &Rev::main()).await?;
    let standings = sql::list_standings(gate.reader(), &row.id, environment).await?;
    let now = |row: &standing_row::Model| now_of(Some(row), clock::now());
    let mut denied = None;
    for approved in standings.iter().filter(|row| now(row) == Now::Approved) {
        match sql::find_denied_digest(gate.reader(), &approved.revision_id).await? {
            None => return Ok(repo_of(row)?),
            Some(found) => denied = Some(found),
        }
    }
    if let Some((path, reason)) = denied {
        return Err(digest_denied(name, &Rev::main(), &path, &reason));
    }
    // What was served and is not any more says so here: some clients ask for nothing else before their cache.
    let last = standings.iter().max_by_key(|row| row.changed_at);
    match last {
        Some(last) => Err(refused(now(last), name, &Rev::main(), environment, Some(last))),
        None => Err(undecided(name, &Rev::main(), environment)),
    }
}

pub(super) async fn served_revision(by: Asker<'_>, name: &RepoName, rev: &Rev) -> Result<Revision, Refusal> {
    let Asker { gate, environment, .. } = by;
    // What is remembered below is the same for everybody; the right to it is not.
    Box::pin(rights::check(by, name)).await?;
    let key = (gate.epoch(), environment.clone(), name.clone(), rev.clone());
    let load = load_revision(by, name, rev);
    let cached = gate.revisions().try_get_with(key, load).await.map_err(|why| Refusal::clone(&why))?;
    if cached.expires_at.is_some_and(|end| end <= clock::now()) {
        return Err(refused(Now::Expired, name, rev, environment, None));
    }
    // A name that was nobody's a moment ago may have been found by another's question: the right is asked of what it is.
    if cached.found.repo.name != *name {
        Box::pin(rights::check(by, &cached.found.repo.name)).await?;
    }
    Ok(cached.found)
}

pub(super) async fn served_file(by: Asker<'_>, asked: &FileAsked) -> Result<File, Refusal> {
    let Asker { gate, environment, .. } = by;
    let revision = served_revision(by, &asked.repo, &asked.rev).await?;
    let key = (gate.epoch(), environment.clone(), revision.id.clone(), asked.path.clone());
    let load = load_file(gate, revision.clone(), &asked.path, environment);
    let file = gate.files().try_get_with(key, load).await.map_err(|why| Refusal::clone(&why))?;
    // Which newer commit the hub has depends on the name that was asked for, not on the file.
    Ok(File { revision, ..file })
}

/// Whether a file that was granted is still granted: asked again whenever anything moved the gate.
pub(super) async fn still_served(gate: &Gate, file: &File, environment: &Environment) -> Result<bool, Fault> {
    let db = gate.reader();
    let row = sql::find_standing(db, &file.revision.id, environment).await?;
    if now_of(row.as_ref(), clock::now()) != Now::Approved
        || sql::find_denied_digest(db, &file.revision.id).await?.is_some()
    {
        return Ok(false);
    }
    let path = file.path.as_str();
    Ok(sql::find_revoked_file(db, &file.revision.id, environment, path).await?.is_none()
        && sql::find_hidden_file(db, &file.revision.id, environment, path).await?.is_none())
}

async fn load_revision(by: Asker<'_>, name: &RepoName, rev: &Rev) -> Result<Until<Revision>, Refusal> {
    let Asker { gate, environment, .. } = by;
    let db = gate.reader();
    let row = known_or_refused(by, name, rev).await?;
    let mut commit = rev.as_commit();
    let mut newest = None;
    let mut read_at = None;
    for reference in full_names(rev) {
        if commit.is_some() {
            break;
        }
        let pointed = sql::find_pointer(db, &row.id, environment, &reference).await?;
        commit = pointed.and_then(|c| c.parse::<Commit>().ok());
        let there = sql::find_newest(db, &row.id, &reference).await?;
        read_at = there.as_ref().map(|(_, at)| *at);
        let there = there.and_then(|(c, _)| c.parse::<Commit>().ok());
        newest = if commit.is_some() { there } else { newest.or(there) };
    }
    // A branch that points nowhere here yet: what was decided about the commit that the hub has there is the answer.
    let pointed = commit.is_some();
    let Some(commit) = commit.or_else(|| newest.clone()) else { return Err(not_listed(by, name, rev).await) };
    let Some(revision) = sql::find_revision(db, &row.id, &commit).await? else {
        return Err(not_listed(by, name, rev).await);
    };
    let standing = sql::find_standing(db, &revision.id, environment).await?;
    let now = now_of(standing.as_ref(), clock::now());
    if now != Now::Approved || !pointed {
        let now = if now == Now::Approved { Now::Undecided } else { now };
        return Err(refused(now, name, rev, environment, standing.as_ref()));
    }
    let expires_at = standing.as_ref().and_then(|row| row.expires_at).map(Micros);
    if let Some((path, reason)) = sql::find_denied_digest(db, &revision.id).await? {
        return Err(digest_denied(name, rev, &path, &reason));
    }
    let approval = standing.and_then(|row| row.approval_id).unwrap_or_default();
    let upstream_commit = newest.filter(|newest| *newest != commit);
    let (looked_at, upstream_state) = sql::find_hub(db, &row.id).await?;
    let upstream_checked = if rev.as_commit().is_some() { None } else { read_at.max(looked_at) };
    let found = Revision {
        repo: repo_of(row)?,
        id: revision.id,
        commit,
        approval,
        expires_at,
        upstream_commit,
        upstream_checked,
        upstream_state,
    };
    Ok(Until { found, expires_at })
}

async fn load_file(
    gate: &Gate,
    revision: Revision,
    path: &FilePath,
    environment: &Environment,
) -> Result<File, Refusal> {
    let db = gate.reader();
    let name = &revision.repo.name;
    let Some(row) = sql::find_file(db, &revision.id, path.as_str()).await? else {
        let sentence = format!("{name} has no file {path} at {}.", revision.commit);
        return Err(Refusal::new(Code::EntryNotFound, sentence).in_commit(revision.commit.clone()));
    };
    if let Some(reason) = sql::find_revoked_file(db, &revision.id, environment, path.as_str()).await? {
        let sentence = format!("{path} of {name} was revoked in {environment}: {reason}.");
        return Err(Refusal::new(Code::Revoked, sentence));
    }
    if let Some((rule, reason)) = sql::find_hidden_file(db, &revision.id, environment, path.as_str()).await? {
        let sentence = format!("{path} of {name} is not served in {environment}: {}.", reason.trim_end_matches('.'));
        return Err(Refusal::new(Code::Hidden, sentence).hint(format!("Rule {rule}; load the other file instead.")));
    }
    let unreadable = |_| Fault::new("reading a file's digests");
    let sha256 = row.sha256.as_deref().ok_or_else(|| Fault::new("an approved file has no digest"))?;
    let sha256 = sha256.parse().map_err(unreadable)?;
    let lfs = row.lfs.as_deref().map(str::parse).transpose().map_err(unreadable)?;
    let id = FileId { git: row.git_id.parse().map_err(unreadable)?, lfs };
    Ok(File { path: path.clone(), size: u64::try_from(row.size).unwrap_or_default(), id, sha256, revision })
}

/// The repository that this name means, asking the hub about a name we have never seen.
async fn known_or_refused(by: Asker<'_>, name: &RepoName, rev: &Rev) -> Result<repository::Model, Refusal> {
    let Asker { gate, actor, environment } = by;
    if let Some(row) = sql::find_repository(gate.reader(), name.kind(), &name.key()).await? {
        return Ok(row);
    }
    gate.may_ask_upstream(actor)?;
    let answer = tokio::time::timeout(PATIENCE, gate.upstream().repository(name)).await;
    let facts = match answer {
        Ok(Ok(facts)) => facts,
        Ok(Err(Trouble::RepoNotFound)) => match rights::seen_with_own(by, name).await? {
            Some(facts) => facts,
            None => return Err(rights::absent(name)),
        },
        Ok(Err(trouble)) => return Err(not_known(&trouble, name, rev, environment)),
        Err(_) => {
            return Err(
                not_approved(name, rev, environment).hint("The hub did not answer, so its existence is not known.")
            );
        }
    };
    // Our hub token may see more than its owner's colleagues should: what is private there is not even known here,
    // unless its namespace is theirs.
    if facts.private && !gate.may_see_private(actor, environment, &facts.name) {
        return Err(rights::absent(name));
    }
    let known = match &facts.upstream_id {
        Some(id) => sql::find_repository_by_upstream_id(gate.reader(), name.kind(), id).await?,
        None => None,
    };
    let Some(row) = known else {
        rights::check_new(by, &facts).await?;
        return Err(undecided(name, rev, environment));
    };
    rights::check(by, &repo_of(row.clone())?.name).await?;
    remember_name(gate, name, &row).await?;
    Ok(row)
}

/// Writes down that another name means a repository we hold, so that it still does when the hub is gone.
async fn remember_name(gate: &Gate, name: &RepoName, row: &repository::Model) -> Result<(), Refusal> {
    let cause = format!("{name} was asked for and the hub answered with {}", row.name);
    let may = gate.admit_work::<NameRepository>(&cause, RepoNamed(name.clone()))?;
    let tx = may.begin().await?;
    sql::save_name(&tx, name.kind(), &name.key(), &row.id, clock::now().0).await?;
    tx.commit(may, Change::new(serde_json::json!({"name": name.path(), "means": row.name, "repository": row.id})))
        .await?;
    Ok(())
}

/// A revision we know nothing of: does it exist at all?
async fn not_listed(by: Asker<'_>, name: &RepoName, rev: &Rev) -> Refusal {
    let Asker { gate, actor, environment } = by;
    if let Err(too_many) = gate.may_ask_upstream(actor) {
        return too_many;
    }
    match tokio::time::timeout(PATIENCE, gate.upstream().revision(name, rev)).await {
        Ok(Err(Trouble::RevisionNotFound)) => {
            Refusal::new(Code::RevisionNotFound, format!("{name} has no revision {rev}."))
        }
        // Without the hub nobody can look at it: a quick no is better than a long wait for it.
        Ok(Err(Trouble::Unreachable(_) | Trouble::Busy { .. })) | Err(_) => {
            not_approved(name, rev, environment).hint("The hub cannot be reached, so it cannot be looked at now.")
        }
        _ => undecided(name, rev, environment),
    }
}

fn not_known(trouble: &Trouble, name: &RepoName, rev: &Rev, environment: &Environment) -> Refusal {
    match trouble {
        Trouble::RepoNotFound => rights::absent(name),
        Trouble::Reserved => {
            let sentence = format!("{name} is in a namespace of this company, which is never fetched from the hub.");
            Refusal::new(Code::ReservedName, sentence).hint("Publish it to your own hub, or ask the name's owner.")
        }
        Trouble::Disabled => {
            let sentence = format!("W-023: the hub has disabled {name}, and nothing of it was approved here before.");
            Refusal::new(Code::Denied, sentence).hint("Use another model; the reviewers can tell you more.")
        }
        Trouble::Unreachable(_) | Trouble::Busy { .. } => {
            not_approved(name, rev, environment).hint("The hub cannot be reached, so its existence is not known.")
        }
        _ => not_approved(name, rev, environment),
    }
}

fn digest_denied(name: &RepoName, rev: &Rev, path: &str, reason: &str) -> Refusal {
    let sentence = format!("{name}@{rev} holds {path}, whose bytes are denied everywhere: {reason}.");
    Refusal::new(Code::DigestDenied, sentence).hint("Stop using copies you have.")
}

fn not_approved(name: &RepoName, rev: &Rev, environment: &Environment) -> Refusal {
    Refusal::new(Code::NotApproved, format!("{name}@{rev} is not approved in {environment}."))
        .hint(format!("Ask for it: weighbridge request {name}@{rev} --reason TEXT."))
}

/// Nobody has looked at it yet. The frame has intake look, and waits for what it says.
fn undecided(name: &RepoName, rev: &Rev, environment: &Environment) -> Refusal {
    Refusal::new(Code::Undecided, format!("{name}@{rev} is being looked at for {environment}."))
        .hint("Try again in a minute; it goes on meanwhile.")
        .retry_after(10)
}

/// A standing as it is at this moment.
pub fn now_of(row: Option<&standing_row::Model>, at: Micros) -> Now {
    let state = row.and_then(|row| State::from_word(&row.state));
    let time = |of: fn(&standing_row::Model) -> Option<i64>| row.and_then(of).map(Micros);
    standing::now(state, time(|row| row.expires_at), time(|row| row.until_at), at)
}

fn refused(
    now: Now,
    name: &RepoName,
    rev: &Rev,
    environment: &Environment,
    standing: Option<&standing_row::Model>,
) -> Refusal {
    let reason = standing.map(|row| row.reason.as_str()).unwrap_or_default();
    // By branch, "no such revision" is the one answer that makes a client with a cache stop.
    let gone = if rev.as_commit().is_some() { Code::Revoked } else { Code::RevokedByName };
    let because = if reason.is_empty() { String::new() } else { format!(": {}", reason.trim_end_matches('.')) };
    let end = if because.ends_with(')') { "" } else { "." };
    match now {
        Now::Revoked => Refusal::new(gone, format!("{name}@{rev} was revoked in {environment}{because}{end}"))
            .hint("Stop using copies you have; ask your reviewers for another revision."),
        Now::Suspended => Refusal::new(gone, format!("{name}@{rev} is suspended in {environment}{because}{end}"))
            .hint("A reviewer has to look at it first."),
        Now::Expired => {
            Refusal::new(Code::NotApproved, format!("The approval of {name}@{rev} in {environment} has ended."))
                .hint(format!("Ask for it again: weighbridge request {name}@{rev} --reason TEXT."))
        }
        Now::Pending => {
            Refusal::new(Code::NotApproved, format!("{name}@{rev} waits for a review in {environment}{because}{end}"))
                .hint(format!("Say why you need it: weighbridge request {name}@{rev} --reason TEXT."))
        }
        Now::Cooling => {
            let until = standing.and_then(|row| row.until_at).map(|at| Micros(at).to_minute_text());
            let until = until.map(|at| format!(" until {at}")).unwrap_or_default();
            Refusal::new(Code::NotApproved, format!("{name}@{rev} has to wait in {environment}{until}{because}{end}"))
                .hint(format!("Or ask a reviewer: weighbridge request {name}@{rev} --reason TEXT."))
        }
        Now::Denied => Refusal::new(Code::Denied, format!("{name}@{rev} is denied in {environment}{because}{end}"))
            .hint("Use another revision or model; the reviewers can tell you more."),
        Now::Undecided | Now::Approved => undecided(name, rev, environment),
    }
}

/// A repository's row as an object.
pub fn repo_of(row: repository::Model) -> Result<Repo, Fault> {
    let kind = crate::domain::name::RepoKind::from_word(&row.kind);
    let named = |path: &str| {
        let name = kind.and_then(|kind| RepoName::new(kind, path));
        name.ok_or_else(|| Fault::new("reading a repository's name"))
    };
    Ok(Repo { name: named(&row.name)?, hub_name: named(&row.hub_name)?, id: row.id })
}

/// The full names that a name can mean, in the order git looks for them: a branch before a tag. Histories and pointers
/// are kept under full names, so that a tag called `main`, or pull request 1, is never taken for a branch.
pub fn full_names(rev: &Rev) -> Vec<String> {
    let text = rev.as_str();
    if text.starts_with("refs/") {
        return vec![text.to_owned()];
    }
    vec![format!("{BRANCHES}{text}"), format!("{TAGS}{text}"), format!("refs/{text}")]
}

/// A full name as people say it.
pub fn short_name(reference: &str) -> &str {
    reference.strip_prefix(BRANCHES).or_else(|| reference.strip_prefix(TAGS)).unwrap_or(reference)
}

pub const BRANCHES: &str = "refs/heads/";
pub const TAGS: &str = "refs/tags/";

/// The fact of a repository, for events about pointers.
pub fn pointer_fact(repo: &Repo, name: &str, commit: &Commit, environment: &Environment) -> ObjectFact {
    ObjectFact {
        kind: "pointer",
        id: Some(name.to_owned()),
        commit: Some(commit.to_string()),
        environment: Some(environment.to_string()),
        ..super::object::Found::fact(repo)
    }
}

/// A quick no is worth more than a perfect one: how long the hub may take to say whether something exists.
const PATIENCE: Duration = Duration::from_secs(5);
