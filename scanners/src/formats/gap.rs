//! Bytes for which a format has no place: before, between and behind what it describes.
//!
//! They are looked at as a file of their own. Zeros and spaces are padding; everything else is for [`Scan::inner`] to
//! recognise, so that what nobody knows stays unscanned. Nothing here marks a byte inert.

use std::ops::Range;

use crate::{
    formats::sniff::{self, Family},
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// The longest stretch of padding that is read to see that it is nothing but padding.
const PADDING: u64 = 1 << 20;

/// Looks at bytes that belong to nothing. `place` says where they are: "behind the last tensor".
pub(crate) fn look(scan: &mut Scan<'_>, source: &Source, range: Range<u64>, place: &str) -> Scanned<()> {
    let range = range.start.min(source.len())..range.end.min(source.len());
    if range.is_empty() {
        return Ok(());
    }
    let Some(range) = without_padding(scan, source, range)? else { return Ok(()) };
    let head = source.read_up_to(range.start, 4096.min(range.end - range.start))?;
    let (at, end) = (range.start, range.end);
    match sniff::of(&head) {
        Some(Family::Program(what)) => {
            let message = format!("The bytes {at} to {end}, {place}, are a program ({what}).");
            scan.found(&rules::EXECUTABLE_IN_GAP, source, at, message);
        }
        Some(family) if family.is_active() => {
            let message = format!(
                "The bytes {at} to {end}, {place}, are a {}: what they do depends on who opens them.",
                family.word()
            );
            scan.found(&rules::POLYGLOT, source, at, message);
        }
        _ => {}
    }
    let inner = source.member(&format!("bytes {at} to {end}"), range);
    scan.inner(&inner);
    Ok(())
}

/// What is left of the stretch behind zeros and blanks, which count as inspected; nothing where there is nothing else.
fn without_padding(scan: &mut Scan<'_>, source: &Source, range: Range<u64>) -> Scanned<Option<Range<u64>>> {
    let mut at = range.start;
    while at < range.end && at - range.start < PADDING {
        let window = source.read_up_to(at, (64 << 10).min(range.end - at))?;
        scan.steps(window.len() as u64 / 256 + 1)?;
        let blank = window.iter().take_while(|b| matches!(b, 0 | b' ' | b'\n' | b'\r')).count();
        at += blank as u64;
        if blank < window.len() {
            break;
        }
    }
    scan.inspected(source, range.start..at);
    Ok((at < range.end).then_some(at..range.end))
}

/// Looks at the beginning of bytes that a format carries without saying what they are: a chunk or a comment of somebody's
/// own. They stay what their format makes of them, unless they begin as something that runs.
pub(crate) fn carried(scan: &mut Scan<'_>, source: &Source, range: Range<u64>, place: &str) -> Scanned<()> {
    let head = source.read_up_to(range.start, 64.min(range.end.saturating_sub(range.start)))?;
    if sniff::of(&head).is_some_and(Family::is_active) { look(scan, source, range, place) } else { Ok(()) }
}

/// How much of a file that is not what it begins as is searched.
const SEARCHED: u64 = 1 << 20;

/// Searches a file that is not what it begins as for something that it could be instead.
pub(crate) fn search(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    const BEGINNINGS: [&[u8]; 7] =
        [b"\x80\x04\x95", b"\x80\x05\x95", b"\x80\x02c", b"\x80\x03c", b"\x80\x02}", b"PK\x03\x04", b"\x7fELF"];
    let text = source.read_up_to(0, SEARCHED)?;
    scan.steps(text.len() as u64 / 16)?;
    let first = BEGINNINGS.iter().filter_map(|begins| memchr::memmem::find(&text, begins)).filter(|at| *at > 0).min();
    match first {
        Some(at) => look(scan, source, at as u64..source.len(), "in what is not what it begins as"),
        None => Ok(()),
    }
}
