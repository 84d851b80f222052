//! What lies in a zip and belongs to nobody: before the first member, between members, behind the end, and in the comment.
//!
//! Members that no directory lists are found here; programs that read from the start unpack them.

use std::ops::Range;

use memchr::memmem;

use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

use super::{
    ends::END_BYTES,
    members::{Views, next_record},
    records::{CENTRAL, Central, DESCRIPTOR, END, LOCAL, Local},
};

/// A gap up to this size is read whole; of a larger one the edges are.
const READ_WHOLE: u64 = 16 << 20;
const EDGE: u64 = 1 << 20;
/// Zeros up to this many are alignment.
const PADDING: u64 = 64 << 10;

/// Where the bytes lie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// They belong to no member.
    Between,
    /// A member has them in one view, and not in another.
    Within,
}

/// The stretches that no range covers. Sorts the ranges.
pub(super) fn between(ranges: &mut [Range<u64>], len: u64) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let (mut gaps, mut at) = (Vec::new(), 0);
    for range in ranges.iter() {
        if range.start > at {
            gaps.push(at..range.start);
        }
        at = at.max(range.end);
    }
    if at < len {
        gaps.push(at..len);
    }
    gaps
}

/// What looks into gaps, and where it keeps what it finds there.
pub(super) struct Gaps<'a, 's> {
    pub(super) scan: &'a mut Scan<'s>,
    pub(super) source: &'a Source,
    /// Members that no directory lists are added here.
    pub(super) views: &'a mut Views,
    /// And the records of members and directories here.
    pub(super) structure: &'a mut Vec<Range<u64>>,
}

impl Gaps<'_, '_> {
    /// Looks at one gap. Answers whether something was told of it.
    pub(super) fn look(&mut self, gap: &Range<u64>, place: Where) -> Scanned<bool> {
        let length = gap.end - gap.start;
        if length > READ_WHOLE {
            return self.large(gap, place);
        }
        let bytes = self.source.read(gap.clone())?;
        if place == Where::Between && length <= PADDING && bytes.iter().all(|byte| *byte == 0) {
            self.scan.inspected(self.source, gap.clone());
            return Ok(false);
        }
        let mut left = self.unlisted(gap)?;
        let told = left != [gap.clone()];
        left.retain(|range| !range.is_empty());
        if place == Where::Within {
            return Ok(told);
        }
        for range in left {
            for range in self.strays(&range)? {
                loose(self.scan, self.source, &range);
            }
        }
        Ok(true)
    }

    /// Too much to be read whole: usually another file that the archive was appended to, and that has its own reader.
    fn large(&mut self, gap: &Range<u64>, place: Where) -> Scanned<bool> {
        let edges = [gap.start..gap.start + EDGE, gap.end - EDGE..gap.end];
        self.source.will_read(edges.clone());
        for edge in edges {
            self.unlisted(&edge)?;
        }
        if place == Where::Between {
            loose(self.scan, self.source, gap);
        }
        Ok(true)
    }

    /// Finds the records of another archive: directories that no end names, and ends. Answers what is left of the range.
    fn strays(&mut self, range: &Range<u64>) -> Scanned<Vec<Range<u64>>> {
        let bytes = self.source.read(range.clone())?;
        let (mut left, mut at) = (Vec::new(), range.start);
        for place in memmem::find_iter(&bytes, b"PK") {
            let here = range.start + place as u64;
            let rest = bytes.slice(place..);
            let end = if here < at {
                continue;
            } else if rest.starts_with(CENTRAL) {
                Central::parse_all(self.scan, rest, here).0.last().map(|entry| entry.end)
            } else if rest.starts_with(END) && rest.len() as u64 >= END_BYTES {
                Some(here + END_BYTES)
            } else {
                None
            };
            let Some(end) = end else { continue };
            self.scan.members(1)?;
            let message = format!("Another directory lies at {here}, besides the one that the archive's end names.");
            self.scan.found(&rules::ZIP_TWO_ENDS, self.source, here, message);
            self.structure.push(here..end);
            left.push(at..here);
            at = end;
        }
        left.push(at..range.end);
        left.retain(|range| !range.is_empty());
        Ok(left)
    }

    /// Finds members that no directory lists. Answers what is left of the gap.
    fn unlisted(&mut self, gap: &Range<u64>) -> Scanned<Vec<Range<u64>>> {
        let bytes = self.source.read(gap.clone())?;
        let places: Vec<u64> = memmem::find_iter(&bytes, LOCAL).map(|at| gap.start + at as u64).collect();
        let (mut left, mut at) = (Vec::new(), gap.start);
        for place in places {
            self.scan.steps(16)?;
            if place < at || self.views.has_header_at(place) {
                continue;
            }
            let Some(local) = Local::read(self.source, place)? else { continue };
            if local.said.name.is_empty() || local.data > gap.end {
                continue;
            }
            self.scan.members(1)?;
            let message = format!(
                "The member `{}` is not in the archive's directory: programs that read from the start unpack it, others do \
                 not see it.",
                local.said.shown()
            );
            self.scan.found(&rules::ZIP_UNLISTED, self.source, place, message);
            let claimed = local.data.saturating_add(local.said.packed);
            let next = next_record(self.source, local.data, gap.end)?;
            let mut end = if local.said.says_nothing() || claimed > gap.end { next } else { claimed };
            left.push(at..place);
            self.structure.push(local.at..local.data);
            self.views.add_unlisted(local, next);
            if self.source.read_up_to(end, 4)?.starts_with(DESCRIPTOR) {
                let behind = end..(end + 16).min(gap.end);
                end = behind.end;
                self.structure.push(behind);
            }
            at = end;
        }
        left.push(at..gap.end);
        Ok(left)
    }
}

fn loose(scan: &mut Scan<'_>, source: &Source, range: &Range<u64>) {
    let length = range.end - range.start;
    let place = if range.start == 0 {
        "before the archive"
    } else if range.end == source.len() {
        "behind the archive"
    } else {
        "between the members of the archive"
    };
    // TensorFlow's own tool puts a model's labels behind it, as a zip; the model is inspected as one.
    if range.start == 0 && source.read_up_to(4, 4).is_ok_and(|mark| mark.as_ref() == b"TFL3") {
        return;
    }
    let message = format!("{length} bytes lie {place} and belong to no member.");
    scan.found(&rules::ZIP_EXTRA_DATA, source, range.start, message);
    if *range == (0..source.len()) {
        // The whole file: what it is besides an archive, its other readers say.
        scan.left_out(source, "nothing in the archive belongs to it");
        return;
    }
    scan.inner(&source.part(range.clone()));
}

/// The archive's comment: words for people, and a place where no program looks for more.
pub(super) fn comment(scan: &mut Scan<'_>, source: &Source, range: &Range<u64>) -> Scanned<()> {
    let bytes = source.read(range.clone())?;
    let words = std::str::from_utf8(&bytes)
        .is_ok_and(|text| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')));
    if !words {
        let message = format!("The archive's comment is {} bytes of something that is not text.", bytes.len());
        scan.found(&rules::ZIP_EXTRA_DATA, source, range.start, message);
    }
    scan.inner(&source.member("comment", range.clone()));
    Ok(())
}
