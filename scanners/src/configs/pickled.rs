//! Pickles that are written as base64 into a config: some libraries keep their settings so, and load them without asking.

use crate::{
    read::base64,
    scan::{Scan, Scanned, in_memory},
    source::Source,
};

/// Pickles of the protocols 2 to 5 begin so, and the older ones where they name a global first.
const BEGINS: &[&str] = &[
    "gAJ",
    "gAN",
    "gASV",
    "gAWV",
    "gASM",
    "gARj",
    "gAWM",
    "gASA",
    "Y29z",
    "Y3Bvc2l4",
    "Y2J1aWx0aW5z",
    "Y19f",
    "KGNvc",
    "KGxp",
];
/// Shorter ones hold no call.
const LEAST: usize = 24;
const MOST: usize = 64 << 20;

pub(crate) fn could_be(text: &str) -> bool {
    (LEAST..MOST).contains(&text.len())
        && BEGINS.iter().any(|begin| text.starts_with(begin))
        && text.bytes().all(|b| base64::is_digit(b) || matches!(b, b'-' | b'_' | b'\n' | b'\r'))
}

/// Inspects what the text stands for as a file of its own.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, at: u64, text: &str) -> Scanned<()> {
    let made = base64::decode(text.as_bytes());
    scan.unpacked(made.len() as u64)?;
    // The older protocols are letters: only what ends as a pickle does is one.
    if made.first() != Some(&0x80) && made.last() != Some(&b'.') {
        return Ok(());
    }
    // No reader takes a frame that is longer than what is there.
    let frame = made.get(3..11).filter(|_| made.get(2) == Some(&0x95)).and_then(|length| length.try_into().ok());
    if frame.map(u64::from_le_bytes).is_some_and(|length| length > made.len() as u64) {
        return Ok(());
    }
    scan.inner_made(source, at..at, "a text in base64", in_memory(made));
    Ok(())
}
