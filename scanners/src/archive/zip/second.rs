//! A second opinion on a zip's structure from a widely used reader. What it sees and ours does not is a finding; nothing is
//! taken as good because of it.

use std::{
    io::{self, Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use zip::{ZipArchive, result::ZipError};

use crate::{
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// The most that the other reader may read: directories and headers, never bodies.
const MOST: u64 = 32 << 20;

/// Asks the other reader. Only where ours has found nothing wrong: otherwise there is nothing to add.
pub(super) fn ask(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let missing = Arc::new(AtomicBool::new(false));
    let reader = Seekable { source: source.clone(), at: 0, spent: 0, missing: missing.clone() };
    // A reader that is not ours may panic at bytes that its makers did not think of. It has then no opinion.
    let answer = catch_unwind(AssertUnwindSafe(|| opinion(reader)));
    if missing.load(Ordering::Relaxed) {
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

/// A source as the other reader wants it.
struct Seekable {
    source: Source,
    at: u64,
    spent: u64,
    missing: Arc<AtomicBool>,
}

impl Read for Seekable {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.spent += into.len() as u64;
        if self.spent > MOST {
            return Err(io::Error::other("it reads too much"));
        }
        let bytes = self.source.read_up_to(self.at, into.len() as u64).map_err(|stop| {
            if matches!(stop, Stop::NotHere) {
                self.missing.store(true, Ordering::Relaxed);
            }
            io::Error::other("the bytes could not be read")
        })?;
        for (to, from) in into.iter_mut().zip(&bytes) {
            *to = *from;
        }
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for Seekable {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::other("a place before the start"))?;
        Ok(self.at)
    }
}
