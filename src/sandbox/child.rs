//! The child's side: gives up what it can, then scans what it is handed until the gateway closes the socket.
//!
//! Runs before any thread, runtime or log is started. Its descriptor 0 is a socket to the gateway, in both directions; it
//! opens nothing, and nothing that it says is more than a claim.

use std::{
    io::{self, Read, Write},
    ops::Range,
    process::ExitCode,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use weighbridge_scanners::{Limits, Neighbours, Outcome, Ranges, Report, VERSION, scan};

use super::{
    confine::confine,
    frame::{Cut, Kind, MOST_RANGES, receive, send},
    near::Near,
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
        let report = if task.here { here(&task, setup.neighbours.as_ref()) } else { away(&task, setup.neighbours.as_ref())? };
        let mut written = wire::write(&report).map_err(|error| Cut::Nonsense(error.to_string()))?;
        if written.len() > Kind::Report.most() {
            written = wire::write(&too_long(&task)).map_err(|error| Cut::Nonsense(error.to_string()))?;
        }
        send(socket, Kind::Report, &written)?;
    }
    Ok(())
}

/// A file on this side of the network: each read waits for its bytes, and the scan runs once.
fn here(task: &Task, neighbours: Option<&Neighbours>) -> Report {
    let source = Arc::new(Near::new(task.size));
    match scan(&task.name, source, &Limits::default(), neighbours) {
        Outcome::Judged(report) => *report,
        Outcome::Needs(_) => super::unjudged(&task.name, task.size, "the scanner asked twice for the same bytes"),
    }
}

/// A file at the hub: all that a scan misses is asked for together, and the scan starts again.
fn away(task: &Task, neighbours: Option<&Neighbours>) -> Result<Report, Cut> {
    let mut held = Ranges::new(task.size);
    loop {
        match scan(&task.name, Arc::new(held.clone()), &Limits::default(), neighbours) {
            Outcome::Judged(report) => return Ok(*report),
            Outcome::Needs(missing) => {
                for some in missing.chunks(MOST_RANGES) {
                    for (start, bytes) in fetch(&mut Socket, some)? {
                        held.hold(start, &bytes);
                    }
                }
            }
        }
    }
}

/// Asks the gateway for these ranges and waits for all of them.
pub(super) fn fetch(socket: &mut Socket, ranges: &[Range<u64>]) -> Result<Vec<(u64, Bytes)>, Cut> {
    let request: Vec<u8> = ranges.iter().flat_map(|range| [range.start, range.end]).flat_map(u64::to_le_bytes).collect();
    send(socket, Kind::Ask, &request)?;
    let mut fetched = Vec::with_capacity(ranges.len());
    for range in ranges {
        // One piece for one range, so that no reader has to put it together each time.
        let mut bytes = BytesMut::new();
        while (bytes.len() as u64) < range.end - range.start {
            let Some((Kind::Bytes, piece)) = receive(socket)? else { return Err(Cut::Gone) };
            let expected = (range.start + bytes.len() as u64).to_le_bytes();
            let piece = piece.strip_prefix(&expected[..]).filter(|piece| !piece.is_empty());
            bytes.extend_from_slice(piece.ok_or_else(|| Cut::Nonsense("bytes of another place".into()))?);
        }
        fetched.push((range.start, bytes.freeze()));
    }
    Ok(fetched)
}

fn too_long(task: &Task) -> Report {
    super::unjudged(&task.name, task.size, "what there is to say of it is longer than 32 MiB")
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
