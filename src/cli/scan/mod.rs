//! `weighbridge scan`: reads files and folders on this machine and says what is in them. Needs no server and no configuration.
//!
//! Ends with 1 where something is malicious or suspicious, else with 2 where something could not be judged or there was
//! nothing to read, else with 0.
//! Never changes what it reads.

mod find;
mod show;

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    os::unix::ffi::OsStrExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use weighbridge_scanners::{FileSource, Limits, Outcome, Report, Verdict, scan, unread};

use self::find::{Found, Wanted};
use super::{Failure, out};

/// What `scan` takes.
#[derive(Debug, Args)]
pub(super) struct ScanArgs {
    /// Files and folders; a folder is read with everything in it
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to answer: text for people, json (one object a file, a line each), sarif for code-scanning screens
    #[arg(long, value_enum, default_value = "text")]
    format: Shape,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Files read at a time [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<std::num::NonZeroUsize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    Text,
    Json,
    Sarif,
}

/// Runs the command.
pub(super) fn run(args: &ScanArgs) -> Result<(), Failure> {
    let shape = if args.json { Shape::Json } else { args.format };
    let Found { files, notes, nothing } =
        find::all(&args.paths).map_err(|error| Failure::Usage(show::one_line(&error)))?;
    for note in notes {
        out::tell(show::one_line(&note));
    }
    let jobs = args.jobs.or(std::thread::available_parallelism().ok()).map_or(1, std::num::NonZeroUsize::get);
    let began = Instant::now();
    let mut screen = show::Screen::new(files.len(), std::io::stderr().is_terminal());
    let mut sums = show::Sums::default();
    let mut kept: Vec<Report> = Vec::new();
    in_order(&files, jobs, |report| {
        sums.count(&report);
        match shape {
            Shape::Text => screen.print(&report),
            Shape::Json => screen.print_json(&report),
            Shape::Sarif => kept.push(report),
        }
        screen.progress(&sums);
    });
    screen.end();
    match shape {
        Shape::Sarif => {
            screen.answer(&serde_json::to_string_pretty(&weighbridge_scanners::sarif(&kept)).unwrap_or_default());
        }
        Shape::Text => screen.answer(&out::harmless(&sums.line(began.elapsed()))),
        Shape::Json => {}
    }
    // A report that nobody got says nothing, least of all that all is well.
    if let Some(error) = screen.lost() {
        return Err(Failure::Failed(format!("The answer could not be written: {error}")));
    }
    match sums.worst() {
        Some(Verdict::Malicious | Verdict::Suspicious) => Err(Failure::Said),
        Some(Verdict::Unjudged) => Err(Failure::Unjudged),
        _ if nothing => Err(Failure::Unjudged),
        _ => Ok(()),
    }
}

/// Scans with `jobs` threads and hands the reports on in the order of the files, each as soon as it can be.
fn in_order(files: &[Wanted], jobs: usize, mut each: impl FnMut(Report)) {
    let (order, next, limits) = (largest_first(files), AtomicUsize::new(0), Limits::default());
    let (send, receive) = mpsc::channel();
    std::thread::scope(|threads| {
        for _ in 0..jobs.min(files.len()) {
            let (send, next, limits) = (send.clone(), &next, &limits);
            let order = &order;
            let work = move || {
                loop {
                    let Some(&place) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                    let Some(file) = files.get(place) else { return };
                    if send.send((place, one(file, limits))).is_err() {
                        return;
                    }
                }
            };
            threads.spawn(|| weighbridge_scanners::with_room(work));
        }
        drop(send);
        let (mut early, mut due) = (BTreeMap::new(), 0);
        for (place, report) in receive {
            early.insert(place, report);
            while let Some(report) = early.remove(&due) {
                each(report);
                due += 1;
            }
        }
    });
}

/// The large files come first, so that nobody waits for the last of them alone; the others in their own order.
fn largest_first(files: &[Wanted]) -> Vec<usize> {
    let size = |place: &usize| {
        let file = files.get(*place)?;
        file.neighbours.as_deref()?.get(&file.name).copied().filter(|size| *size >= LARGE)
    };
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_cached_key(|place| std::cmp::Reverse(size(place)));
    order
}

/// Reads one file, and keeps the bytes of its name.
fn one(file: &Wanted, limits: &Limits) -> Report {
    judged(file, limits).with_raw_path(file.path.as_os_str().as_bytes())
}

/// Reads one file. Whatever goes wrong, there is a report, and it is not clean.
fn judged(file: &Wanted, limits: &Limits) -> Report {
    if let Some(why) = &file.closed {
        return unread(&file.shown, why);
    }
    let opened = match FileSource::open(&file.path) {
        Ok(opened) => opened,
        Err(error) => return unread(&file.shown, &format!("it could not be opened: {error}")),
    };
    let neighbours = file.neighbours.as_deref();
    let judged = catch_unwind(AssertUnwindSafe(|| scan(&file.name, Arc::new(opened), limits, neighbours)));
    match judged {
        Ok(Outcome::Judged(report)) => report.shown_as(&file.shown),
        Ok(Outcome::Needs(_)) => unread(&file.shown, "it grew shorter while it was read"),
        Err(_) => unread(&file.shown, "the scanner itself broke on it: please report this file"),
    }
}

/// A file of this size is begun with.
const LARGE: u64 = 1 << 20;
/// How often the line of progress changes.
const PROGRESS: Duration = Duration::from_millis(100);
