//! Zip archives, read in every way in which some program reads them: by the directory at the end, and by the members' own
//! headers from the start on.
//!
//! Where the ways differ, that is a finding, and every content that some program would give is inspected. Members' bytes are
//! not read here, and no checksum or flag stops anything.

mod ends;
mod gaps;
mod members;
mod records;
mod second;

use std::ops::Range;

use crate::{
    archive::Archive,
    formats::{Match, Probe},
    kinds, rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

use ends::{Directory, END_BYTES, Ends};
use gaps::{Gaps, Where};
use members::Views;
pub(super) use records::u64_at;
use records::{Central, END, LOCAL_BYTES, Local};

/// Names that loaders open as a zip, whatever stands at the start. torch and numpy look at the start.
const NAMES: &[&str] = &[".zip", ".keras", ".mar", ".skops", ".whl", ".jar", ".egg", ".apk"];

/// The space between two members within which headers are expected.
const HEADER_ROOM: u64 = 4096;

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    if begins(&probe.head) && probe.len() >= END_BYTES {
        return Match::Content;
    }
    let ends_so = memchr::memmem::rfind(&probe.tail, END).and_then(|at| probe.tail.get(at..)).is_some_and(|end| {
        let (size, offset) = (u64::from(records::u32_at(end, 12)), u64::from(records::u32_at(end, 16)));
        let end_at = probe.len() - end.len() as u64;
        end.len() >= 22 && size > 0 && size < end_at && (offset == 0xffff_ffff || offset + size <= end_at)
    });
    if ends_so {
        // TensorFlow's description of TFLite puts a zip of labels behind the model: that is no second meaning.
        return if carries(&probe.head) { Match::Name } else { Match::Content };
    }
    if probe.named(NAMES) && !probe.has_at(257, b"ustar") { Match::Name } else { Match::No }
}

/// Inspects an archive, and its members as the kind of archive that they make it.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let starts = begins(&source.read_up_to(0, 8)?);
    let ends = ends::find(scan, source)?;
    if ends.directories.is_empty() && !starts {
        // Only the name said that it could be a zip.
        return Ok(());
    }
    let mut zip = Zip::read(scan, source, ends)?;
    zip.compare(scan)?;
    zip.look_into_gaps(scan)?;
    if !zip.told {
        second::ask(scan, source)?;
    }
    let archive = Archive { source: source.clone(), members: zip.views.members(scan, source)? };
    zip.mark(scan);
    kinds::inspect(scan, &archive);
    Ok(())
}

/// Whether a zip begins here: with a member, an end, or the mark of an archive in several parts.
fn begins(head: &[u8]) -> bool {
    let marks = [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"PK\x06\x06"];
    marks.iter().any(|mark| head.starts_with(*mark)) || head.starts_with(b"PK00PK\x03\x04")
}

/// Whether this is a format that has a zip behind it by its own rules.
fn carries(head: &[u8]) -> bool {
    head.get(4..8) == Some(b"TFL3")
}

/// Everything that is known of one archive's structure.
struct Zip<'a> {
    source: &'a Source,
    ends: Ends,
    views: Views,
    /// Bytes that belong to the structure.
    structure: Vec<Range<u64>>,
    /// Bytes that belong to members.
    data: Vec<Range<u64>>,
    /// Whether a directory was there to agree with.
    agreed: bool,
    /// Whether a difference was already told.
    told: bool,
}

impl<'a> Zip<'a> {
    /// Reads the members' own headers at all places that a directory names.
    fn read(scan: &mut Scan<'_>, source: &'a Source, ends: Ends) -> Scanned<Self> {
        for directory in &ends.directories {
            will_read_headers(source, directory);
        }
        let mut structure = ends.records.clone();
        structure.extend(ends.comment.clone());
        let mut views = Views::default();
        let mut missing = false;
        for (number, directory) in ends.directories.iter().enumerate() {
            structure.extend(directory.entries.iter().map(|entry| entry.at..entry.end));
            for entry in &directory.entries {
                scan.steps(1)?;
                match local_of(source, directory, entry) {
                    Ok(local) => views.add(number, entry.clone(), local),
                    Err(Stop::NotHere) => missing = true,
                    Err(stop) => return Err(stop),
                }
            }
        }
        if missing {
            return Err(Stop::NotHere);
        }
        let agreed = !ends.directories.is_empty();
        let told = ends.directories.len() > 1;
        Ok(Self { source, ends, views, structure, data: Vec::new(), agreed, told })
    }

    /// Compares the directory with the members, and finds what belongs to whom.
    fn compare(&mut self, scan: &mut Scan<'_>) -> Scanned<()> {
        if !self.agreed {
            let message = "The archive has no directory: only programs that read it from the start see its members.";
            scan.found(&rules::ZIP_VIEWS_DIFFER, self.source, 0, message);
            self.told = true;
        }
        self.views.look_into_fields(scan, self.source);
        let extents = self.views.compare(scan, self.source, &mut self.told)?;
        self.structure.extend(extents.structure);
        self.data.extend(extents.data);
        self.views.names(scan, self.source, &mut self.told);
        self.overlaps(scan);
        Ok(())
    }

    /// Two members that share bytes: a small archive that becomes a large one.
    fn overlaps(&mut self, scan: &mut Scan<'_>) {
        for (number, directory) in self.ends.directories.iter().enumerate() {
            let mut all = self.views.extents_of(number, self.source.len());
            all.push(directory.range.clone());
            all.sort_by_key(|range| (range.start, range.end));
            let shared = all.windows(2).find_map(|pair| match pair {
                [a, b] if b.start < a.end => Some(b.start),
                _ => None,
            });
            if let Some(at) = shared {
                let message = format!(
                    "Members of the archive share the bytes at {at}: each of them is unpacked from the same place."
                );
                scan.found(&rules::ZIP_BOMB, self.source, at, message);
                self.told = true;
            }
        }
    }

    /// Looks at what belongs to nobody: before, between and behind the members.
    fn look_into_gaps(&mut self, scan: &mut Scan<'_>) -> Scanned<()> {
        let mut claimed: Vec<Range<u64>> = self.structure.iter().chain(&self.data).cloned().collect();
        // A member that calls itself shorter than the directory does leaves room for others to be read from the start.
        let hidden = self.views.room_within(self.source.len());
        let mut missing = false;
        let carried = carries(&self.source.read_up_to(0, 8)?);
        let gaps = gaps::between(&mut claimed, self.source.len());
        let gaps = gaps.into_iter().filter(|gap| !(carried && gap.start == 0)).map(|gap| (gap, Where::Between));
        let rooms = hidden.into_iter().map(|room| (room, Where::Within));
        for (gap, place) in gaps.chain(rooms) {
            let (views, structure) = (&mut self.views, &mut self.structure);
            match (Gaps { scan: &mut *scan, source: self.source, views, structure }).look(&gap, place) {
                Ok(told) => self.told |= told,
                Err(Stop::NotHere) => missing = true,
                Err(stop) => return Err(stop),
            }
        }
        if let Some(comment) = self.ends.comment.clone() {
            // Another end within the comment has been read as such.
            let mut known = self.ends.records.clone();
            known.extend([0..comment.start, comment.end..self.source.len()]);
            for piece in gaps::between(&mut known, self.source.len()) {
                gaps::comment(scan, self.source, &piece)?;
            }
        }
        if missing { Err(Stop::NotHere) } else { Ok(()) }
    }

    /// Everything that is structure has been read and compared.
    fn mark(&self, scan: &mut Scan<'_>) {
        for range in &self.structure {
            scan.inspected(self.source, range.clone());
        }
    }
}

/// Asks for all headers at once: from each to where its data has to begin, and what lies behind the data.
fn will_read_headers(source: &Source, directory: &Directory) {
    let mut starts: Vec<(u64, &Central)> =
        directory.entries.iter().map(|entry| (entry.header.saturating_add(directory.base), entry)).collect();
    starts.sort_by_key(|(at, _)| *at);
    for (number, (at, entry)) in starts.iter().enumerate() {
        let next = starts.get(number + 1).map_or(directory.range.start, |(next, _)| *next);
        let least = LOCAL_BYTES + entry.said.name.len() as u64;
        let room = next.saturating_sub(*at).saturating_sub(entry.said.packed);
        let wanted = if room > least && room <= HEADER_ROOM { room } else { least + 512 };
        source.will_read([*at..at.saturating_add(wanted), next.saturating_sub(wanted.min(512)).max(*at)..next]);
    }
}

/// The member's own header: where the directory says, for both meanings that it can have where something was put before.
fn local_of(source: &Source, directory: &Directory, entry: &Central) -> Scanned<Option<Local>> {
    if let Some(at) = entry.header.checked_add(directory.base)
        && let Some(local) = Local::read(source, at)?
    {
        return Ok(Some(local));
    }
    if directory.base == 0 { Ok(None) } else { Local::read(source, entry.header) }
}

#[cfg(test)]
pub(crate) mod tests;
