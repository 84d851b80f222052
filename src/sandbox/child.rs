//! The child's side: gives up what it can, then scans what it is handed until the gateway closes the socket.
//!
//! Runs before any thread, runtime or log is started. Its descriptor 0 is a socket to the gateway, in both directions; it
//! opens nothing, and nothing that it says is more than a claim.

use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
    ops::Range,
    process::ExitCode,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use weighbridge_scanners::{Limits, Neighbours, Outcome, Ranges, ReadAt, Report, VERSION, Verdict, scan};

use super::{
    confine::confine,
    frame::{Cut, Kind, MOST_RANGES, receive, send},
    near::{AHEAD, Near, WHOLE},
    wire::{self, Hello, Setup, Task},
};

/// Runs this process as a scanning child. Comes back when the gateway is done with it.
pub fn child() -> ExitCode {
    match serve(&mut Socket) {
        Ok(()) | Err(Cut::Gone) => ExitCode::SUCCESS,
        Err(Cut::Nonsense(why)) => {
            // The gateway keeps the first lines of this descriptor for its log.
            let _ = writeln!(io::stderr(), "this is no gateway: {why}");
            ExitCode::FAILURE
        }
    }
}

fn serve(socket: &mut Socket) -> Result<(), Cut> {
    let Some((Kind::Setup, setup)) = receive(socket)? else { return Err(Cut::Nonsense("no setup".into())) };
    let setup: Setup = serde_json::from_slice(&setup).map_err(|error| Cut::Nonsense(error.to_string()))?;
    let strength = confine(setup.memory_bytes).map_err(|error| Cut::Nonsense(format!("confining failed: {error}")))?;
    let hello = Hello { version: VERSION.to_owned(), strength };
    send(socket, Kind::Hello, &json(&hello)?)?;
    while let Some((kind, payload)) = receive(socket)? {
        if kind != Kind::Subject {
            return Err(Cut::Nonsense(format!("{kind:?} where a subject belongs")));
        }
        let task: Task = serde_json::from_slice(&payload).map_err(|error| Cut::Nonsense(error.to_string()))?;
        let report = judge(&task, setup.neighbours.as_ref())?;
        send(socket, Kind::Report, &written(report, task.size)?)?;
    }
    Ok(())
}

/// Scans with what is held, asks for all that was missed together, and scans again (`src/why/0011`). That is right for
/// archives and for what is decided by a header, and wrong for what is read from end to end: there each round does all the
/// work again. So after a few rounds a file at the hub is asked for in ever larger steps, and one that is here is read as
/// the scan goes on, each read waiting for its bytes. Measured with a debug build, which is slow, on a busy machine:
///
/// |                             | no child | as here           | even rounds only     | read by read only  |
/// |-----------------------------|----------|-------------------|----------------------|--------------------|
/// | torch, 394 MB, 1500 members | 0.2 s    | 0.3 s, 6 requests | 0.3 s, 6 requests    | 2 s, 6015 requests |
/// | one pickle, 50 MB, here     | 3 s      | 4 s, 62 requests  | 14 % in 100 requests | 4 s, 57 requests   |
/// | the same at the hub         |          | 15 s, 25 requests | 14 % in 100 requests |                    |
fn judge(task: &Task, neighbours: Option<&Neighbours>) -> Result<Report, Cut> {
    let limits = Limits::default();
    let mut held = Ranges::new(task.size);
    let mut ends = BTreeSet::new();
    let mut near = task.here && task.size <= WHOLE;
    for round in 0_u32.. {
        let source: Arc<dyn ReadAt> = if near { Arc::new(Near::new(held.clone())) } else { Arc::new(held.clone()) };
        match scan(&task.name, source, &limits, neighbours) {
            Outcome::Judged(report) => return Ok(*report),
            Outcome::Needs(missing) => {
                let more: u64 = missing.iter().map(|range| range.end - range.start).sum();
                if task.here && (round >= PATIENCE || held.held() + more > ROOM) {
                    near = true;
                    continue;
                }
                let missing = if round < PATIENCE { missing } else { further(missing, &held, &ends) };
                for some in missing.chunks(MOST_RANGES) {
                    for (start, bytes) in fetch(&mut Socket, some)? {
                        held.hold(start, &bytes);
                        ends.insert(start + bytes.len() as u64);
                    }
                }
            }
        }
    }
    Err(Cut::Gone)
}

/// A reader that goes through a file window by window would ask for the next one each time, and read all before it again:
/// 50 MB of pickle took 800 rounds. Whatever goes on about where held bytes end is asked for as far again as all that is held,
/// so that the rounds are few and the work is done two or three times.
fn further(missing: Vec<Range<u64>>, held: &Ranges, ends: &BTreeSet<u64>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for mut range in missing {
        if ends.range(range.start.saturating_sub(AHEAD)..=range.start).next().is_some() {
            range.end = range.end.max(range.start.saturating_add(held.held())).min(held.size());
        }
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Rounds that every ordinary format is content with.
const PATIENCE: u32 = 8;

/// What is kept of a file that can be read again at any time.
const ROOM: u64 = 64 << 20;

/// Asks the gateway for these ranges and waits for all of them.
pub(super) fn fetch(socket: &mut Socket, ranges: &[Range<u64>]) -> Result<Vec<(u64, Bytes)>, Cut> {
    let request: Vec<u8> =
        ranges.iter().flat_map(|range| [range.start, range.end]).flat_map(u64::to_le_bytes).collect();
    send(socket, Kind::Ask, &request)?;
    let mut fetched = Vec::with_capacity(ranges.len());
    for range in ranges {
        // One piece for one range, so that no reader has to put it together each time.
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut bytes = BytesMut::with_capacity(length);
        while bytes.len() < length {
            let Some((Kind::Bytes, piece)) = receive(socket)? else { return Err(Cut::Gone) };
            let expected = (range.start + bytes.len() as u64).to_le_bytes();
            let piece = piece.strip_prefix(&expected[..]).filter(|piece| !piece.is_empty());
            bytes.extend_from_slice(piece.ok_or_else(|| Cut::Nonsense("bytes of another place".into()))?);
        }
        fetched.push((range.start, bytes.freeze()));
    }
    Ok(fetched)
}

/// A report as it goes to the gateway. One that is too long loses what makes it long, and never its verdict: otherwise a
/// file could hide what it does behind a million names.
pub(super) fn written(report: Report, size: u64) -> Result<Vec<u8>, Cut> {
    let write = |report: &Report| wire::write(report).map_err(|error| Cut::Nonsense(error.to_string()));
    let long = write(&report)?;
    if long.len() <= Kind::Report.most() {
        return Ok(long);
    }
    let why = "what there is to say of it is longer than 32 MiB, and only the worst is said";
    let mut short = super::unjudged(&report.path, size, why);
    short.format = report.format;
    short.verdict = report.verdict.max(Verdict::Unjudged);
    short.findings.splice(0..0, report.findings.into_iter().take(20));
    write(&short)
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Cut> {
    serde_json::to_vec(value).map_err(|error| Cut::Nonsense(error.to_string()))
}

/// Descriptor 0, read and written without a buffer: nothing may be left in one when the process ends.
pub(super) struct Socket;

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::read(io::stdin(), &mut *into))?)
    }
}

impl Write for Socket {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::write(io::stdin(), from))?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
