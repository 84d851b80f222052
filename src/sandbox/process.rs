//! One child as the gateway sees it: started with nothing, spoken to within limits, killed when it is done with.
//!
//! Believes nothing that it hears: lengths, ranges and reports are measured by `frame`, `supply` and `wire`.

use std::{os::unix::net::UnixStream as Pair, process::Stdio, time::Duration};

use rustix::process::{Pid, Resource, Rlimit, getrlimit};
use tokio::{
    io::AsyncReadExt,
    net::UnixStream,
    process::{Child, ChildStderr, Command},
    time::{Instant, timeout},
};
use weighbridge_scanners::{Neighbours, Report, VERSION};

use crate::domain::refusal::Fault;

use super::{
    Inner, Subject,
    ended::{Ended, Stop, line, reason},
    frame::{Kind, hear, tell},
    limits::Limits,
    strength::Strength,
    supply::{Asked, Supply, Unasked, batches},
    wire::{self, Hello, Setup, Task},
};

/// A running child.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    socket: UnixStream,
    pub(super) strength: Strength,
    /// Seconds of processor time it was allowed for all files before this one.
    processor_seconds: u64,
}

/// Why a scan has no report of the child's.
#[derive(Debug)]
pub(super) enum Stopped<T> {
    Supply(T),
    Broken(Fault),
    Child(Stop),
}

impl<T, S: Into<Stop>> From<S> for Stopped<T> {
    fn from(stop: S) -> Self {
        Self::Child(stop.into())
    }
}

impl Process {
    /// Starts a child and waits until it has given up what it can.
    pub(super) async fn start(inner: &Inner, neighbours: Option<&Neighbours>) -> Result<Self, Fault> {
        let setup = Setup { memory_bytes: inner.limits.memory_bytes, neighbours: neighbours.cloned() };
        let setup = serde_json::to_vec(&setup).map_err(|error| fault("describing its task", error))?;
        let (child, socket) = spawn(inner).map_err(|error| fault("starting it", error).passing())?;
        let mut process = Self { child, socket, strength: Strength::default(), processor_seconds: 0 };
        match timeout(START, process.greet(&setup)).await {
            Ok(Ok(hello)) if hello.version == VERSION => {
                process.strength = hello.strength;
                Ok(process)
            }
            Ok(Ok(hello)) => Err(fault("starting it", format!("it is version {}, this is {VERSION}", hello.version))),
            Ok(Err(stop)) => {
                let (_, why) = process.bury(stop, &inner.limits, "").await;
                Err(fault("starting it", why).passing())
            }
            Err(_) => Err(fault("starting it", "it said nothing for 30 seconds").passing()),
        }
    }

    async fn greet(&mut self, setup: &[u8]) -> Result<Hello, Stop> {
        tell(&mut self.socket, Kind::Setup, [setup, &[]]).await.map_err(|_| Stop::Gone)?;
        let (kind, payload) = hear(&mut self.socket).await?;
        let hello = (kind == Kind::Hello).then(|| serde_json::from_slice(&payload).ok()).flatten();
        hello.ok_or_else(|| Stop::Nonsense("no hello".into()))
    }

    /// This, unless it has died since it was last spoken to.
    pub(super) fn if_alive(mut self) -> Option<Self> {
        matches!(self.child.try_wait(), Ok(None)).then_some(self)
    }

    /// Has one file scanned.
    pub(super) async fn scan<S: Supply>(
        &mut self,
        subject: Subject<'_>,
        supply: &mut S,
        asked: &mut Asked,
        limits: &Limits,
    ) -> Result<Report, Stopped<S::Trouble>> {
        let Subject { name, size, here } = subject;
        let task = Task { name: name.to_owned(), size, here };
        let task = serde_json::to_vec(&task).map_err(|error| Stopped::Broken(fault("describing a file", error)))?;
        let mut clock = Clock { spent: Duration::ZERO };
        self.allow(limits.processor_seconds_for(0)).map_err(Stopped::Broken)?;
        clock.tell(&mut self.socket, limits.patience_for(0), Kind::Subject, [&task, &[]]).await?;
        loop {
            let left = limits.patience_for(asked.bytes()).saturating_sub(clock.spent);
            let began = Instant::now();
            let heard = timeout(left, hear(&mut self.socket)).await.map_err(|_| Stop::TimedOut)?;
            clock.spent += began.elapsed();
            match heard? {
                (Kind::Ask, payload) => {
                    let ranges = asked.take(&payload, size, here, limits)?;
                    self.allow(limits.processor_seconds_for(asked.bytes())).map_err(Stopped::Broken)?;
                    for batch in batches(&ranges) {
                        let pieces = supply.ranges(&batch).await.map_err(Stopped::Supply)?;
                        let fits = pieces.len() == batch.len()
                            && batch
                                .iter()
                                .zip(&pieces)
                                .all(|(range, piece)| range.end - range.start == piece.len() as u64);
                        if !fits {
                            let why = format!("{name}: other bytes came than were asked for");
                            return Err(Stopped::Broken(fault("giving it bytes", why)));
                        }
                        for (range, piece) in batch.iter().zip(&pieces) {
                            let parts = [&range.start.to_le_bytes()[..], piece];
                            clock
                                .tell(&mut self.socket, limits.patience_for(asked.bytes()), Kind::Bytes, parts)
                                .await?;
                        }
                    }
                }
                (Kind::Report, payload) => {
                    self.processor_seconds += limits.processor_seconds_for(asked.bytes());
                    return Ok(believe(payload, name.to_owned(), size).await?);
                }
                (kind, _) => return Err(Stop::Nonsense(format!("{kind:?} in the middle of a scan")).into()),
            }
        }
    }

    /// Lets the child use so many seconds of processor time for this file. What earlier files left unused is not taken
    /// back: the clock stands beside it.
    #[cfg(target_os = "linux")]
    fn allow(&self, seconds: u64) -> Result<(), Fault> {
        let seconds = self.processor_seconds.saturating_add(seconds);
        let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) else {
            return Ok(());
        };
        let own = getrlimit(Resource::Cpu);
        let current = own.maximum.map_or(seconds, |most| most.min(seconds));
        let limit = Rlimit { current: Some(current), maximum: own.maximum };
        match rustix::process::prlimit(Some(pid), Resource::Cpu, limit) {
            // It has died meanwhile, which the next word to it will tell.
            Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(fault("limiting its processor time", error)),
        }
    }

    /// Elsewhere than on Linux nobody can set another process's limits: the clock alone holds it.
    #[cfg(not(target_os = "linux"))]
    fn allow(&self, _seconds: u64) -> Result<(), Fault> {
        Ok(())
    }

    /// Ends the child and says why it came to that.
    pub(super) async fn bury(mut self, stop: Stop, limits: &Limits, name: &str) -> (Ended, String) {
        let mut exit = None;
        if matches!(stop, Stop::Gone) {
            exit = timeout(DYING, self.child.wait()).await.ok().and_then(Result::ok);
        }
        if exit.is_none() {
            let _ = self.child.kill().await;
        }
        let wrote = match self.child.stderr.take() {
            Some(stderr) => line(&last_words(stderr).await),
            None => String::new(),
        };
        let (ended, why) = reason(&stop, exit, &wrote, limits);
        let (exit, detail) = (exit.map(|exit| exit.to_string()), stop.detail());
        tracing::warn!(file = name, exit, detail, wrote, "a scanning child ended before it had an answer: {why}");
        (ended, why)
    }
}

/// Reading a long report takes a processor for a while, which is not taken from those who wait for files.
async fn believe(payload: Vec<u8>, name: String, size: u64) -> Result<Report, Stop> {
    let read = tokio::task::spawn_blocking(move || wire::read(&payload, &name, size)).await;
    read.map_err(|_| Stop::Nonsense("a report that could not be read".into()))?.map_err(Stop::Nonsense)
}

impl From<Unasked> for Stop {
    fn from(unasked: Unasked) -> Self {
        match unasked {
            Unasked::Nonsense(why) => Self::Nonsense(why),
            Unasked::TooMuch(why) => Self::TooMuch(why),
        }
    }
}

/// How long the child has had for a file, without the time it waited for bytes.
struct Clock {
    spent: Duration,
}

impl Clock {
    async fn tell(
        &mut self,
        socket: &mut UnixStream,
        most: Duration,
        kind: Kind,
        parts: [&[u8]; 2],
    ) -> Result<(), Stop> {
        let began = Instant::now();
        let told = timeout(most.saturating_sub(self.spent), tell(socket, kind, parts)).await;
        self.spent += began.elapsed();
        told.map_err(|_| Stop::TimedOut)?.map_err(|_| Stop::Gone)
    }
}

/// The first lines of what it wrote. A process that it left behind could hold the other end open: hence the time.
async fn last_words(stderr: ChildStderr) -> Vec<u8> {
    let mut wrote = Vec::new();
    let _ = timeout(Duration::from_secs(1), stderr.take(4 << 10).read_to_end(&mut wrote)).await;
    wrote
}

/// A process with an empty environment in the folder `/`. Descriptor 0 is its end of the socket, 1 leads nowhere, 2 is kept
/// for the log; whatever else the gateway has open closes itself, and seccomp leaves no use for what does not.
fn spawn(inner: &Inner) -> std::io::Result<(Child, UnixStream)> {
    let (ours, theirs) = Pair::pair()?;
    ours.set_nonblocking(true)?;
    let child = Command::new(&inner.program)
        .args(&inner.arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    Ok((child, UnixStream::from_std(ours)?))
}

fn fault(doing: &str, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    Fault::because(format!("scanning in a child process: {doing}"), why)
}

/// A child starts in milliseconds; a machine that is short of everything may take a while.
const START: Duration = Duration::from_secs(30);

/// From the closed socket to the exit.
const DYING: Duration = Duration::from_secs(5);

#[cfg(test)]
impl Process {
    /// So that a test can kill it.
    pub(super) fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()?).ok()?)
    }
}
