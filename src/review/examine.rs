//! Looking at a revision before deciding: is it listed, is every file's sha256 known, what is its evidence digest.

use serde::Deserialize;
use serde_json::{Value, json};

use super::sql;
use crate::{
    app::App,
    clock,
    domain::{
        refusal::{Fault, Refusal},
        rev::{Commit, Rev},
        standing::Now,
        time::Micros,
    },
    gate::{
        act::ExamineRevision,
        evidence,
        grant::Granted,
        resolve::{full_names, now_of},
    },
    jobs::{self, State, Work},
    store::tables::{report, revision},
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
        "reason": standing.as_ref().map(|row| row.reason.clone()), "rules": standing.as_ref().map(|row| rules(&row.rules)),
    });
    let known = sql::find_knowledge(may.reader(), &row.id).await?;
    let decided = now_of(standing.as_ref(), clock::now()) != Now::Undecided;
    let (state, more) = match known {
        Some(known) if left == 0 && decided => {
            let evidence = evidence::digest(may.policy_rev(), row, commit, &files, &known)?.0;
            let evidence = evidence::shown(&evidence, standing.as_ref());
            let findings = findings(&sql::list_reports(may, &row.id).await?);
            let more = json!({
                "evidence_digest": evidence, "verdict": known.verdict, "coverage": known.coverage,
                "scanner": known.scanner, "findings": findings,
            });
            ("ready", more)
        }
        _ => match ask_for_rest(app, may, row, commit, left).await? {
            Some(why) => ("failed", json!({"why": why})),
            None if left > 0 => {
                ("under_way", json!({"why": format!("{left} of {} files are still being fetched", files.len())}))
            }
            None => ("under_way", json!({"why": format!("{} files are being scanned", files.len())})),
        },
    };
    if let (Some(answer), Some(more)) = (answer.as_object_mut(), more.as_object()) {
        answer.insert("state".to_owned(), json!(state));
        answer.extend(more.clone());
    }
    Ok(answer)
}

/// The ids of rules, without what answers to them rest on.
fn rules(text: &str) -> String {
    let ids: Vec<&str> = text.split_whitespace().map(|word| word.split(':').next().unwrap_or(word)).collect();
    ids.join(" ")
}

/// The worst findings, file by file.
fn findings(reports: &[report::Model]) -> Vec<Value> {
    let mut found = Vec::new();
    for one in reports {
        let body: Value = serde_json::from_str(&one.body).unwrap_or_default();
        let all = body["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
        found.extend(all.iter().map(|f| {
            json!({"path": one.path, "rule": f["rule"], "severity": f["severity"], "place": f["place"], "message": f["message"]})
        }));
    }
    let rank =
        |f: &Value| ["critical", "high", "medium", "low"].iter().position(|word| f["severity"] == **word).unwrap_or(9);
    found.sort_by_key(rank);
    found.truncate(MOST_FINDINGS);
    found
}

/// Asks again for the small files, or for the scan of all, when that is over without having brought what it should; says why
/// when that was just now.
async fn ask_for_rest(
    app: &App,
    may: &Granted<ExamineRevision>,
    row: &revision::Model,
    commit: &Commit,
    left: usize,
) -> Result<Option<String>, Fault> {
    let work = if left > 0 { Work::digests } else { Work::inspect };
    let work = work(&may.object().repo, &row.id, commit);
    match jobs::look_for(app, &work).await? {
        Some(State::UnderWay { .. }) => {}
        Some(State::Failed { at, why }) if clock::now().0 - at.0 < REST => {
            return Ok(Some(why.trim_start_matches(jobs::MISMATCH).to_owned()));
        }
        _ => jobs::ask(app, &work).await?,
    }
    Ok(None)
}

pub fn standing_word(row: Option<&crate::store::tables::standing::Model>) -> &'static str {
    now_of(row, clock::now()).word()
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

/// Findings in one answer.
const MOST_FINDINGS: usize = 200;
/// How long a branch's head is believed before the hub is asked again.
const FRESH: i64 = 30 * Micros::SECOND;
/// How long a failure is shown before it is tried again.
const REST: i64 = 10 * Micros::SECOND;
