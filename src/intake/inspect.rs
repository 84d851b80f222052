//! Inspecting a revision: the scanner looks at every file, as far as its rules need it, and the rules decide.
//!
//! Small files are in the store by then; of large ones the ranges that decide are fetched. Where a format needs the whole
//! file, a job of its own fetches it, and the inspection comes back for it. Goes on where it stopped: every report is a row.
//! What ends a scan without being the file's doing is tried again, and said of the file only at the last try. Never serves.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::future::join_all;
use serde_json::json;

use super::{
    bytes::{FileBytes, LITTLE, NoBytes},
    compare::{self, Reach, Unsettled},
    decide,
    digests::Wish,
    fetch::Wanted,
    report_sql,
    seen::{self, Seen},
    sql,
    whole::{self, Whole},
    worker::{Lease, Outcome},
};
use crate::{
    app::App,
    blobs::{Kept, Seal},
    clock,
    domain::{
        basis::LIMITED,
        digest::{FileId, Sha256},
        file::FilePath,
        refusal::Fault,
        rev::Rev,
    },
    gate::{act::InspectRevision, grant::Granted, object::RevisionNamed, tx::Change},
    jobs,
    sandbox::{Child, Ended, ScanTrouble, Subject},
    store::tables::{file, report},
};

pub async fn inspect(app: &App, wish: &Wish, lease: &mut Lease) -> Result<Outcome, Fault> {
    let may = grant(app, wish)?;
    let files = sql::list_all_files(may.reader(), &wish.revision_id).await?;
    let all = Files::new(files);
    let known =
        report_sql::list_reported(may.reader(), &wish.revision_id, (&app.basis, &limited(app)), &all.digest).await?;
    let mut left: Vec<&file::Model> = all.rows.iter().filter(|row| !known.contains(&row.path)).collect();
    if left.is_empty() && decide::is_decided(app, wish).await? {
        return Ok(Outcome::Done);
    }
    let copied = copy_known(app, wish, &all, &mut left).await?;
    let total: u64 = left.iter().map(|row| size_of(row)).sum();
    tracing::info!(repo = %wish.repo, commit = %wish.commit, files = left.len(), copied, "a revision is inspected");
    let run = Run {
        app,
        wish,
        all: &all,
        last_try: lease.is_last_try(),
        left: Mutex::new(left.into()),
        stop: AtomicBool::new(false),
        fetching: AtomicUsize::new(0),
    };
    let hands = run.left.lock().unwrap_or_else(PoisonError::into_inner).len().min(HANDS);
    let mut ended = Vec::new();
    for end in join_all((0..hands).map(|_| run.work())).await {
        ended.extend(end?);
    }
    lease.renew(app, total, total).await?;
    let ended = match first(ended) {
        None => compared(app, wish, &all, lease.is_last_try()).await?,
        some => some,
    };
    let Some(outcome) = ended else {
        decide::decide(app, wish).await?;
        return Ok(Outcome::Done);
    };
    if let Some(why) = outcome.gives_up(lease) {
        // What the other files turned out to be counts, also where one could not be had.
        if !decide::is_decided(app, wish).await? && decide::decide(app, wish).await.is_err() {
            decide::not_judged(app, wish, why.trim_start_matches(jobs::MISMATCH)).await?;
        }
    }
    Ok(outcome)
}

/// Has weights compared with their twins. `Some` when the job has to come back for it.
async fn compared(app: &App, wish: &Wish, all: &Files, last_try: bool) -> Result<Option<Outcome>, Fault> {
    let reach = if last_try { Reach::GiveUp } else { Reach::Hub };
    let told = |outcome| match outcome {
        Outcome::Later { why, after } => {
            Some(Outcome::Later { why: format!("weights could not be compared: {why}"), after })
        }
        _ => None,
    };
    let later = match compare::settle(app, wish, all, reach).await {
        Ok(()) => return Ok(None),
        Err(Unsettled::Fault(fault) | Unsettled::NoBytes(NoBytes::Fault(fault))) => return Err(fault),
        Err(Unsettled::NoBytes(NoBytes::Trouble(trouble))) => told(Outcome::of(&trouble)),
        Err(Unsettled::NoBytes(NoBytes::Changed | NoBytes::Whole)) => {
            told(Outcome::Later { why: "stored bytes are not as they were left".to_owned(), after: AGAIN })
        }
    };
    if later.is_some() {
        return Ok(later);
    }
    // The hub will not give them, so that nobody knows: that is no reason to have no answer.
    match compare::settle(app, wish, all, Reach::GiveUp).await {
        Ok(()) => Ok(None),
        Err(Unsettled::Fault(fault) | Unsettled::NoBytes(NoBytes::Fault(fault))) => Err(fault),
        Err(Unsettled::NoBytes(_)) => Err(Fault::new("comparing weights: their bytes did not come").passing()),
    }
}

/// How the job ends where files are left: as the worst of them says.
fn first(mut ended: Vec<Outcome>) -> Option<Outcome> {
    ended.sort_by_key(|outcome| match outcome {
        Outcome::Failed(_) | Outcome::Lost | Outcome::Stopped => 0,
        Outcome::Later { .. } => 1,
        Outcome::GoesOn { .. } | Outcome::Done => 2,
    });
    ended.into_iter().next()
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
    let found = report_sql::list_same(may.reader(), &ids, seen::SCANNER.as_str(), &all.digest).await?;
    let (mut copies, mut from) = (Vec::new(), Vec::new());
    left.retain(|row| {
        let id = bytes_id(row);
        // What could not be looked at there may be looked at here: the reason may have been another one's.
        let same = |one: &&report::Model| one.bytes_id == id && one.path == row.path && one.coverage != "incomplete";
        let Some(one) = found.iter().find(same) else { return true };
        from.push((one.revision_id.clone(), one.path.clone()));
        copies.push(report::Model { revision_id: wish.revision_id.clone(), made_at: clock::now().0, ..one.clone() });
        false
    });
    let count = copies.len();
    let mut lists = Vec::new();
    for (revision_id, path) in from {
        lists.extend(report_sql::find_tensors(may.reader(), &revision_id, &path).await?.map(|list| (path, list)));
    }
    save_with(app, wish, copies, lists).await?;
    Ok(count)
}

struct Run<'a> {
    app: &'a App,
    wish: &'a Wish,
    all: &'a Files,
    /// What cannot be judged now is written down as such.
    last_try: bool,
    left: Mutex<VecDeque<&'a file::Model>>,
    stop: AtomicBool,
    /// Files of this revision that jobs of their own are fetching.
    fetching: AtomicUsize,
}

/// What became of one file.
enum One {
    Report(Box<report::Model>, Option<String>),
    /// It is left for later, and the others go on.
    Left(Outcome),
    /// It ends the job.
    End(Outcome),
}

impl Run<'_> {
    /// One pair of hands with a child of its own. Answers how the job has to end, for every file that is left.
    async fn work(&self) -> Result<Vec<Outcome>, Fault> {
        let mut child: Option<Child> = None;
        let (mut batch, mut lists) = (Vec::new(), Vec::new());
        let (mut ended, mut saved) = (Vec::new(), Instant::now());
        while let Some(row) = self.next() {
            match self.one(row, &mut child).await? {
                One::Report(report, list) => {
                    lists.extend(list.map(|list| (report.path.clone(), list)));
                    batch.push(*report);
                }
                One::Left(outcome) => ended.push(outcome),
                One::End(outcome) => {
                    self.stop.store(true, Ordering::Relaxed);
                    ended.push(outcome);
                    break;
                }
            }
            if batch.len() >= BATCH || (!batch.is_empty() && saved.elapsed() >= EVERY) {
                saved = Instant::now();
                let (reports, lists) = (std::mem::take(&mut batch), std::mem::take(&mut lists));
                save_with(self.app, self.wish, reports, lists).await?;
            }
        }
        save_with(self.app, self.wish, batch, lists).await?;
        Ok(ended)
    }

    fn next(&self) -> Option<&file::Model> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        self.left.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    async fn one(&self, row: &file::Model, child: &mut Option<Child>) -> Result<One, Fault> {
        let Self { app, wish, all, .. } = *self;
        let wanted = wanted(wish, row)?;
        let stored = stored(&grant(app, wish)?, row).await?;
        let mut bytes = match &stored {
            Some((sha256, seal)) => FileBytes::stored(app, *sha256, seal.clone()),
            None => match whole::look(app, &wanted).await? {
                Whole::NotAsked if self.is_busy(&wanted) => return Ok(waits(&wanted, Duration::from_secs(1))),
                Whole::NotAsked => FileBytes::hub(app, &wanted),
                other => return Ok(self.awaited(&wanted, other)),
            },
        };
        let report = |seen: &Seen, kept: &[Kept]| {
            let report = row_of(wish, all, row, seen, kept, stored.is_some());
            One::Report(Box::new(report), seen.tensors.clone())
        };
        Ok(match scan(app, all, &wanted, child, &mut bytes).await? {
            Scan::Seen(seen) => report(&seen, &bytes.kept()),
            Scan::Passing { seen: Some(seen), .. } if self.last_try => report(&seen, &bytes.kept()),
            Scan::Passing { why, .. } => One::Left(not_had(&wanted, Outcome::Later { why, after: AGAIN })),
            Scan::NoBytes(NoBytes::Fault(fault)) => return Err(fault),
            Scan::NoBytes(NoBytes::Trouble(trouble)) => One::End(not_had(&wanted, Outcome::of(&trouble))),
            Scan::NoBytes(NoBytes::Changed) => {
                let why = "its stored bytes are not as they were left, and are read again".to_owned();
                One::Left(not_had(&wanted, Outcome::Later { why, after: AGAIN }))
            }
            Scan::NoBytes(NoBytes::Whole) if wanted.size > app.whole_file_limit => {
                let row = row_of(wish, all, row, &whole::too_large(app, &wanted)?, &bytes.kept(), false);
                One::Report(Box::new(report::Model { scanner: limited(app), ..row }), None)
            }
            Scan::NoBytes(NoBytes::Whole) => self.awaited(&wanted, whole::ask(app, &wanted).await?),
        })
    }

    /// Whether so many files of this revision are being fetched that a large one, which may have to be fetched too, waits.
    fn is_busy(&self, wanted: &Wanted) -> bool {
        wanted.size > LITTLE && self.fetching.load(Ordering::Relaxed) >= FETCHES
    }

    fn awaited(&self, wanted: &Wanted, whole: Whole) -> One {
        match whole {
            Whole::UnderWay(after) => {
                self.fetching.fetch_add(1, Ordering::Relaxed);
                waits(wanted, after)
            }
            Whole::NotAsked => waits(wanted, Duration::from_secs(1)),
            Whole::Not(outcome @ Outcome::Failed(_)) => One::End(not_had(wanted, outcome)),
            Whole::Not(outcome) => One::Left(not_had(wanted, outcome)),
        }
    }
}

/// Its bytes are on the way: no try is lost by that.
fn waits(wanted: &Wanted, after: Duration) -> One {
    One::Left(Outcome::GoesOn { why: format!("{} is being fetched whole, to be judged", wanted.path), after })
}

/// What came of having a file scanned.
pub(super) enum Scan {
    Seen(Seen),
    /// The child died, or none could be started, and another try may do; what to say of the file if there is none.
    Passing {
        seen: Option<Seen>,
        why: String,
    },
    NoBytes(NoBytes),
}

/// Has one file scanned, in the child at hand or in a new one.
pub(super) async fn scan(
    app: &App,
    all: &Files,
    wanted: &Wanted,
    child: &mut Option<Child>,
    bytes: &mut FileBytes<'_>,
) -> Result<Scan, Fault> {
    let no_child = |fault: Fault| {
        tracing::error!(%fault, file = %wanted.path, "no child could be started to scan a file");
        let why = "no scanning process could be started; the gateway's log says why".to_owned();
        Ok(Scan::Passing { seen: None, why })
    };
    let mut at_hand = match child.take() {
        Some(child) => child,
        None => match app.sandbox.begin(Some(all.neighbours.clone())).await {
            Ok(child) => child,
            Err(fault) => return no_child(fault),
        },
    };
    let subject = Subject { name: wanted.path.as_str(), size: wanted.size, here: bytes.here() };
    let scanned = at_hand.scan(subject, bytes).await;
    *child = Some(at_hand);
    match scanned {
        Ok(scanned) if scanned.ended == Ended::TooFar && !bytes.here() => Ok(Scan::NoBytes(NoBytes::Whole)),
        Ok(scanned) => {
            let seen = Seen::of_report(&scanned.report)?;
            if scanned.ended.may_pass() {
                let why = scanned.report.coverage.reason.unwrap_or_default();
                return Ok(Scan::Passing { seen: Some(seen), why });
            }
            Ok(Scan::Seen(seen))
        }
        Err(ScanTrouble::Supply(no)) => Ok(Scan::NoBytes(no)),
        Err(ScanTrouble::Broken(fault)) => no_child(fault),
    }
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

/// Writes reports down: rows, with lists of tensors by path, and one event that says what they came to.
pub(super) async fn save_with(
    app: &App,
    wish: &Wish,
    reports: Vec<report::Model>,
    lists: Vec<(String, String)>,
) -> Result<(), Fault> {
    write(app, wish, (reports, lists), &[]).await?;
    Ok(())
}

/// Writes reports down that were drawn from others, unless one of those was replaced meanwhile, as by another look at the
/// file: then nothing is written, and the answer is false.
pub(super) async fn save_from(
    app: &App,
    wish: &Wish,
    reports: Vec<report::Model>,
    drawn_from: &[report::Model],
) -> Result<bool, Fault> {
    write(app, wish, (reports, Vec::new()), drawn_from).await
}

async fn write(
    app: &App,
    wish: &Wish,
    (reports, lists): (Vec<report::Model>, Vec<(String, String)>),
    drawn_from: &[report::Model],
) -> Result<bool, Fault> {
    if reports.is_empty() {
        return Ok(true);
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
    if !report_sql::are_unreplaced(&tx, drawn_from).await? {
        return Ok(false);
    }
    report_sql::save_reports(&tx, &may, &app.basis, reports).await?;
    report_sql::save_tensors(&tx, &may, &wish.revision_id, lists).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(true)
}

pub(super) fn wanted(wish: &Wish, row: &file::Model) -> Result<Wanted, Fault> {
    Ok(Wanted {
        repo: wish.repo.clone(),
        revision_id: wish.revision_id.clone(),
        commit: wish.commit.clone(),
        path: FilePath::new(&row.path).ok_or_else(|| Fault::new("reading a file's path"))?,
        size: size_of(row),
        id: file_id(row)?,
    })
}

pub(super) fn file_id(row: &file::Model) -> Result<FileId, Fault> {
    Ok(FileId {
        git: row.git_id.parse().map_err(|e| Fault::because("reading a git id", e))?,
        lfs: row.lfs.as_deref().map(str::parse).transpose().map_err(|e| Fault::because("reading a digest", e))?,
    })
}

/// The scanner of a report that says no more than that the file is over a limit: under another limit it holds no longer.
fn limited(app: &App) -> String {
    format!("{}{LIMITED}{} bytes", seen::SCANNER.as_str(), app.whole_file_limit)
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
        // A mismatch says for itself which file it was.
        Outcome::Failed(why) if why.starts_with(jobs::MISMATCH) => Outcome::Failed(why),
        Outcome::Failed(why) => Outcome::Failed(told(why)),
        Outcome::Later { why, after } => Outcome::Later { why: told(why), after },
        other => other,
    }
}

pub(super) const INSPECTED: &str = "inspected";
pub(super) const VERIFIED: &str = "verified";
/// Children at work for one revision.
const HANDS: usize = 2;
/// Files of one revision that are fetched whole at a time: pulls want hands too.
const FETCHES: usize = 2;
/// When a file whose scan broke off is scanned again, at first.
const AGAIN: Duration = Duration::from_secs(1);
/// Reports in one change.
const BATCH: usize = 50;
/// A process that dies loses no more than this of what it saw.
const EVERY: Duration = Duration::from_secs(1);
