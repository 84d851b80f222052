//! What people see of the work: jobs and how far they are, how full the store is, and a prefetch that was asked for.
//!
//! Composes answers from rows; changes nothing but to begin a buried job anew.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    evict::{self, Coming},
    show_sql as sql,
};
use crate::{
    app::{App, vigils},
    clock,
    domain::{
        name::RepoName,
        refusal::{Code, Fault, Refusal},
        rev::Rev,
        time::Micros,
    },
    gate::{
        act::{PrefetchRevision, ReadJob, ReadJobs, ReadStorage, RetryJob},
        grant::Granted,
        tx::Change,
    },
    jobs::{self, MISMATCH, NO_ROOM, Work, sql as rows},
    store::{Reader, tables::job},
};

/// Jobs, what is under way first; all of them, or those in one state.
pub async fn list(app: &App, may: &Granted<ReadJobs>, state: Option<&str>) -> Result<Value, Refusal> {
    let states = match state {
        None => STATES.to_vec(),
        Some(given) => {
            let known = STATES.into_iter().find(|state| *state == given);
            let wrong = || Refusal::bad_input(format!("There is no such state; there are: {}.", STATES.join(", ")));
            vec![known.ok_or_else(wrong)?]
        }
    };
    let mut shown = Vec::new();
    for row in rows::list(may.reader(), &states, MOST).await? {
        shown.push(shape(app, may.reader(), &row).await?);
    }
    let counts = rows::count_states(may.reader()).await?;
    let counts: serde_json::Map<String, Value> =
        counts.into_iter().map(|(state, count)| (state, json!(count))).collect();
    Ok(json!({"jobs": shown, "counts": counts}))
}

pub async fn one(app: &App, may: &Granted<ReadJob>) -> Result<Value, Refusal> {
    let row = rows::find_by_id(may.reader(), &may.object().0).await?.ok_or_else(unknown)?;
    Ok(shape(app, may.reader(), &row).await?)
}

/// Tries a buried job again.
pub async fn retry(app: &App, may: Granted<RetryJob>) -> Result<Value, Refusal> {
    let id = may.object().0.clone();
    let row = rows::find_by_id(may.reader(), &id).await?.ok_or_else(unknown)?;
    let not_buried = || {
        Refusal::new(Code::Conflict, "This job is not buried: it waits, runs or is done.")
            .hint("Only a job that failed can be tried again.")
    };
    let reader = may.reader().clone();
    let tx = may.begin().await?;
    if !rows::retry(&tx, &may, &id, clock::now()).await? {
        return Err(not_buried());
    }
    tx.commit(may, Change::new(json!({"kind": row.kind, "key": row.key, "why": row.outcome}))).await?;
    app.bells.ring_for_work();
    let row = rows::find_by_id(&reader, &id).await?.ok_or_else(unknown)?;
    Ok(shape(app, &reader, &row).await?)
}

pub async fn storage(app: &App, may: &Granted<ReadStorage>) -> Result<Value, Refusal> {
    let full = evict::measure(app, may.reader()).await?;
    let rules = app.storage.rules;
    // A full store refuses the next byte, or what was refused last and would be again; one that can make room does not.
    let refused = rows::find_without_room(may.reader()).await?;
    let wants = match &refused {
        Some(row) => evict::coming(app, &row.key, u64::try_from(row.total_bytes).unwrap_or_default().max(1)).await?,
        None => Coming { bytes: 1, spooled: 0 },
    };
    let is_full = full.missing(app, wants) > 0 && !full.can_make(app, wants);
    Ok(json!({
        "blobs": full.blobs, "bytes": full.stored, "leaving_bytes": full.leaving, "may_go_bytes": full.may_go,
        "quota": rules.quota, "keep_free": rules.keep_free, "evict": rules.evict.word(),
        "free_on_disk": full.free.bytes, "full": is_full,
        "why": is_full.then(|| format!("Files are refused: {}.", full.no_room(app, wants))),
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prefetch {
    /// Only files of these patterns, as `hf download --include` has them; none means all.
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    /// Also when it was done, or failed, before: what somebody who begins wants.
    #[serde(default)]
    anew: bool,
}

/// Asks for a prefetch unless it was asked for, and says how it stands.
pub async fn prefetch(app: &App, may: &Granted<PrefetchRevision>, input: Prefetch) -> Result<Value, Refusal> {
    if may.everywhere() {
        return Err(Refusal::bad_input("A prefetch is for one environment; name it instead of `all`."));
    }
    let globs = || input.include.iter().chain(&input.exclude);
    if globs().count() > MOST_GLOBS || globs().any(|glob| glob.is_empty() || glob.len() > LONGEST_GLOB) {
        let sentence = format!("At most {MOST_GLOBS} patterns of 1 to {LONGEST_GLOB} characters are taken.");
        return Err(Refusal::bad_input(sentence));
    }
    let object = may.object();
    let work = Work::Prefetch {
        repo: object.repo.to_string(),
        rev: object.rev.to_string(),
        environment: may.environment().to_string(),
        include: input.include,
        exclude: input.exclude,
        by: may.actor().name().to_owned(),
    };
    let mut row = rows::find(&app.chores, &work.key()).await?;
    let is_over = row.as_ref().is_none_or(|row| matches!(row.state.as_str(), "done" | "failed"));
    if row.is_none() || (is_over && input.anew) {
        app.gate.may_ask_upstream(may.actor())?;
        jobs::ask(app, &work).await?;
        row = rows::find(&app.chores, &work.key()).await?;
    }
    let row = row.ok_or_else(|| Fault::new("finding a job that was just asked for"))?;
    Ok(shape(app, may.reader(), &row).await?)
}

/// A job as people see it.
async fn shape(app: &App, db: &Reader, row: &job::Model) -> Result<Value, Fault> {
    let work: Option<Work> = serde_json::from_str(&row.payload).ok();
    let whole = |number: i64| u64::try_from(number).unwrap_or_default();
    let mut far = json!({
        "bytes": whole(row.done_bytes), "of_bytes": whole(row.total_bytes),
        "files": whole(row.done_files), "of_files": whole(row.total_files),
    });
    let under_way = matches!(row.state.as_str(), "waiting" | "running");
    if let (true, Some(Work::Inspect { revision_id, .. } | Work::Digests { revision_id, .. })) = (under_way, &work) {
        // They work through a revision's files, each of which is a row when it is done.
        let (done, all) = match row.kind.as_str() {
            "inspect" => sql::count_reported(db, revision_id, super::seen::SCANNER.as_str()).await?,
            _ => sql::count_known(db, revision_id).await?,
        };
        far = json!({"bytes": done.1, "of_bytes": all.1, "files": done.0, "of_files": all.0});
    }
    let at = |micros: i64| Micros(micros).to_millis_text();
    let lane = if row.lane.is_empty() { "normal" } else { row.lane.as_str() };
    Ok(json!({
        "id": row.id, "kind": row.kind, "subject": work.as_ref().map_or_else(|| row.key.clone(), Work::subject),
        "state": row.state, "lane": lane, "tries": row.attempts, "progress": far,
        "why": row.outcome.trim_start_matches(MISMATCH).trim_start_matches(NO_ROOM),
        "by": work.as_ref().and_then(Work::by), "waiting_here": waiting_here(app, row, work.as_ref()),
        "made_at": at(row.made_at), "at": at(row.run_at),
        "leased_until": (row.state == "running").then(|| at(row.lease_until)),
        "worker": (row.state == "running").then(|| row.lease_by.split(' ').next().unwrap_or_default().to_owned()),
    }))
}

/// How many requests this replica holds for a job.
fn waiting_here(app: &App, row: &job::Model, work: Option<&Work>) -> usize {
    let mut waiting = app.vigils.waiting(&vigils::job(&row.key));
    if let Some(Work::Examine { repo, rev, .. }) = work
        && let (Some(repo), Some(rev)) = (RepoName::parse(repo), Rev::new(rev))
    {
        let doors = app.gate.environments().iter().map(|e| vigils::door(e.name.as_str(), &repo, &rev));
        waiting += doors.map(|door| app.vigils.waiting(&door)).sum::<usize>();
    }
    waiting
}

fn unknown() -> Refusal {
    Refusal::new(Code::NotFound, "There is no job with this id.").hint("Jobs that are over are forgotten after a week.")
}

const STATES: [&str; 4] = ["running", "waiting", "failed", "done"];
/// Jobs in one answer.
const MOST: u64 = 200;
const MOST_GLOBS: usize = 100;
const LONGEST_GLOB: usize = 200;
