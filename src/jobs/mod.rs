//! Jobs: asked for once, leased by one worker, heard of by everybody who waits.
//!
//! How features talk: one asks for work and looks at its row, another does it. A job's row is bookkeeping; what a job
//! changes it changes through a grant of its own. Never does the work itself (that is `intake`).

pub mod sql;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;
pub mod watch;

use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    clock,
    domain::{
        digest::FileId,
        file::FilePath,
        name::RepoName,
        refusal::Fault,
        rev::{Commit, Rev},
        time::Micros,
    },
    store::tables::job,
};

/// What a worker can be asked to do. Every job may run twice and must then do no harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Work {
    /// List a revision and have fetched what has no sha256 yet, so that it can be decided about.
    Examine { repo: String, rev: String, by: String },
    /// Fetch every file of a revision whose sha256 nobody knows: those outside LFS.
    Digests { repo: String, revision_id: String, commit: String },
    /// Have the scanner look at every file of a revision, as far as the rules need it, and let the rules decide.
    Inspect { repo: String, revision_id: String, commit: String },
    /// Have the scanner look at the stored bytes of one file that was inspected by ranges.
    Verify { repo: String, revision_id: String, commit: String, path: String },
    /// Decide anew, from what is stored, about what rests on an older basis; or about everything that is known.
    Redecide { everything: bool },
    /// Have a new scanner look at a revision's files that an older one looked at, and let the rules decide.
    Rescan { repo: String, revision_id: String, commit: String },
    /// Ask the hub how a repository stands, and whether its branches have moved on.
    /// `told`: somebody said that something moved there; one that runs already may have looked before that.
    Follow { repo: String, told: bool },
    /// Read a stored blob again, because its file is not as it was left.
    Recheck { sha256: String, size: u64 },
    /// Fetch one file's bytes, verify them, and store them.
    Fetch {
        repo: String,
        revision_id: String,
        commit: String,
        path: String,
        size: u64,
        git: String,
        lfs: Option<String>,
    },
    /// Take a revision in and, when it may be served in an environment, fetch its files for whoever pulls later.
    Prefetch {
        repo: String,
        rev: String,
        environment: String,
        /// As `hf download` has them; none means all.
        include: Vec<String>,
        exclude: Vec<String>,
        by: String,
    },
    /// Make so much room in the store; some of it lies on the disk already, in spools.
    Evict {
        bytes: u64,
        #[serde(default)]
        spooled: u64,
    },
}

impl Work {
    pub fn examine(repo: &RepoName, rev: &Rev, by: &str) -> Self {
        Self::Examine { repo: repo.to_string(), rev: rev.to_string(), by: by.to_owned() }
    }

    pub fn digests(repo: &RepoName, revision_id: &str, commit: &Commit) -> Self {
        Self::Digests { repo: repo.to_string(), revision_id: revision_id.to_owned(), commit: commit.to_string() }
    }

    pub fn inspect(repo: &RepoName, revision_id: &str, commit: &Commit) -> Self {
        Self::Inspect { repo: repo.to_string(), revision_id: revision_id.to_owned(), commit: commit.to_string() }
    }

    pub fn rescan(repo: &RepoName, revision_id: &str, commit: &Commit) -> Self {
        Self::Rescan { repo: repo.to_string(), revision_id: revision_id.to_owned(), commit: commit.to_string() }
    }

    pub fn follow(repo: &RepoName) -> Self {
        Self::Follow { repo: repo.to_string(), told: false }
    }

    pub fn verify(repo: &RepoName, revision_id: &str, commit: &Commit, path: &FilePath) -> Self {
        Self::Verify {
            repo: repo.to_string(),
            revision_id: revision_id.to_owned(),
            commit: commit.to_string(),
            path: path.to_string(),
        }
    }

    pub fn fetch(repo: &RepoName, revision_id: &str, commit: &Commit, path: &FilePath, size: u64, id: &FileId) -> Self {
        Self::Fetch {
            repo: repo.to_string(),
            revision_id: revision_id.to_owned(),
            commit: commit.to_string(),
            path: path.to_string(),
            size,
            git: id.git.to_string(),
            lfs: id.lfs.map(|sha| sha.to_string()),
        }
    }

    /// Two jobs with one key are one job: bytes are fetched once, whoever asks for them under whatever name.
    pub fn key(&self) -> String {
        match self {
            Self::Examine { repo, rev, .. } => format!("examine {repo}@{rev}"),
            Self::Digests { revision_id, .. } => format!("digests {revision_id}"),
            Self::Inspect { revision_id, .. } => format!("inspect {revision_id}"),
            Self::Verify { revision_id, path, .. } => format!("verify {revision_id} {path}"),
            Self::Redecide { everything: false } => "redecide".to_owned(),
            Self::Redecide { everything: true } => "redecide everything".to_owned(),
            Self::Rescan { revision_id, .. } => format!("rescan {revision_id}"),
            Self::Follow { repo, told: false } => format!("follow {}", repo.to_ascii_lowercase()),
            Self::Follow { repo, told: true } => format!("follow told {}", repo.to_ascii_lowercase()),
            Self::Recheck { sha256, .. } => format!("recheck {sha256}"),
            Self::Fetch { git, lfs, .. } => format!("fetch {}", lfs.as_ref().unwrap_or(git)),
            Self::Prefetch { repo, rev, environment, include, exclude, .. } => {
                let globs = serde_json::to_string(&(include, exclude)).unwrap_or_default();
                format!("prefetch {environment} {repo}@{rev} {globs}")
            }
            // One at a time, over all replicas.
            Self::Evict { .. } => "evict".to_owned(),
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::Examine { .. } => "examine",
            Self::Digests { .. } => "digests",
            Self::Inspect { .. } => "inspect",
            Self::Verify { .. } => "verify",
            Self::Redecide { .. } => "redecide",
            Self::Rescan { .. } => "rescan",
            Self::Follow { .. } => "follow",
            Self::Recheck { .. } => "recheck",
            Self::Fetch { .. } => "fetch",
            Self::Prefetch { .. } => "prefetch",
            Self::Evict { .. } => "evict",
        }
    }

    /// What it is done to, as a person names it.
    pub fn subject(&self) -> String {
        match self {
            Self::Examine { repo, rev, .. } => format!("{repo}@{rev}"),
            Self::Prefetch { repo, rev, environment, .. } => format!("{repo}@{rev} in {environment}"),
            Self::Digests { repo, commit, .. }
            | Self::Inspect { repo, commit, .. }
            | Self::Rescan { repo, commit, .. } => format!("{repo}@{commit}"),
            Self::Verify { repo, commit, path, .. } | Self::Fetch { repo, commit, path, .. } => {
                format!("{path} of {repo}@{commit}")
            }
            Self::Recheck { sha256, .. } => format!("blob {sha256}"),
            Self::Follow { repo, .. } => repo.clone(),
            Self::Redecide { everything: true } => "everything that is known".to_owned(),
            Self::Redecide { everything: false } => "what rests on something older".to_owned(),
            Self::Evict { bytes, .. } => format!("{bytes} bytes of room"),
        }
    }

    /// Who asked for it, where that is known.
    pub fn by(&self) -> Option<&str> {
        match self {
            Self::Examine { by, .. } | Self::Prefetch { by, .. } => Some(by),
            _ => None,
        }
    }

    /// The revision whose files it is at work on: nothing of it is evicted meanwhile.
    pub fn works_on(&self) -> Option<&str> {
        match self {
            Self::Digests { revision_id, .. }
            | Self::Inspect { revision_id, .. }
            | Self::Verify { revision_id, .. }
            | Self::Rescan { revision_id, .. }
            | Self::Fetch { revision_id, .. } => Some(revision_id),
            _ => None,
        }
    }

    /// The revision in whose name a file is fetched.
    fn revision_id(&self) -> Option<&str> {
        match self {
            Self::Fetch { revision_id, .. } => Some(revision_id),
            _ => None,
        }
    }
}

/// Jobs that share hands. Whoever waits for a file must never wait behind somebody's examination, nor either of them
/// behind what nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Pulls,
    Listings,
    Digests,
    Inspections,
    /// What nobody waits for: each has hands of its own, so that none keeps another waiting.
    Redecisions,
    Rescans,
    Looks,
    /// What follows from a prefetch, whatever its kind.
    Background,
    Prefetches,
    Upkeep,
}

impl Lane {
    pub const ALL: [Self; 10] = [
        Self::Pulls,
        Self::Listings,
        Self::Digests,
        Self::Inspections,
        Self::Background,
        Self::Prefetches,
        Self::Upkeep,
        Self::Redecisions,
        Self::Rescans,
        Self::Looks,
    ];

    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Pulls => &["fetch", "verify", "recheck"],
            Self::Listings => &["examine"],
            Self::Digests => &["digests"],
            Self::Inspections => &["inspect"],
            Self::Redecisions => &["redecide"],
            Self::Rescans => &["rescan"],
            Self::Looks => &["follow"],
            Self::Background => &["fetch", "verify", "recheck", "examine", "digests", "inspect"],
            Self::Prefetches => &["prefetch"],
            Self::Upkeep => &["evict"],
        }
    }

    /// What a row says that this lane's hands take; long work has other hands than short.
    pub fn mark(self, long: bool) -> &'static str {
        match (self, long) {
            (Self::Background, _) => BACKGROUND,
            (_, true) => LONG,
            (_, false) => "",
        }
    }
}

/// Rows that have run for a while and go on in the hands for long work.
pub const LONG: &str = "long";
/// Rows that nobody waits for.
pub const BACKGROUND: &str = "background";

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Waiting or running: bytes done of all.
    UnderWay {
        done: u64,
        total: u64,
        since: Micros,
    },
    Done,
    /// Tried often enough, or pointless to try again; since when, and why.
    Failed {
        at: Micros,
        why: String,
    },
}

/// Asks for a job, unless it is under way. One that is over begins anew, and so does one that waits for another try in
/// the name of another revision. What follows from work in the background stays there, until somebody waits for it.
pub async fn ask(app: &App, work: &Work) -> Result<(), Fault> {
    let total = match work {
        Work::Fetch { size, .. } | Work::Recheck { size, .. } => *size,
        _ => 0,
    };
    let lane = if app.in_background && Lane::Background.kinds().contains(&work.kind()) { BACKGROUND } else { "" };
    sql::push(&app.chores, work, sql::Pushed { total, lane }, clock::now()).await?;
    app.bells.ring_for_work();
    Ok(())
}

/// Somebody waits now for what is done of this repository in the background.
pub async fn hurry(app: &App, repo: &RepoName) -> Result<(), Fault> {
    if sql::hurry(&app.chores, &repo.to_string()).await? > 0 {
        app.bells.ring_for_work();
    }
    Ok(())
}

/// How the job with this key stands; `None` when nobody ever asked for it.
pub async fn look(app: &App, key: &str) -> Result<Option<State>, Fault> {
    Ok(sql::find(&app.chores, key).await?.map(|row| state(&row)))
}

/// The same, for whoever would ask for exactly this work. A job that failed, or waits for another try, in the name of
/// another revision says nothing about this one's file, and an old failure says nothing about now: both are `None`, and
/// the work is to be asked for anew.
pub async fn look_for(app: &App, work: &Work) -> Result<Option<State>, Fault> {
    let row = sql::find(&app.chores, &work.key()).await?;
    Ok(row.filter(|row| concerns(row, work, clock::now())).map(|row| state(&row)))
}

fn concerns(row: &job::Model, work: &Work, at: Micros) -> bool {
    let ours = || serde_json::from_str(&row.payload).is_ok_and(|asked: Work| asked.revision_id() == work.revision_id());
    match row.state.as_str() {
        "failed" => at.0 - row.run_at < FAILURES_HOLD && ours(),
        "waiting" if !row.outcome.is_empty() => ours(),
        _ => true,
    }
}

pub(crate) fn state(row: &job::Model) -> State {
    match row.state.as_str() {
        "done" => State::Done,
        "failed" => State::Failed { at: Micros(row.run_at), why: row.outcome.clone() },
        _ => State::UnderWay {
            done: u64::try_from(row.done_bytes).unwrap_or_default(),
            total: u64::try_from(row.total_bytes).unwrap_or_default(),
            since: Micros(row.made_at),
        },
    }
}

/// How a failed fetch's reason begins when the hub's bytes were not what it had listed.
pub const MISMATCH: &str = "mismatch: ";
/// How it begins when the store is full of what may not be evicted.
pub const NO_ROOM: &str = "no room: ";
/// How long a failure is believed.
const FAILURES_HOLD: i64 = 600 * Micros::SECOND;
