//! Jobs: asked for once, leased by one worker, heard of by everybody who waits.
//!
//! How features talk: one asks for work and looks at its row, another does it. A job's row is bookkeeping; what a job
//! changes it changes through a grant of its own. Never does the work itself (that is `intake`).

pub mod sql;

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
    /// List a revision and fetch what has no sha256 yet, so that it can be decided about.
    Examine { repo: String, rev: String, by: String },
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
}

impl Work {
    pub fn examine(repo: &RepoName, rev: &Rev, by: &str) -> Self {
        Self::Examine { repo: repo.to_string(), rev: rev.to_string(), by: by.to_owned() }
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
            Self::Recheck { sha256, .. } => format!("recheck {sha256}"),
            Self::Fetch { git, lfs, .. } => format!("fetch {}", lfs.as_ref().unwrap_or(git)),
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::Examine { .. } => "examine",
            Self::Recheck { .. } => "recheck",
            Self::Fetch { .. } => "fetch",
        }
    }
}

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

/// Asks for a job, unless it is under way. One that is over begins anew.
pub async fn ask(app: &App, work: &Work) -> Result<(), Fault> {
    let total = match work {
        Work::Fetch { size, .. } | Work::Recheck { size, .. } => *size,
        Work::Examine { .. } => 0,
    };
    sql::push(&app.chores, work, total, clock::now()).await?;
    app.bells.ring_for_work();
    Ok(())
}

/// How the job with this key stands; `None` when nobody ever asked for it.
pub async fn look(app: &App, key: &str) -> Result<Option<State>, Fault> {
    Ok(sql::find(&app.chores, key).await?.map(|row| state(&row)))
}

fn state(row: &job::Model) -> State {
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
