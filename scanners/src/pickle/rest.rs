//! What follows a pickle's end, and what lies in front of one: more pickles, archives, programs, or nothing at all.
//!
//! Loaders differ in how far they read on, so whatever can be loaded there is judged. Bytes that are nothing known stay
//! unscanned, with the reason.

use super::{
    Loader, accepts, is_binary,
    machine::{Machine, Mode},
    run, tell,
};
use crate::{
    rules::{self, Weight},
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// So much of the rest is searched.
const SEARCHED: u64 = 1 << 20;
/// So many places in it are tried.
const TRIED: u32 = 1000;
/// The window in which blanks are skipped.
const WINDOW: u64 = 64 << 10;

/// Inspects what follows the end of a pickle at `from`.
pub(crate) fn after(scan: &mut Scan<'_>, source: &Source, from: u64, loader: Loader, stopped: bool) -> Scanned<()> {
    let mut at = from;
    let mut whole = stopped;
    let mut first = true;
    while whole {
        let blank = at;
        at = skip_blank(scan, source, at)?;
        scan.inert(source, blank..at);
        if at >= source.len() {
            return Ok(());
        }
        scan.steps(1)?;
        let head = source.read_up_to(at, 4096)?;
        let binary = is_binary(&head);
        if !binary {
            // Nothing here may begin by chance: it has to go on to its end, or to something that harms.
            let mut attempt = Machine::new(source, at, Mode::Attempt, 1_000_000);
            let end = attempt.run();
            scan.steps(end.ops)?;
            if let Some(super::halt::Halt::Stop(Stop::NotHere)) = end.trouble {
                return Err(Stop::NotHere);
            }
            let likely = end.stopped() && (end.ops > 1 || source.len() - at <= 4);
            if !likely && !accepts(&attempt, &end, source.len() - at, false) {
                break;
            }
        }
        let (mut machine, end) = run(scan, source, at, Mode::Sure, loader)?;
        let harms = machine.judge.worst() >= Some(Weight::Suspicious) || {
            machine.judge.finish();
            machine.judge.worst() >= Some(Weight::Suspicious)
        };
        if binary && !end.stopped() && !harms {
            let message = "Bytes that begin like a pickle and are none follow its end.";
            scan.found(&rules::ACTIVE_TRAILER, source, at, message);
        } else if first && (harms || loader != Loader::Plain) {
            first = false;
            let message = "Another pickle follows the end of the first; some loaders go on to it.";
            scan.found(&rules::PICKLES_STACKED, source, at, message);
        }
        tell::all(scan, source, &mut machine, &end, at..end.at, loader)?;
        (at, whole) = (end.at, end.stopped());
    }
    trailer(scan, source, at, !whole)
}

/// Steps over zeros and blanks.
fn skip_blank(scan: &mut Scan<'_>, source: &Source, from: u64) -> Scanned<u64> {
    let mut at = from;
    while at < source.len() {
        let window = source.read_up_to(at, if at == from { 4096 } else { WINDOW })?;
        scan.steps(1)?;
        match window.iter().position(|byte| !matches!(byte, 0 | b'\n' | b'\r' | b' ' | b'\t')) {
            Some(found) => return Ok(at + found as u64),
            None => at += window.len() as u64,
        }
    }
    Ok(at)
}

/// Looks for something that can run in bytes that no pickle explains.
fn trailer(scan: &mut Scan<'_>, source: &Source, from: u64, broken: bool) -> Scanned<()> {
    let rest = source.read_up_to(from, SEARCHED)?;
    if let Some((what, place)) = program(&rest) {
        let message = format!("{what} follows the end of the pickle.");
        scan.found(&rules::ACTIVE_TRAILER, source, from + place, message);
    }
    hidden(scan, source, &rest, from, u64::from(broken))?;
    if !broken {
        let left = source.len() - from;
        scan.left_out(source, format!("{left} bytes follow the end of the pickle, and they are nothing that is known"));
    }
    Ok(())
}

/// Looks for a pickle behind a few bytes that make a file look like something else.
pub(crate) fn hidden_in_front(scan: &mut Scan<'_>, source: &Source, head: &[u8]) -> Scanned<()> {
    const OTHERS: &[&[u8]] = &[
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"\x1f\x8b",
        b"\x89HDF",
        b"GGUF",
        b"\x93NUMPY",
        b"BZh",
        b"\xfd7zXZ",
        b"7z\xbc\xaf",
        b"Rar!",
        b"\x28\xb5\x2f\xfd",
        b"\x04\x22\x4d\x18",
    ];
    let other = OTHERS.iter().any(|magic| head.starts_with(magic))
        || head.get(257..262) == Some(b"ustar")
        || head.get(8) == Some(&b'{');
    if other { Ok(()) } else { hidden(scan, source, head, 0, 0) }
}

/// Tries every place at which a harmful pickle may begin; the first that is one is told.
fn hidden(scan: &mut Scan<'_>, source: &Source, bytes: &[u8], base: u64, from: u64) -> Scanned<()> {
    let mut tried = 0;
    let begins = memchr::memchr3_iter(0x80, b'c', b'(', bytes);
    // What takes the name of a global from the stack begins with a short text.
    for at in begins.chain(memchr::memchr_iter(0x8c, bytes)).filter(|at| *at as u64 >= from) {
        let rest = bytes.get(at..).unwrap_or_default();
        if tried >= TRIED || !may_begin(rest) {
            continue;
        }
        tried += 1;
        let mut machine = Machine::new(source, base + at as u64, Mode::Attempt, 10_000);
        let end = machine.run();
        scan.steps(end.ops)?;
        if let Some(super::halt::Halt::Stop(Stop::NotHere)) = end.trouble {
            return Err(Stop::NotHere);
        }
        let harms = machine.judge.uses > 0 && machine.judge.worst() >= Some(Weight::Malicious);
        if harms {
            let message = "A pickle is hidden among bytes that no pickle explains.";
            scan.found(&rules::ACTIVE_TRAILER, source, base + at as u64, message);
            return tell::all(scan, source, &mut machine, &end, base + at as u64..end.at, Loader::Plain);
        }
    }
    Ok(())
}

fn may_begin(rest: &[u8]) -> bool {
    match rest {
        [0x80, ..] => is_binary(rest),
        [b'c', after @ ..] => {
            let line = after.iter().take(200).position(|byte| *byte == b'\n');
            line.is_some_and(|end| super::spelling::is_dotted_name(after.get(..end).unwrap_or_default()))
        }
        [0x8c, length, after @ ..] => {
            let length = usize::from(*length);
            after.get(..length).is_some_and(super::spelling::is_dotted_name)
                && matches!(after.get(length), Some(0x8c | 0x94 | b'q'))
        }
        // MARK, then what INST and OBJ are given.
        [b'(', b'S' | b'V' | b'c' | b'X' | b'U' | 0x8c | b'I' | b'K' | b'(' | b'i', ..] => true,
        _ => false,
    }
}

fn program(rest: &[u8]) -> Option<(&'static str, u64)> {
    let head = rest.get(..4096.min(rest.len())).unwrap_or_default();
    let magics: [(&[u8], &str); 5] = [
        (b"PK\x03\x04", "A zip archive"),
        (b"\x7fELF", "A native program"),
        (b"#!/", "A script"),
        (b"This program cannot be run", "A native program"),
        (b"\x1f\x8b\x08", "A compressed stream"),
    ];
    magics.iter().find_map(|(magic, what)| memchr::memmem::find(head, magic).map(|at| (*what, at as u64)))
}
