//! `weighbridge scan`: reads files and folders on this machine and says what is in them. Needs no server and no configuration.
//!
//! Ends with 1 where something is malicious or suspicious, else with 2 where something could not be judged or there was
//! nothing to read, else with 0.
//! Never changes what it reads.

mod find;
mod show;
mod threads;

use std::{
    io::IsTerminal as _,
    os::unix::ffi::OsStrExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
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
    let limits = Limits::default();
    // What is said of a file is written down by the thread that read it; only SARIF needs all reports at the end.
    let answer = |file: &Wanted| {
        let report = one(file, &limits);
        let text = match shape {
            Shape::Text => show::text(&report),
            Shape::Json => Some(show::json(&report)),
            Shape::Sarif => None,
        };
        (show::Sums::of(&report), text, (shape == Shape::Sarif).then_some(report))
    };
    threads::in_order(&files, jobs, answer, |answers| {
        for (sum, text, report) in answers {
            sums.add(&sum);
            if let Some(text) = text {
                screen.answer(&text);
            }
            kept.extend(report);
        }
        screen.settle();
        screen.progress(&sums);
    });
    match shape {
        Shape::Sarif => {
            screen.answer(&serde_json::to_string_pretty(&weighbridge_scanners::sarif(&kept)).unwrap_or_default());
        }
        Shape::Text => screen.answer(&out::harmless(&sums.line(began.elapsed()))),
        Shape::Json => {}
    }
    screen.end();
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

/// How often the line of progress changes.
const PROGRESS: Duration = Duration::from_millis(100);
