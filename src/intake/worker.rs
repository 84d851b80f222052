//! The workers: take a job that is due, do it, say how it ended; several at once, in any number of replicas.
//!
//! A worker that dies leaves its lease to run out, and another goes on where it was.

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    change::{follow, redecide},
    decide,
    digests::{self, Wish},
    evict, fetch, inspect, list, prefetch, verify,
};
use crate::{
    app::App,
    clock,
    domain::{
        name::RepoName,
        refusal::{Fault, ascii_line},
        rev::Rev,
        time::Micros,
    },
    jobs::{
        self, BACKGROUND, Lane, Work,
        sql::{Left, Progress, Taker},
    },
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
    /// It got on and is put back: no try was lost.
    GoesOn {
        why: String,
        after: Duration,
    },
    /// We are told to stop: whoever works next goes on.
    Stopped,
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
                Self::Later { why: trouble.to_string(), after: Duration::from_secs(1) }
            }
            other => Self::Failed(other.to_string()),
        }
    }
}

impl Outcome {
    /// Why there will be no other try, if there will be none.
    pub fn gives_up(&self, lease: &Lease) -> Option<&str> {
        match self {
            Self::Failed(why) => Some(why),
            Self::Later { why, .. } if lease.is_last_try() => Some(why),
            _ => None,
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

    /// Whether a try that fails now is not followed by another one.
    pub fn is_last_try(&self) -> bool {
        self.row.attempts >= MOST_TRIES
    }

    /// Keeps the job and says how far it is, in bytes. False when it has been given away.
    pub async fn renew(&mut self, app: &App, done: u64, total: u64) -> Result<bool, Fault> {
        self.tell(app, Progress { bytes: done, of_bytes: total, ..Progress::default() }).await
    }

    /// The same, in bytes and files.
    pub async fn tell(&mut self, app: &App, far: Progress) -> Result<bool, Fault> {
        let until = Micros(clock::now().0 + LEASE);
        jobs::sql::renew(&app.chores, &self.row, until, far).await
    }
}

/// Works until told to stop; what is under way then is put back for whoever works next.
pub async fn run(app: App, me: String) {
    sweep(&app).await;
    let upkeep = evict::keep_room(app.clone());
    let lanes = Lane::ALL.map(Hands::of);
    let takers = lanes.iter().flat_map(|hands| {
        let app = &app;
        let me = me.as_str();
        [false, true]
            .into_iter()
            .filter(|long| !long || hands.long_ones > 0)
            .map(move |long| take(app, me, hands, long))
    });
    tokio::join!(join_all(takers), upkeep);
}

/// The hands of one lane: some for what is short, and for a few lanes some for what turns out to be long.
///
/// Nobody knows beforehand how long a job takes. One that has run for a turn goes on in the hands for long work, and the
/// hand that it leaves takes the next; where those are all busy it is put back and waits for them. So the short never wait
/// behind more than a turn of the long, and the long go on where they stopped. But a fetch that somebody reads along is not
/// put back, because that would cut its readers: it takes one of a few more hands, and where those are busy too it keeps the
/// one it has.
struct Hands {
    lane: Lane,
    short: Arc<Semaphore>,
    long: Long,
    long_ones: usize,
}

/// The hands that long work goes on in.
#[derive(Clone)]
struct Long {
    hands: Arc<Semaphore>,
    for_read: Arc<Semaphore>,
}

impl Long {
    fn none() -> Self {
        Self { hands: Arc::new(Semaphore::new(0)), for_read: Arc::new(Semaphore::new(0)) }
    }
}

impl Hands {
    fn of(lane: Lane) -> Self {
        let (short, long_ones) = match lane {
            // What is long waits for the hub and not for us.
            Lane::Pulls => (6, LONG_PULLS),
            // The small files of revisions take turns by themselves.
            Lane::Listings | Lane::Digests => (2, 0),
            Lane::Inspections => (2, 2),
            Lane::Background => (4, 0),
            Lane::Prefetches => (4, 16),
            Lane::Upkeep | Lane::Redecisions | Lane::Rescans | Lane::Looks => (1, 0),
        };
        let hands = |count| Arc::new(Semaphore::new(count));
        let for_read = hands(if lane == Lane::Pulls { READ_PULLS } else { 0 });
        Self { lane, short: hands(short), long: Long { hands: hands(long_ones), for_read }, long_ones }
    }
}

/// Takes the jobs of one lane, so many at a time.
async fn take(app: &App, me: &str, all: &Hands, long: bool) {
    let hands = if long { &all.long.hands } else { &all.short };
    let taker = Taker { me, lane: all.lane, long };
    let mut stop = std::pin::pin!(app.stopping.begun());
    let mut rung = app.bells.work();
    loop {
        let hand = tokio::select! {
            () = &mut stop => break,
            hand = Arc::clone(hands).acquire_owned() => hand,
        };
        let Ok(hand) = hand else { break };
        rung.mark_unchanged();
        // Of each claim its own: a process that was cut off from the database must not take its own jobs for another's.
        let name = format!("{me} {}", clock::new_id());
        match jobs::sql::claim(&app.chores, Taker { me: &name, ..taker }, clock::now(), LEASE).await {
            Ok(Some(row)) => {
                let app = App { in_background: row.lane == BACKGROUND || row.kind == "prefetch", ..app.clone() };
                let long = (!long && all.long_ones > 0).then(|| all.long.clone());
                tasks::spawn(work(app, row, hand, long));
            }
            Ok(None) => {
                drop(hand);
                tokio::select! {
                    () = &mut stop => break,
                    _ = rung.changed() => {}
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

/// Does one job. `long` are the hands it goes on in when it turns out to be long.
async fn work(app: App, row: job::Model, hand: OwnedSemaphorePermit, long: Option<Long>) {
    let mut lease = Lease { row: row.clone() };
    let outcome = within_a_turn(&app, &mut lease, hand, long).await;
    let outcome = outcome.unwrap_or_else(|fault| {
        tracing::error!(job = row.key, fault = %fault, "a job broke");
        Outcome::Later { why: "something broke inside; see the log".to_owned(), after: Duration::from_secs(5) }
    });
    if let Err(fault) = settle(&app, &row, &outcome, clock::now()).await {
        tracing::warn!(job = row.key, fault = %fault, "a job's end could not be written; its lease will run out");
    }
    tracing::info!(job = row.key, outcome = ?outcome, "job ended");
    app.bells.ring_end(&row.key);
    if matches!(outcome, Outcome::GoesOn { .. }) {
        app.bells.ring_for_work();
    }
}

async fn within_a_turn(
    app: &App,
    lease: &mut Lease,
    hand: OwnedSemaphorePermit,
    long: Option<Long>,
) -> Result<Outcome, Fault> {
    let row = lease.row.clone();
    let mut hand = Some(hand);
    let (mut begins, mut waits, mut has_short) = (long.is_some(), false, true);
    let long = long.unwrap_or_else(Long::none);
    let mut free = std::pin::pin!(Arc::clone(&long.hands).acquire_owned());
    let mut free_for_read = std::pin::pin!(Arc::clone(&long.for_read).acquire_owned());
    let mut heart = std::pin::pin!(beat(app.clone(), row.clone()));
    let mut stop = std::pin::pin!(app.stopping.begun());
    let mut turn = std::pin::pin!(tokio::time::sleep(TURN));
    let mut job = std::pin::pin!(once(app, lease));
    loop {
        tokio::select! {
            outcome = &mut job => return outcome,
            () = &mut heart => return Ok(Outcome::Lost),
            () = &mut stop => return Ok(Outcome::Stopped),
            () = &mut turn, if begins => {
                begins = false;
                if let Err(fault) = jobs::sql::set_long(&app.chores, &row).await {
                    tracing::warn!(job = row.key, %fault, "that a job takes long could not be written");
                }
                // The hand that it leaves is free for the next.
                if let Ok(other) = Arc::clone(&long.hands).try_acquire_owned() {
                    drop(hand.replace(other));
                } else if app.blobs.may_break_off(&row.key) {
                    let why = "it takes long, and waits for the hands of long work".to_owned();
                    return Ok(Outcome::GoesOn { why, after: Duration::ZERO });
                } else {
                    waits = true;
                }
            }
            other = &mut free, if waits => {
                waits = false;
                drop(hand.replace(other.map_err(no_hand)?));
                // Nobody else's turn is lost to one that waits no more.
                free_for_read.set(Long::none().for_read.acquire_owned());
            }
            other = &mut free_for_read, if waits && has_short => {
                has_short = false;
                drop(hand.replace(other.map_err(no_hand)?));
            }
        }
    }
}

fn no_hand(error: tokio::sync::AcquireError) -> Fault {
    Fault::because("waiting for a hand for long work", error)
}

/// Writes down how a try ended, and when the next one is.
async fn settle(app: &App, row: &job::Model, outcome: &Outcome, now: Micros) -> Result<(), Fault> {
    let at = |after: &Duration, doubled: i64| {
        let patience = i64::try_from(after.as_micros()).unwrap_or(Micros::DAY).saturating_mul(1 << doubled.clamp(0, 6));
        Micros(now.0 + patience.min(600 * Micros::SECOND))
    };
    let (state, run_at, why, attempts) = match outcome {
        Outcome::Lost => return Ok(()),
        Outcome::Done => ("done", now, "", row.attempts),
        Outcome::Failed(why) => ("failed", now, why.as_str(), row.attempts),
        Outcome::Later { why, .. } if row.attempts >= MOST_TRIES => ("failed", now, why.as_str(), row.attempts),
        Outcome::Later { why, after } => ("waiting", at(after, row.attempts), why.as_str(), row.attempts),
        Outcome::GoesOn { why, after } => ("waiting", at(after, 0), why.as_str(), 0),
        Outcome::Stopped => ("waiting", now, "", row.attempts - 1),
    };
    let outcome = ascii_line(why, 400);
    jobs::sql::settle(&app.chores, row, &Left { state, run_at, outcome: &outcome, attempts }).await
}

async fn once(app: &App, lease: &mut Lease) -> Result<Outcome, Fault> {
    let unreadable = || Outcome::Failed("this job's row cannot be read".to_owned());
    let Ok(work) = serde_json::from_str::<Work>(&lease.row.payload) else { return Ok(unreadable()) };
    // What is too full already takes nothing more in.
    if matches!(work, Work::Examine { .. } | Work::Digests { .. } | Work::Inspect { .. })
        && let Some(no) = evict::room_for(app, 0, (&lease.row.id, "")).await?
    {
        return Ok(no);
    }
    let lent = lent(app, &work).await?;
    let app = lent.as_ref().unwrap_or(app);
    match work {
        Work::Examine { repo, rev, by } => match (RepoName::parse(&repo), Rev::new(&rev)) {
            (Some(repo), Some(rev)) => list::examine(app, &repo, &rev, &by).await,
            _ => Ok(unreadable()),
        },
        Work::Digests { repo, revision_id, commit } => match (RepoName::parse(&repo), commit.parse()) {
            (Some(repo), Ok(commit)) => {
                let wish = Wish { repo, revision_id, commit };
                let outcome = digests::digests(app, &wish, lease).await?;
                if let Some(why) = outcome.gives_up(lease) {
                    decide::not_judged(app, &wish, why.trim_start_matches(jobs::MISMATCH)).await?;
                }
                Ok(outcome)
            }
            _ => Ok(unreadable()),
        },
        Work::Inspect { repo, revision_id, commit } => match (RepoName::parse(&repo), commit.parse()) {
            (Some(repo), Ok(commit)) => {
                let wish = Wish { repo, revision_id, commit };
                let outcome = inspect::inspect(app, &wish, lease).await;
                if outcome.is_err() && lease.is_last_try() {
                    decide::not_judged(app, &wish, "something broke inside; see the log").await?;
                }
                outcome
            }
            _ => Ok(unreadable()),
        },
        Work::Verify { repo, revision_id, commit, path } => match (RepoName::parse(&repo), commit.parse()) {
            (Some(repo), Ok(commit)) => verify::verify(app, &Wish { repo, revision_id, commit }, &path).await,
            _ => Ok(unreadable()),
        },
        Work::Redecide { everything } => redecide::redecide(app, everything, lease).await,
        Work::Rescan { repo, revision_id, commit } => match (RepoName::parse(&repo), commit.parse()) {
            (Some(_), Ok(_)) if app.basis.is_behind() => Ok(redecide::not_ours()),
            (Some(repo), Ok(commit)) => inspect::inspect(app, &Wish { repo, revision_id, commit }, lease).await,
            _ => Ok(unreadable()),
        },
        Work::Follow { repo, .. } => match RepoName::parse(&repo) {
            Some(repo) => follow::follow(app, &repo).await,
            None => Ok(unreadable()),
        },
        Work::Recheck { sha256, size } => match sha256.parse() {
            Ok(sha256) => fetch::recheck(app, sha256, size).await,
            Err(_) => Ok(unreadable()),
        },
        Work::Fetch { repo, revision_id, commit, path, size, git, lfs } => {
            match fetch::wanted(&repo, revision_id, &commit, &path, size, (&git, lfs.as_deref())) {
                Some(wanted) => match evict::room_for(app, size, (&lease.row.id, &lease.row.key)).await? {
                    Some(no) => Ok(no),
                    None => fetch::fetch(app, &wanted, lease).await,
                },
                None => Ok(unreadable()),
            }
        }
        Work::Prefetch { repo, rev, environment, include, exclude, by } => {
            match prefetch::Wanted::read(&repo, &rev, &environment, (include, exclude), by) {
                Some(wanted) => prefetch::prefetch(app, &wanted, lease).await,
                None => Ok(unreadable()),
            }
        }
        Work::Evict { bytes, spooled } => evict::evict(app, evict::Coming { bytes, spooled }).await,
    }
}

/// This gateway as it asks the hub about a repository that somebody's credential opened; `None` for all others.
async fn lent(app: &App, work: &Work) -> Result<Option<App>, Fault> {
    let (Work::Examine { repo, .. }
    | Work::Digests { repo, .. }
    | Work::Inspect { repo, .. }
    | Work::Verify { repo, .. }
    | Work::Rescan { repo, .. }
    | Work::Follow { repo, .. }
    | Work::Fetch { repo, .. }
    | Work::Prefetch { repo, .. }) = work
    else {
        return Ok(None);
    };
    let Some(name) = RepoName::parse(repo) else { return Ok(None) };
    let upstream = app.gate.upstream_for(&name).await?;
    Ok(upstream.map(|upstream| App { upstream, ..app.clone() }))
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

/// Jobs that were over long ago, and spools that no open job will go on with.
async fn sweep(app: &App) {
    if let Err(fault) = jobs::sql::release_left(&app.chores).await {
        tracing::warn!(fault = %fault, "jobs of a dead process wait for their leases");
    }
    match jobs::sql::delete_over(&app.chores, Micros(clock::now().0 - 7 * Micros::DAY)).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "old jobs were removed"),
        Err(fault) => tracing::warn!(fault = %fault, "old jobs could not be removed"),
    }
    evict::sweep_spools(app).await;
}

/// How many files that take long are fetched at once; few in tests, where they have to run out.
const LONG_PULLS: usize = if cfg!(test) { 2 } else { 16 };
/// Hands for those of them that somebody reads along and that found none of the others free.
const READ_PULLS: usize = if cfg!(test) { 2 } else { 16 };
/// How long a job has the hands for short work, where there are others for long.
const TURN: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 20 });
const LEASE: i64 = 20 * Micros::SECOND;
const BEAT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(1);
const MOST_TRIES: i64 = 4;
