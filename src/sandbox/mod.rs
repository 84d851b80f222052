//! Scanning in a child process: of the same program, one child for each revision, without files, network or processes.
//!
//! The gateway hands the child a name, a size and the bytes it asks for, and takes back a report. A crash, a time-out or a
//! limit is a report too: unjudged, its coverage incomplete, the reason in words. Never opens a model file, never fetches
//! (that is whoever implements [`Supply`]), never decides.
//!
//! What a file can do that takes over the child which reads it: lie about itself, and about the files of the same revision
//! that are scanned after it. It cannot reach a file, a socket or a process, nor earlier reports, nor other revisions, whose
//! children are others. It cannot make the gateway allocate, wait or fetch beyond the limits, nor put into a report what the
//! scanner never writes: the report is read as data, see `wire.rs`. A `clean` is therefore as good as the readers are, no
//! better; and a report on a file that other revisions hold too should not replace one that an earlier child gave.

mod child;
mod confine;
mod ended;
mod frame;
mod limits;
#[cfg(target_os = "linux")]
mod locks;
mod near;
mod process;
mod strength;
mod supply;
mod wire;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{ffi::OsString, ops::Range, path::PathBuf, sync::Arc};

use weighbridge_scanners::{Neighbours, Report, rules};

use crate::domain::refusal::Fault;

pub use self::{
    child::child,
    ended::Ended,
    limits::Limits,
    strength::{Landlock, Strength},
    supply::Supply,
};
use self::{
    process::{Process, Stopped},
    supply::Asked,
};

/// The word on the command line by which the program becomes a child.
pub const COMMAND: &str = "scanning-child";

/// How children are started. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sandbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    arguments: Vec<OsString>,
    limits: Limits,
}

/// A file to scan.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its path in the repository.
    pub name: &'a str,
    /// How many bytes it has.
    pub size: u64,
    /// Whether its bytes are on this side of the network. Then the child reads on as it likes; otherwise it collects what
    /// it lacks, so that few requests go to the hub, and does some work again.
    pub here: bool,
}

/// What became of a scan.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// What there is to say of the file, whatever happened.
    pub report: Report,
    /// The bytes that the child was given, in order, joined.
    pub asked: Vec<Range<u64>>,
    /// Whether the report is the child's, or what stopped it.
    pub ended: Ended,
}

/// Why there is nothing to say of a file: not its fault, and another try may do.
#[derive(Debug)]
pub enum ScanTrouble<T> {
    /// Its bytes did not come.
    Supply(T),
    /// No child could be started, or the supply gave something else than it was asked for.
    Broken(Fault),
}

impl Sandbox {
    /// Children of this very program, even if its file has been replaced since.
    pub fn new(limits: Limits) -> Self {
        Self::of_program(this_program(), vec![COMMAND.into()], limits)
    }

    /// Children of another copy of the program.
    pub fn of_program(program: PathBuf, arguments: Vec<OsString>, limits: Limits) -> Self {
        Self(Arc::new(Inner { program, arguments, limits }))
    }

    /// Begins the child of one revision. `neighbours` are its files with their sizes.
    pub async fn begin(&self, neighbours: Option<Neighbours>) -> Result<Child, Fault> {
        let neighbours = neighbours.map(Arc::new);
        let process = Process::start(&self.0, neighbours.as_deref()).await?;
        Ok(Child { sandbox: self.clone(), neighbours, process: Some(process) })
    }

    /// What this kernel takes from a child besides its limits: told by a child that has just given it up.
    pub async fn strength(&self) -> Result<Strength, Fault> {
        Ok(Process::start(&self.0, None).await?.strength)
    }
}

/// The child of one revision. Dropping it kills the process; so does dropping a scan before it has ended.
#[derive(Debug)]
pub struct Child {
    sandbox: Sandbox,
    neighbours: Option<Arc<Neighbours>>,
    /// None after a file that the child did not survive: the next one begins another.
    process: Option<Process>,
}

impl Child {
    /// Has one file scanned. Whatever the file does to the child is in the answer; an error is somebody else's.
    pub async fn scan<S: Supply>(
        &mut self,
        subject: Subject<'_>,
        supply: &mut S,
    ) -> Result<Scanned, ScanTrouble<S::Trouble>> {
        let alive = self.process.take().and_then(Process::if_alive);
        let mut process = match alive {
            Some(process) => process,
            None => Process::start(&self.sandbox.0, self.neighbours.as_deref()).await.map_err(ScanTrouble::Broken)?,
        };
        let mut asked = Asked::default();
        match process.scan(subject, supply, &mut asked, &self.sandbox.0.limits).await {
            Ok(report) => {
                self.process = Some(process);
                Ok(Scanned { report, asked: asked.ranges(), ended: Ended::Judged })
            }
            Err(Stopped::Supply(trouble)) => Err(ScanTrouble::Supply(trouble)),
            Err(Stopped::Broken(fault)) => Err(ScanTrouble::Broken(fault)),
            Err(Stopped::Child(stop)) => {
                let (ended, why) = process.bury(stop, &self.sandbox.0.limits, subject.name).await;
                let mut report = unjudged(subject.name, subject.size, &why);
                if matches!(ended, Ended::Limit | Ended::TimedOut | Ended::TooFar) {
                    for finding in &mut report.findings {
                        finding.rule = &rules::LIMIT_REACHED;
                        finding.severity = rules::LIMIT_REACHED.severity;
                    }
                }
                Ok(Scanned { report, asked: asked.ranges(), ended })
            }
        }
    }
}

/// What this process runs. On Linux the name leads there even when the file was replaced by a newer version, which would
/// judge otherwise.
fn this_program() -> PathBuf {
    if cfg!(target_os = "linux") {
        return PathBuf::from("/proc/self/exe");
    }
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("weighbridge"))
}

/// The report on a file of which a scan says nothing.
fn unjudged(name: &str, size: u64, why: &str) -> Report {
    use weighbridge_scanners::{Extent, Seen};
    let mut report = weighbridge_scanners::unread(name, why);
    report.coverage.unscanned = size;
    report.coverage.extents.extend((size > 0).then_some(Extent { start: 0, end: size, seen: Seen::Unscanned }));
    report
}
