//! Inspecting a revision: the scanner looks at every file, as far as its rules need it, and the rules decide.
//!
//! Small files are in the store by then; of large ones the ranges that decide are fetched, and the whole file only where
//! its format needs it. Goes on where it stopped: every report is a row. Never serves anything.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::future::join_all;
use serde_json::json;

use super::{
    bytes::{FileBytes, NoBytes, differs},
    decide,
    digests::Wish,
    fetch::{self, Brought, Wanted},
    seen::{self, Seen},
    sql,
    worker::{Lease, Outcome},
};
use crate::{
    app::App,
    blobs::{Kept, Seal},
    clock,
    domain::{
        digest::{FileId, Sha256},
        file::FilePath,
        refusal::Fault,
        rev::Rev,
    },
    gate::{act::InspectRevision, grant::Granted, object::RevisionNamed, tx::Change},
    sandbox::{Child, Ended, ScanTrouble, Subject},
    store::tables::{file, report},
};

pub async fn inspect(app: &App, wish: &Wish, lease: &mut Lease) -> Result<Outcome, Fault> {
    let may = grant(app, wish)?;
    let files = sql::list_all_files(may.reader(), &wish.revision_id).await?;
    let all = Files::new(files);
    let known = sql::list_reported(may.reader(), &wish.revision_id, seen::SCANNER.as_str(), &all.digest).await?;
    let mut left: Vec<&file::Model> = all.rows.iter().filter(|row| !known.contains(&row.path)).collect();
    if left.is_empty() && decide::is_decided(app, wish).await? {
        return Ok(Outcome::Done);
    }
    let copied = copy_known(app, wish, &all, &mut left).await?;
    let total: u64 = left.iter().map(|row| size_of(row)).sum();
    tracing::info!(repo = %wish.repo, commit = %wish.commit, files = left.len(), copied, "a revision is inspected");
    let run = Run { app, wish, all: &all, left: Mutex::new(left.into()), stop: AtomicBool::new(false) };
    let hands = run.left.lock().unwrap_or_else(PoisonError::into_inner).len().min(HANDS);
    let ended = join_all((0..hands).map(|_| run.work())).await;
    lease.renew(app, total, total).await?;
    for outcome in ended {
        match outcome? {
            None => {}
            Some(outcome) => {
                if let Some(why) = outcome.gives_up(lease) {
                    // What the other files turned out to be counts, also where one could not be had.
                    if !decide::is_decided(app, wish).await? && decide::decide(app, wish).await.is_err() {
                        decide::not_judged(app, wish, why).await?;
                    }
                }
                return Ok(outcome);
            }
        }
    }
    decide::decide(app, wish).await?;
    Ok(Outcome::Done)
}

pub(super) fn grant(app: &App, wish: &Wish) -> Result<Granted<InspectRevision>, Fault> {
    let cause = format!("{}@{} is inspected", wish.repo, wish.commit);
    let object = RevisionNamed { repo: wish.repo.clone(), rev: Rev::from(&wish.commit) };
    app.gate.admit_work::<InspectRevision>(&cause, object).map_err(|refusal| Fault::new(refusal.line()))
}

/// A revision's files, and what the scanner is told of a file's neighbours.
pub(super) struct Files {
    pub rows: Vec<file::Model>,
    pub neighbours: BTreeMap<String, u64>,
    /// Over their paths and sizes: a report holds for the same bytes among the same neighbours.
    pub digest: String,
}

impl Files {
    pub fn new(rows: Vec<file::Model>) -> Self {
        let neighbours: BTreeMap<String, u64> = rows.iter().map(|row| (row.path.clone(), size_of(row))).collect();
        let mut sum = Context::new(&SHA256);
        for (path, size) in &neighbours {
            sum.update(format!("{size} {path}\n").as_bytes());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(sum.finish().as_ref());
        Self { rows, neighbours, digest: Sha256(bytes).to_string() }
    }
}

/// What is known of the same bytes under the same name among the same neighbours holds here too.
async fn copy_known(app: &App, wish: &Wish, all: &Files, left: &mut Vec<&file::Model>) -> Result<usize, Fault> {
    let may = grant(app, wish)?;
    let ids: Vec<String> = left.iter().map(|row| bytes_id(row)).collect();
    let found = sql::list_same(may.reader(), &ids, seen::SCANNER.as_str(), &all.digest).await?;
    let mut copies = Vec::new();
    left.retain(|row| {
        let id = bytes_id(row);
        let Some(one) = found.iter().find(|one| one.bytes_id == id && one.path == row.path) else { return true };
        copies.push(report::Model { revision_id: wish.revision_id.clone(), made_at: clock::now().0, ..one.clone() });
        false
    });
    let count = copies.len();
    save(app, wish, copies).await?;
    Ok(count)
}

struct Run<'a> {
    app: &'a App,
    wish: &'a Wish,
    all: &'a Files,
    left: Mutex<VecDeque<&'a file::Model>>,
    stop: AtomicBool,
}

impl Run<'_> {
    /// One pair of hands with a child of its own. `Some` when the job has to end.
    async fn work(&self) -> Result<Option<Outcome>, Fault> {
        let mut child: Option<Child> = None;
        let mut batch = Vec::new();
        let mut end = None;
        while let Some(row) = self.next() {
            match self.one(row, &mut child).await? {
                Ok(report) => batch.push(report),
                Err(outcome) => {
                    self.stop.store(true, Ordering::Relaxed);
                    end = Some(outcome);
                    break;
                }
            }
            if batch.len() >= BATCH {
                save(self.app, self.wish, std::mem::take(&mut batch)).await?;
            }
        }
        save(self.app, self.wish, batch).await?;
        Ok(end)
    }

    fn next(&self) -> Option<&file::Model> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        self.left.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// The report on one file, or how the job ends.
    async fn one(&self, row: &file::Model, child: &mut Option<Child>) -> Result<Result<report::Model, Outcome>, Fault> {
        let Self { app, wish, all, .. } = *self;
        let wanted = wanted(wish, row)?;
        let mut kept = Vec::new();
        let mut stored = stored(&grant(app, wish)?, row).await?;
        let seen = loop {
            let mut bytes = match &stored {
                Some((sha256, seal)) => FileBytes::stored(app, *sha256, seal.clone()),
                None => FileBytes::hub(app, &wanted),
            };
            match scan(app, all, &wanted, child, &mut bytes).await? {
                Ok(seen) => {
                    kept.extend(bytes.kept());
                    break seen;
                }
                Err(NoBytes::Fault(fault)) => return Err(fault),
                Err(NoBytes::Trouble(trouble)) => return Ok(Err(not_had(&wanted, Outcome::of(&trouble)))),
                Err(NoBytes::Whole) => {
                    kept.extend(bytes.kept());
                    stored = match bring(app, &wanted, &kept).await? {
                        Ok(found) => Some(found),
                        Err(outcome) => return Ok(Err(outcome)),
                    };
                    kept.clear();
                }
            }
        };
        Ok(Ok(row_of(wish, all, row, &seen, &kept, stored.is_some())))
    }
}

/// Has one file scanned, in the child at hand or in a new one.
pub(super) async fn scan(
    app: &App,
    all: &Files,
    wanted: &Wanted,
    child: &mut Option<Child>,
    bytes: &mut FileBytes<'_>,
) -> Result<Result<Seen, NoBytes>, Fault> {
    let mut at_hand = match child.take() {
        Some(child) => child,
        None => app.sandbox.begin(Some(all.neighbours.clone())).await?,
    };
    let subject = Subject { name: wanted.path.as_str(), size: wanted.size, here: bytes.here() };
    let scanned = at_hand.scan(subject, bytes).await;
    *child = Some(at_hand);
    match scanned {
        Ok(scanned) if scanned.ended == Ended::TooFar && !bytes.here() => Ok(Err(NoBytes::Whole)),
        Ok(scanned) => {
            let report = serde_json::to_value(&scanned.report).map_err(|e| Fault::because("reading a report", e))?;
            Ok(Ok(Seen::of(&report)))
        }
        Err(ScanTrouble::Supply(no)) => Ok(Err(no)),
        Err(ScanTrouble::Broken(fault)) => Err(fault),
    }
}

/// Fetches and verifies all of a file and writes its row. What was read of it before must be in it.
async fn bring(app: &App, wanted: &Wanted, kept: &[Kept]) -> Result<Result<(Sha256, Seal), Outcome>, Fault> {
    let stored = match fetch::bring(app, wanted, None).await? {
        Brought::Stored(stored) => stored,
        Brought::Lost => return Ok(Err(Outcome::Lost)),
        Brought::Trouble(trouble) => return Ok(Err(not_had(wanted, Outcome::of(&trouble)))),
        Brought::Mismatch(what) => return Ok(Err(fetch::mismatch(app, wanted, &what).await?)),
    };
    if let Some(what) = differs(app, stored.sha256, &stored.seal, kept).await? {
        return Ok(Err(fetch::mismatch(app, wanted, &what).await?));
    }
    fetch::keep(app, wanted, &stored).await?;
    Ok(Ok((stored.sha256, stored.seal)))
}

/// Where a file lies in the store, if its row says so.
pub(super) async fn stored(may: &Granted<InspectRevision>, row: &file::Model) -> Result<Option<(Sha256, Seal)>, Fault> {
    let Some(sha256) = row.sha256.as_deref().and_then(|sha| sha.parse().ok()) else { return Ok(None) };
    let seal = sql::find_seal(may.reader(), &sha256).await?;
    Ok(seal.and_then(|seal| Seal::parse(&seal)).map(|seal| (sha256, seal)))
}

pub(super) fn row_of(
    wish: &Wish,
    all: &Files,
    row: &file::Model,
    seen: &Seen,
    kept: &[Kept],
    verified: bool,
) -> report::Model {
    report::Model {
        revision_id: wish.revision_id.clone(),
        path: row.path.clone(),
        bytes_id: bytes_id(row),
        scanner: seen::SCANNER.clone(),
        siblings: all.digest.clone(),
        stage: if verified { VERIFIED } else { INSPECTED }.to_owned(),
        format: seen.format.clone(),
        verdict: seen.verdict.clone(),
        coverage: seen.coverage.clone(),
        body: seen.body(),
        ranges: serde_json::to_string(kept).unwrap_or_default(),
        made_at: clock::now().0,
    }
}

/// Writes reports down: rows, and one event that says what they came to.
pub(super) async fn save(app: &App, wish: &Wish, reports: Vec<report::Model>) -> Result<(), Fault> {
    if reports.is_empty() {
        return Ok(());
    }
    let may = grant(app, wish)?;
    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut sum = Context::new(&SHA256);
    for one in &reports {
        *verdicts.entry(one.verdict.as_str()).or_default() += 1;
        sum.update(
            format!("{} {} {} {} {}\n", one.bytes_id, one.verdict, one.coverage, one.stage, one.path).as_bytes(),
        );
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(sum.finish().as_ref());
    let detail = json!({
        "files": reports.len(), "verdicts": verdicts, "scanner": seen::SCANNER.as_str(),
        "reports": Sha256(bytes).to_string(),
    });
    let tx = may.begin().await?;
    sql::save_reports(&tx, &may, reports).await?;
    tx.commit(may, Change::new(detail)).await
}

pub(super) fn wanted(wish: &Wish, row: &file::Model) -> Result<Wanted, Fault> {
    Ok(Wanted {
        repo: wish.repo.clone(),
        revision_id: wish.revision_id.clone(),
        commit: wish.commit.clone(),
        path: FilePath::new(&row.path).ok_or_else(|| Fault::new("reading a file's path"))?,
        size: size_of(row),
        id: FileId {
            git: row.git_id.parse().map_err(|e| Fault::because("reading a git id", e))?,
            lfs: row.lfs.as_deref().map(str::parse).transpose().map_err(|e| Fault::because("reading a digest", e))?,
        },
    })
}

/// What the hub says the bytes are.
pub(super) fn bytes_id(row: &file::Model) -> String {
    row.lfs.clone().unwrap_or_else(|| row.git_id.clone())
}

fn size_of(row: &file::Model) -> u64 {
    u64::try_from(row.size).unwrap_or_default()
}

fn not_had(wanted: &Wanted, outcome: Outcome) -> Outcome {
    let told = |why: String| format!("{} could not be inspected: {why}", wanted.path);
    match outcome {
        Outcome::Failed(why) => Outcome::Failed(told(why)),
        Outcome::Later { why, after } => Outcome::Later { why: told(why), after },
        other => other,
    }
}

pub(super) const INSPECTED: &str = "inspected";
pub(super) const VERIFIED: &str = "verified";
/// Children at work for one revision.
const HANDS: usize = 2;
/// Reports in one change.
const BATCH: usize = 50;
