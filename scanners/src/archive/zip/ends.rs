//! The ends of a zip: every record that some program would take for the end, and every directory that these name.

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

use super::records::{CENTRAL, Central, END, END64, LOCATOR64, u16_at, u32_at, u64_at};

/// An end record and a comment of the greatest length, and the two larger records before them.
const SEARCHED: u64 = 65_557 + 20 + 56;
pub(super) const END_BYTES: u64 = 22;
const END64_BYTES: u64 = 56;
const LOCATOR64_BYTES: u64 = 20;
/// Members that take less than this, headers and all, hold nothing: too many of them are there for the work that they make.
const BOMB_SHARE: u64 = 256;

/// One directory as one end record describes it.
pub(super) struct Directory {
    /// How much has to be added to every place that the archive names: what was put before it.
    pub(super) base: u64,
    pub(super) range: Range<u64>,
    pub(super) entries: Vec<Central>,
}

/// What the end of an archive says.
#[derive(Default)]
pub(super) struct Ends {
    /// The usual one first.
    pub(super) directories: Vec<Directory>,
    /// The bytes of the end records themselves.
    pub(super) records: Vec<Range<u64>>,
    pub(super) comment: Option<Range<u64>>,
    /// End records whose other numbers no writer writes: programs that look at them stop, or go elsewhere.
    odd: Vec<u64>,
}

/// One end record's claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Claim {
    count: u64,
    size: u64,
    offset: u64,
    /// Where the directory has to end.
    end: u64,
    /// Entries are counted to 65535 only.
    short_count: bool,
}

/// Finds the ends and reads the directories.
pub(super) fn find(scan: &mut Scan<'_>, source: &Source) -> Scanned<Ends> {
    let start = source.len().saturating_sub(SEARCHED);
    let tail = source.read(start..source.len())?;
    let mut ends = Ends::default();
    let mut claims: Vec<Claim> = Vec::new();
    for at in candidates(&tail) {
        claims_at(source, start + at as u64, &tail, at, &mut ends, &mut claims)?;
    }
    if claims.is_empty() {
        // The usual ends lead nowhere. Some programs go on looking.
        for at in memmem::rfind_iter(&tail, END).filter(|at| at + 22 <= tail.len()).take(16) {
            claims_at(source, start + at as u64, &tail, at, &mut ends, &mut claims)?;
        }
    }
    claims.dedup();
    for claim in &claims {
        read_directories(scan, source, *claim, &mut ends)?;
    }
    let places: Vec<u64> = {
        let mut places: Vec<u64> = ends.directories.iter().map(|directory| directory.range.start).collect();
        places.sort_unstable();
        places.dedup();
        places
    };
    for at in ends.odd.iter().filter(|at| ends.records.iter().any(|record| record.start == **at)).take(1) {
        let message = "The archive's end record names disks, members or a length that the archive does not have: some programs stop there, others read on.";
        scan.found(&rules::ZIP_VIEWS_DIFFER, source, *at, message.to_owned());
    }
    if places.len() > 1 {
        let shown: Vec<String> = places.iter().map(ToString::to_string).collect();
        let message = format!(
            "The archive has {} directories, at {}: programs differ in which of them they follow.",
            places.len(),
            shown.join(", ")
        );
        scan.found(&rules::ZIP_TWO_ENDS, source, places.last().copied().unwrap_or_default(), message);
    }
    Ok(ends)
}

/// Places in the tail where some program would see the end: the last record, the last whose comment reaches to the end of the
/// file, and the one that a file without a comment would have.
fn candidates(tail: &[u8]) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    let mut add = |at: usize| {
        if !chosen.contains(&at) {
            chosen.push(at);
        }
    };
    let finder = memmem::FinderRev::new(END);
    let fits = |at: &usize| at + 22 <= tail.len();
    let all: Vec<usize> = finder.rfind_iter(tail).filter(fits).collect();
    if let Some(last) = all.first() {
        add(*last);
    }
    for at in all.iter().filter(|at| **at + 22 + usize::from(u16_at(tail, **at + 20)) == tail.len()).take(8) {
        add(*at);
    }
    chosen
}

fn claims_at(
    source: &Source,
    at: u64,
    tail: &Bytes,
    in_tail: usize,
    ends: &mut Ends,
    claims: &mut Vec<Claim>,
) -> Scanned<()> {
    let record = tail.slice(in_tail..in_tail + 22);
    let comment = u64::from(u16_at(&record, 20)).min(source.len() - at - END_BYTES);
    let (count, size, offset) =
        (u64::from(u16_at(&record, 10)), u64::from(u32_at(&record, 12)), u64::from(u32_at(&record, 16)));
    let saturated = count == 0xffff || size == 0xffff_ffff || offset == 0xffff_ffff;
    let mut found: Vec<(Claim, Vec<Range<u64>>)> = Vec::new();
    for (record_at, locator_at) in records64(source, at)? {
        let record = source.read(record_at..record_at + END64_BYTES)?;
        let (count, size, offset) = (u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48));
        // Its own length may name more than the fields that are used.
        let length = u64_at(&record, 4).saturating_add(12).min(locator_at - record_at);
        // Its length, its versions aside, the numbers of disks, and the members on this one.
        let whole = length == locator_at - record_at && length == u64_at(&record, 4).saturating_add(12);
        if !whole || u64_at(&record, 16) != 0 || u64_at(&record, 24) != count {
            ends.odd.push(record_at);
        }
        let claim = Claim { count, size, offset, end: record_at, short_count: false };
        found.push((claim, vec![record_at..record_at + length, locator_at..locator_at + LOCATOR64_BYTES]));
    }
    let end = found.first().map_or(at, |(claim, _)| claim.end);
    let plain = Claim { count, size, offset, end, short_count: true };
    if !saturated {
        let same = |claim: &Claim| (claim.count & 0xffff, claim.size, claim.offset) == (count, size, offset);
        if !found.iter().any(|(claim, _)| same(claim)) {
            found.push((plain, Vec::new()));
        }
    }
    // Four letters and numbers that lead nowhere are no end: a member may hold such bytes.
    let plausible = |claim: &Claim| places(source, *claim).map(|places| !places.is_empty());
    let on_disks = (u16_at(&record, 4), u16_at(&record, 6), u64::from(u16_at(&record, 8)));
    let usual = |disk: u16| disk == 0 || (disk == u16::MAX && saturated);
    if !usual(on_disks.0) || !usual(on_disks.1) || on_disks.2 != count {
        ends.odd.push(at);
    }
    for (claim, records) in found {
        if plausible(&claim)? {
            claims.push(claim);
            ends.records.extend(records);
            ends.records.push(at..at + END_BYTES);
            if comment > 0 && ends.comment.is_none() {
                ends.comment = Some(at + END_BYTES..at + END_BYTES + comment);
            }
        }
    }
    Ok(())
}

/// The larger end records that belong to the one at `at`: where the locator says, and right before the locator.
fn records64(source: &Source, at: u64) -> Scanned<Vec<(u64, u64)>> {
    let Some(locator_at) = at.checked_sub(LOCATOR64_BYTES) else { return Ok(Vec::new()) };
    let locator = source.read(locator_at..at)?;
    if !locator.starts_with(LOCATOR64) {
        return Ok(Vec::new());
    }
    let mut places: Vec<u64> = Vec::new();
    for place in [Some(u64_at(&locator, 8)), locator_at.checked_sub(END64_BYTES)].into_iter().flatten() {
        let fits = place.checked_add(END64_BYTES).is_some_and(|end| end <= locator_at);
        if fits && !places.contains(&place) && source.read(place..place + 4)?.starts_with(END64) {
            places.push(place);
        }
    }
    Ok(places.into_iter().map(|place| (place, locator_at)).collect())
}

/// Where the claimed directory can be, with the base that each place means: where it says, and where it has to begin to end
/// before its end record.
fn places(source: &Source, claim: Claim) -> Scanned<Vec<(u64, u64)>> {
    let mut found: Vec<(u64, u64)> = Vec::new();
    let before = claim.end.checked_sub(claim.size);
    let base = before.and_then(|place| place.checked_sub(claim.offset)).unwrap_or(0);
    for (place, base) in [before.map(|place| (place, base)), Some((claim.offset, 0))].into_iter().flatten() {
        if place > claim.end || found.iter().any(|(known, _)| *known == place) {
            continue;
        }
        let empty = claim.count == 0 && claim.size == 0 && place == claim.end;
        if empty || source.read_up_to(place, 4)?.starts_with(CENTRAL) {
            found.push((place, base));
        }
    }
    Ok(found)
}

fn read_directories(scan: &mut Scan<'_>, source: &Source, claim: Claim, ends: &mut Ends) -> Scanned<()> {
    for (place, base) in places(source, claim)? {
        if ends.directories.iter().any(|directory| directory.range.start == place && directory.base == base) {
            continue;
        }
        let claimed = place.saturating_add(claim.size).min(claim.end);
        let whole = source.part(place..claimed).read_all(scan.limits.text_bytes)?;
        let (entries, stop) = Central::parse_all(scan, whole, place);
        if let Some(stop) = stop {
            if source.len() / claim.count.max(1) < BOMB_SHARE {
                let message = format!("The archive has {} members in {} bytes.", claim.count, source.len());
                scan.found(&rules::ZIP_BOMB, source, place, message);
            }
            scan.stopped(source, stop);
            ends.directories.push(Directory { base, range: place..claim.end, entries });
            continue;
        }
        let end = entries.last().map_or(place, |entry| entry.end);
        let counted = if claim.short_count { entries.len() as u64 & 0xffff } else { entries.len() as u64 };
        if counted != claim.count {
            let message =
                format!("The archive's end announces {} members; its directory lists {counted}.", claim.count);
            scan.found(&rules::ZIP_VIEWS_DIFFER, source, place, message);
        }
        if end - place != claim.size {
            let message =
                format!("The archive's end announces a directory of {} bytes; it has {}.", claim.size, end - place);
            scan.found(&rules::ZIP_VIEWS_DIFFER, source, place, message);
        }
        ends.directories.push(Directory { base, range: place..end, entries });
    }
    Ok(())
}
