//! A second opinion on a zip's structure from a widely used reader. What it sees and ours does not is a finding; nothing is
//! taken as good because of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use zip::{ZipArchive, result::ZipError};

use crate::{
    read::seekable::Seekable,
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// The most that the other reader may read: directories and headers, never bodies.
const MOST: u64 = 32 << 20;

/// Asks the other reader. Only where ours has found nothing wrong: otherwise there is nothing to add.
pub(super) fn ask(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let (reader, trouble) = Seekable::new(source, MOST);
    // A reader that is not ours may panic at bytes that its makers did not think of. It has then no opinion.
    let answer = catch_unwind(AssertUnwindSafe(|| opinion(reader)));
    if let Some(Stop::NotHere) = trouble.take() {
        return Err(Stop::NotHere);
    }
    if let Ok(Err(what)) = answer {
        let message = format!("Another reader of archives finds fault with this one: {what}.");
        scan.found(&rules::ZIP_VIEWS_DIFFER, source, 0, message);
    }
    Ok(())
}

fn opinion(reader: Seekable) -> Result<(), String> {
    let fault = |error: ZipError| match error {
        // It could not read, or does not know how: that is no opinion.
        ZipError::Io(_) | ZipError::UnsupportedArchive(_) => None,
        other => Some(other.to_string()).filter(|what| !harmless(what)),
    };
    let answer = ZipArchive::new(reader).and_then(|mut archive| archive.validate_header_consistency());
    match answer.err().and_then(fault) {
        Some(what) => Err(what),
        None => Ok(()),
    }
}

/// Differences that change nothing of what is unpacked, and that honest writers make.
fn harmless(what: &str) -> bool {
    ["last modified time", "compression flags", "data descriptor flag"].iter().any(|words| what.contains(words))
}
