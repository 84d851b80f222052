//! The workers: take a job that is due, do it, say how it ended; several at once, in any number of replicas.
//!
//! A worker that dies leaves its lease to run out, and another goes on where it was.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{fetch, list};
use crate::{
    app::App,
    clock,
    domain::{
        name::RepoName,
        refusal::{Fault, ascii_line},
        rev::Rev,
        time::Micros,
    },
    jobs::{self, Work},
    store::tables::job,
    tasks,
    upstream::Trouble,
};

/// How one try of a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Worth another try, later.
    Later {
        why: String,
        after: Duration,
    },
    /// Not worth another try.
    Failed(String),
    /// Somebody else has the job now.
    Lost,
}

impl Outcome {
    pub fn of(trouble: &Trouble) -> Self {
        match trouble {
            Trouble::Busy { retry_after } => Self::Later { why: trouble.to_string(), after: *retry_after },
            Trouble::Unreachable(_) | Trouble::Unexpected(_) => {
                Self::Later { why: trouble.to_string(), after: Duration::from_secs(2) }
            }
            other => Self::Failed(other.to_string()),
        }
    }
}

/// A worker's hold on a job.
pub struct Lease {
    row: job::Model,
}

impl Lease {
    pub fn key(&self) -> String {
        self.row.key.clone()
    }

    /// Keeps the job and says how far it is. False when it has been given away.
    pub async fn renew(&mut self, app: &App, done: u64, total: u64) -> Result<bool, Fault> {
        let until = Micros(clock::now().0 + LEASE);
        let kept = jobs::sql::renew(&app.chores, &self.row, until, done, total).await?;
        app.bells.tell_news();
        Ok(kept)
    }
}

/// Works until told to stop; what is under way then is put back for whoever works next.
pub async fn run(app: App, me: String) {
    let hands = Arc::new(Semaphore::new(HANDS));
    let mut stop = std::pin::pin!(app.stopping.begun());
    sweep(&app).await;
    loop {
        let hand = tokio::select! {
            () = &mut stop => break,
            hand = Arc::clone(&hands).acquire_owned() => hand,
        };
        let Ok(hand) = hand else { break };
        match jobs::sql::claim(&app.chores, &me, clock::now(), LEASE).await {
            Ok(Some(row)) => {
                let app = app.clone();
                tasks::spawn(async move {
                    work(&app, row).await;
                    drop(hand);
                });
            }
            Ok(None) => {
                drop(hand);
                tokio::select! {
                    () = &mut stop => break,
                    () = app.bells.work_rang() => {}
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
            Err(fault) => {
                drop(hand);
                tracing::warn!(fault = %fault, "no job can be taken");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

async fn work(app: &App, row: job::Model) {
    let mut lease = Lease { row };
    let heart = beat(app.clone(), lease.row.clone());
    let outcome = tokio::select! {
        outcome = once(app, &mut lease) => outcome,
        () = heart => Ok(Outcome::Lost),
        () = app.stopping.begun() => Ok(Outcome::Later { why: "the gateway stopped".to_owned(), after: Duration::ZERO }),
    };
    let row = &lease.row;
    let outcome = outcome.unwrap_or_else(|fault| {
        tracing::error!(job = row.key, fault = %fault, "a job broke");
        Outcome::Later { why: "something broke inside; see the log".to_owned(), after: Duration::from_secs(5) }
    });
    let now = clock::now();
    let settled = match &outcome {
        Outcome::Done => jobs::sql::settle(&app.chores, row, "done", now, "").await,
        Outcome::Lost => Ok(()),
        Outcome::Failed(why) => jobs::sql::settle(&app.chores, row, "failed", now, &ascii_line(why, 400)).await,
        Outcome::Later { why, .. } if row.attempts >= MOST_TRIES => {
            jobs::sql::settle(&app.chores, row, "failed", now, &ascii_line(why, 400)).await
        }
        Outcome::Later { why, after } => {
            let patience = i64::try_from(after.as_micros()).unwrap_or(Micros::DAY);
            let at = Micros(now.0 + patience.saturating_mul(1 << row.attempts.clamp(0, 6)).min(600 * Micros::SECOND));
            jobs::sql::settle(&app.chores, row, "waiting", at, &ascii_line(why, 400)).await
        }
    };
    if let Err(fault) = settled {
        tracing::warn!(job = row.key, fault = %fault, "a job's end could not be written; its lease will run out");
    }
    tracing::info!(job = row.key, outcome = ?outcome, "job ended");
    app.bells.tell_news();
}

async fn once(app: &App, lease: &mut Lease) -> Result<Outcome, Fault> {
    let unreadable = || Outcome::Failed("this job's row cannot be read".to_owned());
    let Ok(work) = serde_json::from_str::<Work>(&lease.row.payload) else { return Ok(unreadable()) };
    match work {
        Work::Examine { repo, rev, by } => match (RepoName::parse(&repo), Rev::new(&rev)) {
            (Some(repo), Some(rev)) => list::examine(app, &repo, &rev, &by).await,
            _ => Ok(unreadable()),
        },
        Work::Recheck { sha256, size } => match sha256.parse() {
            Ok(sha256) => fetch::recheck(app, sha256, size).await,
            Err(_) => Ok(unreadable()),
        },
        Work::Fetch { repo, revision_id, commit, path, size, git, lfs } => {
            match fetch::wanted(&repo, revision_id, &commit, &path, size, (&git, lfs.as_deref())) {
                Some(wanted) => fetch::fetch(app, &wanted, lease).await,
                None => Ok(unreadable()),
            }
        }
    }
}

/// Keeps a lease while its job waits for something, and ends when the job was given away.
async fn beat(app: App, row: job::Model) {
    loop {
        tokio::time::sleep(BEAT).await;
        let until = Micros(clock::now().0 + LEASE);
        if let Ok(false) = jobs::sql::keep(&app.chores, &row, until).await {
            return;
        }
    }
}

/// Spools that no open job will go on with.
async fn sweep(app: &App) {
    let swept = async {
        let keep = jobs::sql::open_keys(&app.chores).await?;
        app.blobs.sweep_spools(Duration::from_hours(24), &keep).await
    };
    match swept.await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "old spools were removed"),
        Err(fault) => tracing::warn!(fault = %fault, "old spools could not be removed"),
    }
}

/// Jobs at once in one process.
const HANDS: usize = 8;
const LEASE: i64 = 20 * Micros::SECOND;
const BEAT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(1);
const MOST_TRIES: i64 = 6;
