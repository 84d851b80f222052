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
    let length = range.end - range.start;
    let head = source.read_up_to(range.start, length.min(4096))?;
    let blank = head.iter().all(|b| matches!(b, 0 | b' ' | b'\n' | b'\r'));
    if blank && length <= PADDING {
        let all = source.read(range.clone())?;
        if all.iter().all(|b| matches!(b, 0 | b' ' | b'\n' | b'\r')) {
            scan.inspected(source, range);
            return Ok(());
        }
    }
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
