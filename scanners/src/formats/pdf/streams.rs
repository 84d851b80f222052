//! The streams of a PDF that are unpacked: objects packed together, and attached files.
//!
//! Whatever a file claims, no byte of it is searched twice, and what is unpacked is no more than a few times the file.

use std::collections::BTreeSet;

use super::names;
use crate::{
    scan::{Scan, Scanned, Stop},
    source::Source,
    unpack::{Codec, unpack},
};

/// So many times the file is given to the decoder. Streams that are claimed can overlap.
const TIMES: u64 = 4;
/// How much of a stream's dictionary is looked at before its data.
const BEFORE: usize = 1024;

pub(super) struct Streams<'a> {
    text: &'a [u8],
    /// Where the data of each stream begins.
    starts: Vec<usize>,
    /// Where each `endstream` stands.
    ends: Vec<usize>,
    /// Packed bytes that may still be decoded.
    left: u64,
}

impl<'a> Streams<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        let ends: Vec<usize> = memchr::memmem::find_iter(text, b"endstream").collect();
        let begins = |at: &usize| at.checked_sub(3).is_none_or(|before| text.get(before..*at) != Some(b"end"));
        let starts = memchr::memmem::find_iter(text, b"stream").filter(begins).map(|at| at + 6).collect();
        Self { text, starts, ends, left: (text.len() as u64).saturating_mul(TIMES).saturating_add(1 << 20) }
    }

    /// The data of the first stream behind `at`: up to the next `endstream`, which a search for it has found already.
    fn behind(&mut self, at: usize) -> Scanned<Option<std::ops::Range<usize>>> {
        let Some(from) = self.starts.get(self.starts.partition_point(|start| *start < at)).copied() else {
            return Ok(None);
        };
        let end = self.ends.get(self.ends.partition_point(|end| *end < from)).copied().unwrap_or(self.text.len());
        let start = match self.text.get(from..end) {
            Some([b'\r', b'\n', ..]) => from + 2,
            Some([b'\r' | b'\n', ..]) => from + 1,
            _ => from,
        };
        self.left = self
            .left
            .checked_sub((end.max(start) - start) as u64)
            .ok_or_else(|| Stop::Spent("the streams of a PDF, which together are longer than it is".into()))?;
        Ok(Some(start..end.max(start)))
    }

    /// Unpacks the streams that hold objects. `names` are the places where they are named so.
    pub(super) fn objects<'s>(
        &mut self,
        scan: &mut Scan<'s>,
        source: &Source,
        names: &[usize],
        mut each: impl FnMut(&mut Scan<'s>, u64, &[u8]) -> Scanned<()>,
    ) -> Scanned<()> {
        let mut done = BTreeSet::new();
        for at in names {
            let Some(range) = self.behind(*at)? else { continue };
            if !done.insert(range.start) {
                continue;
            }
            scan.members(1)?;
            let start = range.start as u64;
            let made = unpack(scan, source, start..range.end as u64, Codec::Zlib)?;
            let size = made.bytes.size().min(scan.limits.text_bytes);
            let bytes = Source::new("", made.bytes, 0).read(0..size)?;
            each(scan, start, &bytes)?;
            if let Some(stop) = made.stop {
                scan.stopped(source, stop);
            }
        }
        Ok(())
    }

    /// Looks at attached files as files: named so themselves, or by the number of their object.
    pub(super) fn attached(
        &mut self,
        scan: &mut Scan<'_>,
        source: &Source,
        names: &[usize],
        numbers: &[u64],
    ) -> Scanned<()> {
        let mut places: BTreeSet<usize> = names.iter().copied().collect();
        let numbers: BTreeSet<u64> = numbers.iter().copied().collect();
        // Each is searched for from the end of the file.
        let searched = (self.text.len() as u64 / 256 + 1).saturating_mul(numbers.len() as u64);
        scan.steps(searched)?;
        places.extend(numbers.iter().filter_map(|number| names::object(self.text, *number)));
        let mut done = BTreeSet::new();
        for at in places {
            let Some(range) = self.behind(at)? else { continue };
            if !done.insert(range.start) {
                continue;
            }
            scan.members(1)?;
            let from = self.starts.get(self.starts.partition_point(|start| *start < at)).copied().unwrap_or(at);
            let before = self.text.get(at.max(from.saturating_sub(BEFORE)).min(from)..from).unwrap_or_default();
            let name = |wanted: &[u8]| names::names(before).any(|name| name.letters == wanted);
            let (start, end) = (range.start as u64, range.end as u64);
            // The object may say how it is packed before it says what it is.
            let zlib = matches!(self.text.get(range.start..), Some([0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]));
            if name(b"FlateDecode") || name(b"Fl") || zlib {
                let made = unpack(scan, source, start..end, Codec::Zlib)?;
                let part = start..start + made.used;
                scan.inner_made(source, part, "attached file", made.bytes);
                if let Some(stop) = made.stop {
                    scan.stopped(source, stop);
                }
            } else if name(b"Filter") {
                scan.left_out(source, "a file that is attached to the PDF is packed in a way that is not read");
            } else {
                let blank = self.text.get(..range.end).unwrap_or_default().trim_ascii_end().len().max(range.start);
                scan.inner(&source.member("attached file", start..blank as u64));
            }
        }
        Ok(())
    }
}
