//! Looking at a revision before deciding: is it listed, is every file's sha256 known, what is its evidence digest.

use serde::Deserialize;
use serde_json::{Value, json};

use super::sql;
use crate::{
    app::App,
    clock,
    domain::{
        evidence::{Evidence, EvidenceFile},
        refusal::{Fault, Refusal},
        rev::{Commit, Rev},
        standing::{self, Now, State as Standing},
        time::Micros,
    },
    gate::{act::ExamineRevision, grant::Granted, resolve::full_names},
    jobs::{self, State, Work},
    store::tables::{file, revision},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examination {
    /// Ask the hub where a branch is now, whatever is remembered: what somebody who begins wants.
    #[serde(default)]
    anew: bool,
}

/// How an examination stands: asked for if it was not, and looked at.
pub async fn look(app: &App, may: &Granted<ExamineRevision>, input: &Examination) -> Result<Value, Refusal> {
    let object = may.object();
    let work = Work::examine(&object.repo, &object.rev, may.actor().reference());
    let known = listed(may).await?;
    let job = jobs::look(app, &work.key()).await?;
    // A commit is listed once and for all; a branch may have moved since it was last looked at.
    let known = match known {
        Some(known) => Some(known),
        None if input.anew => None,
        None => head(may, clock::now()).await?,
    };
    let Some((row, commit)) = known else {
        let why = "the hub is being asked what it holds";
        return match job {
            Some(State::UnderWay { .. }) => Ok(state(may, "under_way", why)),
            Some(State::Failed { at, why, .. }) if clock::now().0 - at.0 < REST => Ok(state(may, "failed", &why)),
            _ => {
                jobs::ask(app, &work).await?;
                Ok(state(may, "under_way", why))
            }
        };
    };
    report(app, may, &row, &commit).await
}

async fn report(
    app: &App,
    may: &Granted<ExamineRevision>,
    row: &revision::Model,
    commit: &Commit,
) -> Result<Value, Refusal> {
    let files = sql::list_files(may.reader(), &row.id).await?;
    let left = files.iter().filter(|f| f.sha256.is_none()).count();
    let standing = sql::look_at_standing(may, &row.id, may.environment()).await?;
    let mut answer = json!({
        "repo": may.object().repo.to_string(), "rev": may.object().rev.as_str(), "commit": commit.as_str(),
        "environment": may.environment().as_str(), "files": files.len(), "files_left": left,
        "size": files.iter().map(|f| f.size).sum::<i64>(), "standing": standing_word(standing.as_ref()),
        "verdict": "missing", "coverage": {"state": "incomplete", "reason": "not scanned"},
    });
    let (state, more) = if left == 0 {
        ("ready", json!({"evidence_digest": digest(may.policy_rev(), row, commit, &files)?.0}))
    } else {
        match ask_for_rest(app, may, row, commit).await? {
            Some(why) => ("failed", json!({"why": why})),
            None => ("under_way", json!({"why": format!("{left} of {} files are still being fetched", files.len())})),
        }
    };
    if let (Some(answer), Some(more)) = (answer.as_object_mut(), more.as_object()) {
        answer.insert("state".to_owned(), json!(state));
        answer.extend(more.clone());
    }
    Ok(answer)
}

/// Asks again for the small files when their fetch is over without having brought every digest; says why when that was
/// just now.
async fn ask_for_rest(
    app: &App,
    may: &Granted<ExamineRevision>,
    row: &revision::Model,
    commit: &Commit,
) -> Result<Option<String>, Fault> {
    let work = Work::digests(&may.object().repo, &row.id, commit);
    match jobs::look_for(app, &work).await? {
        Some(State::UnderWay { .. }) => {}
        Some(State::Failed { at, why }) if clock::now().0 - at.0 < REST => {
            return Ok(Some(why.trim_start_matches(jobs::MISMATCH).to_owned()));
        }
        _ => jobs::ask(app, &work).await?,
    }
    Ok(None)
}

/// The tree digest and the evidence digest of a revision whose files are all known.
pub fn digest(
    policy: &str,
    row: &revision::Model,
    commit: &Commit,
    files: &[file::Model],
) -> Result<(String, String), Fault> {
    let mut evidence = Vec::with_capacity(files.len());
    for one in files {
        let sha256 = one.sha256.as_deref().ok_or_else(|| Fault::new("a file's digest is missing"))?;
        evidence.push(EvidenceFile {
            path: one.path.clone(),
            size: u64::try_from(one.size).unwrap_or_default(),
            git: one.git_id.parse().map_err(|e| Fault::because("reading a git id", e))?,
            sha256: sha256.parse().map_err(|e| Fault::because("reading a digest", e))?,
        });
    }
    let tree = crate::domain::evidence::tree_digest(&evidence).to_string();
    let all = Evidence { repository_id: &row.repository_id, commit, files: &evidence, policy_version: policy };
    Ok((all.digest().to_string(), tree))
}

pub fn standing_word(row: Option<&crate::store::tables::standing::Model>) -> &'static str {
    let state = row.and_then(|row| Standing::from_word(&row.state));
    match standing::now(state, row.and_then(|row| row.expires_at).map(Micros), clock::now()) {
        Now::Undecided => "undecided",
        Now::Approved => "approved",
        Now::Expired => "expired",
        Now::Revoked => "revoked",
        Now::Suspended => "suspended",
    }
}

/// The revision's row, when the URL names a commit that is listed.
async fn listed(may: &Granted<ExamineRevision>) -> Result<Option<(revision::Model, Commit)>, Fault> {
    let Some(commit) = may.object().rev.as_commit() else { return Ok(None) };
    let Some(repository) = sql::find_repository(may, &may.object().repo).await? else { return Ok(None) };
    let row = sql::find_revision(may.reader(), &repository.id, commit.as_str()).await?;
    Ok(row.map(|row| (row, commit)))
}

/// The revision's row, when the URL names a branch that was looked at just now: its head.
async fn head(may: &Granted<ExamineRevision>, at: Micros) -> Result<Option<(revision::Model, Commit)>, Fault> {
    let object = may.object();
    let Some(repository) = sql::find_repository(may, &object.repo).await? else { return Ok(None) };
    let histories = sql::list_histories(may.reader(), &repository.id).await?;
    let names = full_names(&object.rev);
    let walk = names.iter().find_map(|name| histories.iter().find(|walk| walk.ref_name == *name));
    let Some(walk) = walk.filter(|walk| at.0 - walk.seen_at < FRESH) else { return Ok(None) };
    let Some(commit) = walk.commits.split(' ').next().and_then(|c| c.parse::<Commit>().ok()) else { return Ok(None) };
    let row = sql::find_revision(may.reader(), &repository.id, commit.as_str()).await?;
    Ok(row.map(|row| (row, commit)))
}

fn state(may: &Granted<ExamineRevision>, state: &str, why: &str) -> Value {
    let object = may.object();
    let rev: &Rev = &object.rev;
    json!({
        "state": state, "repo": object.repo.to_string(), "rev": rev.as_str(), "environment": may.environment().as_str(), "why": why,
    })
}

/// How long a branch's head is believed before the hub is asked again.
const FRESH: i64 = 30 * Micros::SECOND;
/// How long a failure is shown before it is tried again.
const REST: i64 = 10 * Micros::SECOND;
