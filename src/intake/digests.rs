//! Fetching a revision's small files: every file outside LFS, because the hub knows no sha256 of them.
//!
//! One job for all of them, several at a time, stored a hundred in one change; after a while it makes room for the next
//! revision's and goes on later. Never touches an LFS file: those come when somebody pulls them.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use serde_json::json;

use super::{
    fetch::{self, Brought, Wanted},
    sql,
    worker::{Lease, Outcome},
};
use crate::{
    app::App,
    blobs::Stored,
    clock,
    domain::{
        digest::FileId,
        event::Kind,
        file::FilePath,
        name::RepoName,
        refusal::Fault,
        rev::{Commit, Rev},
    },
    gate::{
        act::{ListRevision, StoreBlob},
        object::{BlobObject, Found, RevisionNamed},
        tx::Change,
    },
    jobs::{self, Work},
    store::tables::file,
};

/// Whose small files are fetched.
#[derive(Clone, Debug)]
pub struct Wish {
    pub repo: RepoName,
    pub revision_id: String,
    pub commit: Commit,
}

pub async fn digests(app: &App, wish: &Wish, lease: &mut Lease) -> Result<Outcome, Fault> {
    let cause = format!("the small files of {}@{} are fetched", wish.repo, wish.commit);
    let object = RevisionNamed { repo: wish.repo.clone(), rev: Rev::from(&wish.commit) };
    let may = app.gate.admit_work::<ListRevision>(&cause, object).map_err(|refusal| Fault::new(refusal.line()))?;
    let mut run = Run { app, wish, began: Instant::now(), done: 0, total: 0, asked: HashSet::new() };
    run.total = sql::count_unknown_bytes(may.reader(), &wish.revision_id).await?;
    let mut after = String::new();
    loop {
        let rows = sql::list_unknown(may.reader(), &wish.revision_id, &after, PAGE).await?;
        let Some(last) = rows.last() else {
            jobs::ask(app, &Work::inspect(&wish.repo, &wish.revision_id, &wish.commit)).await?;
            return Ok(Outcome::Done);
        };
        after.clone_from(&last.path);
        let end = run.page(&rows, lease).await?;
        match end {
            None if run.began.elapsed() < TURN => {}
            None => {
                let why = "others wait for their small files too".to_owned();
                return Ok(Outcome::GoesOn { why, after: Duration::ZERO });
            }
            // Whatever stopped it, this try was not in vain.
            Some(Outcome::Later { why, after }) if run.done > 0 => return Ok(Outcome::GoesOn { why, after }),
            Some(outcome) => return Ok(outcome),
        }
    }
}

struct Run<'a> {
    app: &'a App,
    wish: &'a Wish,
    began: Instant,
    done: u64,
    total: u64,
    /// The same bytes may lie under many paths.
    asked: HashSet<String>,
}

impl Run<'_> {
    /// Fetches these files. `Some` when that is to be the end of the job, for now or for good.
    async fn page(&mut self, rows: &[file::Model], lease: &mut Lease) -> Result<Option<Outcome>, Fault> {
        let mut wanted = Vec::with_capacity(rows.len());
        for row in rows.iter().filter(|row| row.lfs.is_none()) {
            if self.asked.insert(row.git_id.clone()) {
                wanted.push(self.wanted(row)?);
            }
        }
        let at_once = if self.app.in_background { AT_ONCE_IN_BACKGROUND } else { AT_ONCE };
        let mut arriving =
            stream::iter(wanted.into_iter().map(|one| bring(self.app.clone(), one))).buffer_unordered(at_once);
        let (mut batch, mut end) = (Vec::new(), None);
        while let Some((wanted, brought)) = arriving.next().await {
            match brought {
                Ok(Brought::Stored(stored)) => batch.push((wanted, stored)),
                other => {
                    end = Some((wanted, other));
                    break;
                }
            }
            if batch.len() >= BATCH && !self.keep(&mut batch, lease).await? {
                return Ok(Some(Outcome::Lost));
            }
            if self.began.elapsed() >= TURN {
                break;
            }
        }
        drop(arriving);
        if !self.keep(&mut batch, lease).await? {
            return Ok(Some(Outcome::Lost));
        }
        match end {
            None | Some((_, Ok(Brought::Stored(_)))) => Ok(None),
            Some((_, Ok(Brought::Lost))) => Ok(Some(Outcome::Lost)),
            Some((wanted, Ok(Brought::Trouble(trouble)))) => Ok(Some(match Outcome::of(&trouble) {
                Outcome::Failed(why) => Outcome::Failed(not_fetched(&wanted, &why)),
                Outcome::Later { why, after } => Outcome::Later { why: not_fetched(&wanted, &why), after },
                other => other,
            })),
            Some((wanted, Ok(Brought::Mismatch(what)))) => {
                let outcome = fetch::mismatch(self.app, &wanted, &what).await?;
                Ok(Some(match outcome {
                    Outcome::Failed(why) => {
                        Outcome::Failed(not_fetched(&wanted, why.trim_start_matches(jobs::MISMATCH)))
                    }
                    other => other,
                }))
            }
            Some((_, Err(fault))) if self.done > 0 && fault.passing => {
                tracing::error!(%fault, "small files are left for later");
                let why = "something broke inside; see the log".to_owned();
                Ok(Some(Outcome::Later { why, after: Duration::from_secs(5) }))
            }
            Some((_, Err(fault))) => Err(fault),
        }
    }

    /// Writes down what has been stored: one change, and one event for each blob. False when the job was given away.
    async fn keep(&mut self, batch: &mut Vec<(Wanted, Stored)>, lease: &mut Lease) -> Result<bool, Fault> {
        let mut batch = std::mem::take(batch);
        // In one order everywhere, so that two who store the same files never wait for each other in a circle.
        batch.sort_by_key(|(_, stored)| stored.sha256);
        let cause = format!("small files of {}@{} were fetched", self.wish.repo, self.wish.commit);
        let grant = |(_, stored): &(Wanted, Stored)| {
            let may = self.app.gate.admit_work::<StoreBlob>(&cause, BlobObject(stored.sha256, stored.size));
            may.map_err(|refusal| Fault::new(refusal.line()))
        };
        let mut grants = batch.iter().map(grant).collect::<Result<Vec<_>, _>>()?;
        let detail = |wanted: &Wanted| {
            json!({
                "repo": wanted.repo.to_string(), "commit": wanted.commit.as_str(), "path": wanted.path.as_str(),
                "git": wanted.id.git.to_string(),
            })
        };
        let Some((wanted, _)) = batch.first() else { return Ok(true) };
        let mut change = Change::new(detail(wanted));
        let tx = match grants.first() {
            Some(may) => may.begin().await?,
            None => return Ok(true),
        };
        for (n, (may, (wanted, stored))) in grants.iter().zip(&batch).enumerate() {
            let git = wanted.id.git.to_string();
            sql::save_blob(&tx, may, Some(&git), &stored.seal.to_text(), clock::now()).await?;
            if n > 0 {
                change = change.and(Kind::BlobStored, Found::fact(may.object()), detail(wanted));
            }
        }
        tx.commit(grants.swap_remove(0), change).await?;
        self.done += batch.iter().map(|(_, stored)| stored.size).sum::<u64>();
        lease.renew(self.app, self.done, self.total).await
    }

    fn wanted(&self, row: &file::Model) -> Result<Wanted, Fault> {
        Ok(Wanted {
            repo: self.wish.repo.clone(),
            revision_id: self.wish.revision_id.clone(),
            commit: self.wish.commit.clone(),
            path: FilePath::new(&row.path).ok_or_else(|| Fault::new("reading a file's path"))?,
            size: u64::try_from(row.size).unwrap_or_default(),
            id: FileId { git: row.git_id.parse().map_err(|e| Fault::because("reading a git id", e))?, lfs: None },
        })
    }
}

async fn bring(app: App, wanted: Wanted) -> (Wanted, Result<Brought, Fault>) {
    let brought = fetch::bring(&app, &wanted, None).await;
    (wanted, brought)
}

fn not_fetched(wanted: &Wanted, why: &str) -> String {
    format!("{} could not be fetched: {why}", wanted.path)
}

/// Files at once. With the other lanes' hands this stays below what is fetched from the hub at once, so that a pull
/// always finds a place.
const AT_ONCE: usize = 8;
const AT_ONCE_IN_BACKGROUND: usize = 2;
/// Blobs in one change: some tens of milliseconds of the database's time.
const BATCH: usize = 100;
const PAGE: u64 = 1000;
/// How long one revision's files are fetched before another's turn.
const TURN: Duration = Duration::from_secs(20);
