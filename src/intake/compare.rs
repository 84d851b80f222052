//! Comparing the numbers of pickled weights with those of the safetensors beside them, without loading either.
//!
//! Where both files are stored, or the pickle is small, all bytes of every tensor are compared; otherwise the first, the last
//! and some block between of every tensor, at places that the two files' hashes choose. What cannot be compared is said to
//! be so and hides nothing. What was read over the network is remembered like every other range of an inspection, so that
//! the files that are served later must hold the same. Never decides.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    bytes::{NoBytes, parts, read_stored},
    digests::Wish,
    fetch::Wanted,
    inspect::{self, Files, VERIFIED},
    knowledge::Report,
    report_sql, seen,
    tensors::{self, Matched, Pair, Safe, Tensor, quoted},
    twins::{self, TWIN_RULE, Twin},
};
use crate::{
    app::App,
    blobs::{Kept, Seal},
    domain::{digest::Sha256, refusal::Fault},
    store::tables::{file, report},
};

/// Why the comparison is not done yet.
pub enum Unsettled {
    NoBytes(NoBytes),
    Fault(Fault),
}

impl From<Fault> for Unsettled {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<NoBytes> for Unsettled {
    fn from(no: NoBytes) -> Self {
        Self::NoBytes(no)
    }
}

/// How far a comparison may go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Bytes are read wherever they lie.
    Hub,
    /// Only stored bytes are read: nobody's pull waits for the hub.
    Store,
    /// What has not been compared by now is said not to be.
    GiveUp,
}

/// Compares every clean pickle of the revision with the clean safetensors of its folder, where that has not been done, and
/// writes down what came of it.
pub(super) async fn settle(app: &App, wish: &Wish, all: &Files, reach: Reach) -> Result<(), Unsettled> {
    let may = inspect::grant(app, wish)?;
    let rows: BTreeMap<&str, &file::Model> = all.rows.iter().map(|row| (row.path.as_str(), row)).collect();
    let reports = report_sql::list_reports(may.reader(), &wish.revision_id).await?;
    let reports: Vec<Report> = reports
        .into_iter()
        .filter_map(|one| Some((u64::try_from(rows.get(one.path.as_str())?.size).ok()?, one)))
        .map(|(size, one)| Report::read(one, size))
        .collect();
    for (pickle, safe) in twins::candidates(&reports) {
        let mut sides = Sides { app, files: Vec::new(), requests: 0 };
        for one in std::iter::once(pickle).chain(safe.iter().copied()) {
            let Some(row) = rows.get(one.row.path.as_str()) else { continue };
            let list = report_sql::find_tensors(may.reader(), &wish.revision_id, &one.row.path).await?;
            sides.files.push(Side {
                report: &one.row,
                wanted: inspect::wanted(wish, row)?,
                stored: inspect::stored(&may, row).await?,
                tensors: list.as_deref().and_then(tensors::read),
                kept: Vec::new(),
            });
        }
        let basis = basis(&pickle.row, &safe);
        let stored = sides.files.iter().all(|side| side.stored.is_some());
        let known = pickle.twin().filter(|twin| twin["basis"] == *basis);
        let better = stored && known.is_some_and(|twin| twin["whole"] == false);
        if (known.is_some() && !better) || (reach == Reach::Store && !stored) {
            continue;
        }
        let found = match sides.compare(stored).await {
            Ok(found) => found,
            Err(Unsettled::NoBytes(no)) if reach == Reach::GiveUp => {
                Found::missing(format!("their numbers could not be compared: {}", told(&no)))
            }
            Err(unsettled) => return Err(unsettled),
        };
        // What could not be had may be had another time: it is tried again when somebody looks again.
        let basis = if found.twin == Twin::Missing && reach == Reach::GiveUp { String::new() } else { basis };
        let mut changed = vec![written(pickle, &found, &basis)?];
        changed.extend(safe.iter().map(|one| one.row.clone()));
        for (row, side) in changed.iter_mut().zip(&sides.files) {
            remember(row, &side.kept);
        }
        changed.retain(|row| row.path == pickle.row.path || sides.has_read(&row.path));
        let read: Vec<report::Model> = sides.files.iter().map(|side| side.report.clone()).collect();
        if !inspect::save_from(app, wish, changed, &read).await? {
            // Whoever looked again at one of them compares them again.
            tracing::info!(file = pickle.row.path, "a comparison is left that rests on a report which was replaced");
        }
    }
    Ok(())
}

fn told(no: &NoBytes) -> String {
    match no {
        NoBytes::Trouble(trouble) => trouble.to_string().trim_end_matches('.').to_owned(),
        NoBytes::Changed => "a stored file is not as it was left".to_owned(),
        NoBytes::Whole | NoBytes::Fault(_) => "their bytes did not come".to_owned(),
    }
}

/// What a comparison rests on: the bytes of all files that take part, and how they are compared.
fn basis(pickle: &report::Model, safe: &[&Report]) -> String {
    let safe = safe.iter().map(|one| format!("\n{} {}", one.row.bytes_id, one.row.path));
    let text = format!("{VERSION} {} {}{}", pickle.bytes_id, pickle.scanner, safe.collect::<String>());
    seen::hash(text.as_bytes())
}

/// The pickle's report with what came of the comparison.
fn written(pickle: &Report, found: &Found, basis: &str) -> Result<report::Model, Fault> {
    let row = &pickle.row;
    let mut body: Value = serde_json::from_str(&row.body).map_err(|e| Fault::because("reading a report", e))?;
    body["twin"] = json!({"state": found.twin.word(), "how": found.how, "whole": found.whole, "basis": basis});
    if let Some(findings) = body["findings"].as_array_mut() {
        findings.retain(|one| one["rule"] != TWIN_RULE);
        if found.twin == Twin::Unequal {
            let severity = if found.numbers { "medium" } else { "low" };
            let message = format!("It does not hold what the safetensors beside it hold: {}.", found.how);
            findings.push(json!({
                "rule": TWIN_RULE, "severity": severity, "place": format!("{}@0", row.path), "message": message,
            }));
        }
    }
    Ok(report::Model { body: body.to_string(), ..row.clone() })
}

/// Of a file that was read whole there is nothing to remember.
fn remember(row: &mut report::Model, kept: &[Kept]) {
    if kept.is_empty() || row.stage == VERIFIED {
        return;
    }
    let mut all: Vec<Kept> = serde_json::from_str(&row.ranges).unwrap_or_default();
    all.extend(kept.iter().filter(|one| !all.contains(one)).cloned().collect::<Vec<_>>());
    row.ranges = serde_json::to_string(&all).unwrap_or_default();
}

/// What a comparison came to.
struct Found {
    twin: Twin,
    how: String,
    /// All bytes of every tensor were compared, or nothing would be won by that.
    whole: bool,
    /// It is numbers that differ.
    numbers: bool,
}

impl Found {
    fn missing(how: String) -> Self {
        Self { twin: Twin::Missing, how, whole: true, numbers: false }
    }

    fn unequal(how: String, numbers: bool) -> Self {
        Self { twin: Twin::Unequal, how, whole: true, numbers }
    }
}

/// One of the files that are compared.
struct Side<'a> {
    report: &'a report::Model,
    wanted: Wanted,
    stored: Option<(Sha256, Seal)>,
    tensors: Option<Vec<Tensor>>,
    kept: Vec<Kept>,
}

/// The pickle, and behind it the safe files.
struct Sides<'a> {
    app: &'a App,
    files: Vec<Side<'a>>,
    requests: usize,
}

/// A stretch of a tensor in the pickle and in a safe file, of one length.
struct Block {
    tensor: usize,
    pickle: Range<u64>,
    file: usize,
    safe: Range<u64>,
}

impl Sides<'_> {
    fn has_read(&self, path: &str) -> bool {
        self.files.iter().any(|side| side.report.path == path && !side.kept.is_empty())
    }

    async fn compare(&mut self, stored: bool) -> Result<Found, Unsettled> {
        let lists: Option<Vec<Vec<Tensor>>> = self.files.iter_mut().map(|side| side.tensors.take()).collect();
        let Some(lists) = lists else {
            return Ok(Found::missing("one of the files has more tensors than are compared".to_owned()));
        };
        let Some((pickle, safe)) = lists.split_first() else {
            return Ok(Found::missing("there is nothing to compare it with".to_owned()));
        };
        let paths: Vec<String> = self.files.iter().skip(1).map(|side| side.report.path.clone()).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let mut best: Option<Found> = None;
        for set in tensors::sets(&paths) {
            let files: Vec<usize> = set.iter().map(|place| place + 1).collect();
            let beside =
                set.iter().filter_map(|place| Some(Safe { path: paths.get(*place)?, tensors: safe.get(*place)? }));
            let beside: Vec<Safe<'_>> = beside.collect();
            let names = beside.iter().take(3).map(|one| one.path).collect::<Vec<_>>().join(", ");
            let found = match tensors::matched(pickle, &beside) {
                Matched::All(pairs) => self.numbers(&pairs, &files, stored, &names).await?,
                Matched::Differ(what) => Found::unequal(format!("of {names}, {what}"), false),
                Matched::Strangers => continue,
            };
            if found.twin == Twin::Equal {
                return Ok(found);
            }
            // Different numbers under the same names say more than names that differ, and both more than nothing.
            let rank = |found: &Found| (found.numbers, found.twin == Twin::Missing);
            if best.as_ref().is_none_or(|best| rank(best) < rank(&found)) {
                best = Some(found);
            }
        }
        let strangers = "no safetensors file beside it holds a tensor of its names".to_owned();
        Ok(best.unwrap_or(Found { twin: Twin::None, how: strangers, whole: true, numbers: false }))
    }

    /// Compares the bytes of tensors that have the same names, types and shapes.
    async fn numbers(
        &mut self,
        pairs: &[Pair<'_>],
        files: &[usize],
        stored: bool,
        names: &str,
    ) -> Result<Found, Unsettled> {
        let mut all = 0_u64;
        for (tensor, _, safe) in pairs {
            let (Some(here), Some(there)) = (tensor.place(), safe.place()) else {
                let how =
                    format!("the numbers of {} do not lie in one piece that can be compared", quoted(tensor.name()));
                return Ok(Found::missing(how));
            };
            if here.end - here.start != there.end - there.start {
                let how = format!("of {names}, {} has another length", quoted(tensor.name()));
                return Ok(Found::unequal(how, true));
            }
            all = all.saturating_add(here.end - here.start);
        }
        let whole = stored || all <= SMALL;
        let salt = self.files.iter().map(|side| side.report.bytes_id.as_str()).collect::<Vec<_>>().join(" ");
        let mut blocks = Vec::new();
        for (number, (tensor, file, safe)) in pairs.iter().enumerate() {
            let (Some(here), Some(there), Some(file)) = (tensor.place(), safe.place(), files.get(*file)) else {
                continue;
            };
            for part in looked_at(here.end - here.start, whole, &format!("{salt} {}", tensor.name())) {
                blocks.push(Block {
                    tensor: number,
                    pickle: here.start + part.start..here.start + part.end,
                    file: *file,
                    safe: there.start + part.start..there.start + part.end,
                });
            }
        }
        blocks.sort_by_key(|block| (block.pickle.start, block.pickle.end));
        for batch in batches(blocks) {
            let here = self.read(0, batch.iter().map(|block| block.pickle.clone())).await?;
            let mut there = BTreeMap::new();
            for file in files {
                let ranges = batch.iter().filter(|block| block.file == *file).map(|block| block.safe.clone());
                there.insert(*file, self.read(*file, ranges).await?);
            }
            if self.requests > MOST_REQUESTS {
                let how = "they have more tensors than are compared over the network; fetched whole they can be";
                return Ok(Found { whole: false, ..Found::missing(how.to_owned()) });
            }
            let differs = batch.iter().find(|block| {
                let safe = there.get(&block.file).and_then(|read| slice(read, &block.safe));
                slice(&here, &block.pickle).is_none_or(|bytes| safe != Some(bytes))
            });
            if let Some((tensor, ..)) = differs.and_then(|block| pairs.get(block.tensor)) {
                return Ok(Found::unequal(format!("of {names}, {} has other numbers", quoted(tensor.name())), true));
            }
        }
        let bytes = if whole { "all bytes" } else { "sampled bytes" };
        let how = format!("equal to {names} by name, type, shape and {bytes}");
        Ok(Found { twin: Twin::Equal, how, whole, numbers: false })
    }

    /// Reads these ranges of one file, those that lie close together at once.
    async fn read(
        &mut self,
        file: usize,
        ranges: impl Iterator<Item = Range<u64>>,
    ) -> Result<BTreeMap<u64, Bytes>, Unsettled> {
        let ranges = joined(ranges.filter(|range| !range.is_empty()).collect());
        let Some(side) = self.files.get_mut(file) else { return Ok(BTreeMap::new()) };
        let mut read = BTreeMap::new();
        if let Some((sha256, seal)) = &side.stored {
            for range in ranges {
                if range.end > seal.size() {
                    return Err(Fault::new("comparing tensors: a place lies outside of its file").into());
                }
                read.insert(range.start, read_stored(self.app, *sha256, seal, &range).await?);
            }
            return Ok(read);
        }
        self.requests += ranges.len();
        if self.requests > MOST_REQUESTS {
            return Ok(read);
        }
        let all = parts(self.app, &side.wanted, &ranges).await.map_err(NoBytes::Trouble)?;
        for (range, bytes) in ranges.iter().zip(all) {
            let kept = Kept { compared: true, ..Kept::of(range.start, &bytes) };
            if !side.kept.contains(&kept) {
                side.kept.push(kept);
            }
            read.insert(range.start, bytes);
        }
        Ok(read)
    }
}

/// What is looked at of so many bytes: all of them, or the first, the last and some between, as the salt chooses.
fn looked_at(length: u64, whole: bool, salt: &str) -> Vec<Range<u64>> {
    if whole || length <= 3 * BLOCK {
        let mut all = Vec::new();
        let mut at = 0;
        while at < length {
            all.push(at..length.min(at + PIECE));
            at += PIECE;
        }
        return all;
    }
    let chosen = u64::from_str_radix(seen::hash(salt.as_bytes()).get(..15).unwrap_or_default(), 16).unwrap_or_default();
    let between = BLOCK + chosen % (length - 3 * BLOCK + 1);
    vec![0..BLOCK, between..between + BLOCK, length - BLOCK..length]
}

/// So many blocks at a time that little memory is held.
fn batches(blocks: Vec<Block>) -> Vec<Vec<Block>> {
    let mut all: Vec<Vec<Block>> = Vec::new();
    let mut bytes = 0;
    for block in blocks {
        let length = block.pickle.end - block.pickle.start;
        if all.is_empty() || bytes + length > BATCH {
            all.push(Vec::new());
            bytes = 0;
        }
        bytes += length;
        if let Some(last) = all.last_mut() {
            last.push(block);
        }
    }
    all
}

/// Ranges in order, those close together as one, none longer than what is read at a time.
fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.end <= last.end => {}
            Some(last) if range.start <= last.end.saturating_add(GAP) && range.end - last.start <= LONGEST => {
                last.end = range.end;
            }
            _ => joined.push(range),
        }
    }
    joined
}

fn slice(read: &BTreeMap<u64, Bytes>, range: &Range<u64>) -> Option<Bytes> {
    if range.is_empty() {
        return Some(Bytes::new());
    }
    let (start, bytes) = read.range(..=range.start).next_back()?;
    let (from, to) = (usize::try_from(range.start - start).ok()?, usize::try_from(range.end - start).ok()?);
    (to <= bytes.len()).then(|| bytes.slice(from..to))
}

/// Moves when the way of comparing changes: then everything is compared again.
const VERSION: u32 = 1;
/// Up to so many bytes of tensors are all compared, wherever they lie.
const SMALL: u64 = 8 << 20;
/// What is looked at in one place of a large tensor.
const BLOCK: u64 = 4 << 10;
/// What is looked at in one step, of what is looked at whole.
const PIECE: u64 = 1 << 20;
/// What is held of one file at a time.
const BATCH: u64 = 8 << 20;
/// Two ranges nearer than this are read as one: a request costs more than the bytes between.
const GAP: u64 = 32 << 10;
const LONGEST: u64 = 4 << 20;
/// Requests to the hub for one pickle.
const MOST_REQUESTS: usize = 6000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_small_tensor_everything_is_looked_at_and_of_a_large_one_its_ends_and_some_place_between() {
        assert_eq!(looked_at(0, false, ""), Vec::<Range<u64>>::new());
        assert_eq!(looked_at(3 * BLOCK, false, ""), vec![0..3 * BLOCK]);
        let whole: u64 = looked_at(3 << 20, true, "").iter().map(|part| part.end - part.start).sum();
        assert_eq!(whole, 3 << 20);
        let mut places = std::collections::BTreeSet::new();
        for salt in 0..200 {
            let parts = looked_at(1 << 30, false, &salt.to_string());
            assert_eq!((parts[0].clone(), parts[2].clone()), (0..BLOCK, (1 << 30) - BLOCK..1 << 30));
            assert!(
                parts[1].start >= BLOCK && parts[1].end <= (1 << 30) - BLOCK && parts[1].end - parts[1].start == BLOCK
            );
            places.insert(parts[1].start);
            assert_eq!(parts, looked_at(1 << 30, false, &salt.to_string()), "it is the same each time");
        }
        assert!(places.len() > 190, "{}", places.len());
    }

    #[test]
    fn ranges_close_together_are_one_and_none_is_longer_than_what_is_read() {
        assert_eq!(joined(vec![100..200, 0..50, 0..50, 60..70]), vec![0..200]);
        assert_eq!(joined(vec![0..10, GAP + 11..GAP + 20]), vec![0..10, GAP + 11..GAP + 20]);
        let pieces: Vec<_> = (0..10).map(|n| n * PIECE..(n + 1) * PIECE).collect();
        assert!(joined(pieces).iter().all(|range| range.end - range.start <= LONGEST));
        let read = BTreeMap::from([(10, Bytes::from_static(b"abcdef"))]);
        assert_eq!(slice(&read, &(12..14)).as_deref(), Some(b"cd".as_slice()));
        assert_eq!((slice(&read, &(9..11)), slice(&read, &(14..17))), (None, None));
    }
}
