//! FlatBuffers, verified: tables, vectors and strings by their offsets, each of which is checked before it is followed.
//!
//! Reads small windows, never a data vector. Remembers what was read and what was left out, so that the rest of the file can
//! be accounted for.

use std::{collections::HashSet, ops::Range};

use bytes::Bytes;

use crate::{
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// How much is read at once.
const WINDOW: u64 = 16 << 10;
/// A stretch between two parts that is longer than this is looked at as a file of its own.
const GAP: u64 = 4096;

/// What the fields of a table are, by their numbers. Numbers that are not listed are plain values within the table.
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [(u16, Kind)],
}

/// What one field is.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Numbers of so many bytes each.
    Numbers(u64),
    Text,
    Table(&'static Spec),
    Tables(&'static Spec),
    /// Bytes that no loader runs.
    Data,
}

/// A table that was found, with the places of its fields.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    at: u64,
    vtable: u64,
    slots: u16,
    size: u16,
}

impl Table {
    /// Where it begins.
    pub(crate) fn place(self) -> u64 {
        self.at
    }
}

/// A file, and what was read of it so far.
pub(crate) struct Flat<'a> {
    source: &'a Source,
    /// Where offsets count from, and how far they may go.
    base: Range<u64>,
    window: Bytes,
    window_at: u64,
    touched: Vec<Range<u64>>,
    data: Vec<Range<u64>>,
}

impl<'a> Flat<'a> {
    pub(crate) fn of(source: &'a Source, base: Range<u64>) -> Self {
        Self { source, base, window: Bytes::new(), window_at: 0, touched: Vec::new(), data: Vec::new() }
    }

    /// Goes through every table from the root on and shows each to `visit`, parents first.
    pub(crate) fn walk(
        &mut self,
        scan: &mut Scan<'_>,
        root: &'static Spec,
        mut visit: impl FnMut(&mut Scan<'_>, &mut Self, &'static Spec, Table) -> Scanned<()>,
    ) -> Scanned<()> {
        let start = self.base.start;
        let first = self.follow(start)?;
        self.touched.push(start..start + 8);
        let mut todo = vec![(first, root)];
        let mut seen = HashSet::new();
        while let Some((at, spec)) = todo.pop() {
            scan.steps(1)?;
            if !seen.insert((at, spec.name)) {
                continue;
            }
            let table = self.table(at)?;
            visit(scan, self, spec, table)?;
            for (slot, kind) in spec.fields {
                let Some(field) = self.field(table, *slot, 4)? else { continue };
                match kind {
                    Kind::Table(inner) => todo.push((self.follow(field)?, *inner)),
                    Kind::Tables(inner) => {
                        let (start, count) = self.vector_at(field, 4)?;
                        scan.steps(count)?;
                        for place in 0..count {
                            todo.push((self.follow(start + place * 4)?, *inner));
                        }
                    }
                    Kind::Text | Kind::Data => self.unread(field, 1)?,
                    Kind::Numbers(width) => self.unread(field, *width)?,
                }
            }
        }
        Ok(())
    }

    /// A vector whose content nobody asked for.
    fn unread(&mut self, field: u64, width: u64) -> Scanned<()> {
        let (start, count) = self.vector_at(field, width)?;
        self.touched.pop();
        self.touched.push(start - 4..start);
        self.data.push(start..start + count * width);
        Ok(())
    }

    /// The table that the offset at `at` leads to.
    pub(crate) fn table_at(&mut self, at: u64) -> Scanned<Table> {
        let to = self.follow(at)?;
        self.table(to)
    }

    /// The vector that was looked up last was not read.
    pub(crate) fn forget_last(&mut self) {
        self.touched.pop();
    }

    /// A text field, if it is there.
    pub(crate) fn text(&mut self, table: Table, slot: u16, most: u64) -> Scanned<Option<String>> {
        let Some(field) = self.field(table, slot, 4)? else { return Ok(None) };
        let (start, length) = self.vector_at(field, 1)?;
        if length > most {
            return Err(Stop::broken(start, format!("a name has {length} bytes")));
        }
        match std::str::from_utf8(&self.bytes(start, length)?) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(Stop::broken(start, "a name is not UTF-8")),
        }
    }

    /// Where the content of a vector of bytes lies.
    pub(crate) fn vector(&mut self, table: Table, slot: u16, width: u64) -> Scanned<Option<(u64, u64)>> {
        let Some(field) = self.field(table, slot, 4)? else { return Ok(None) };
        self.vector_at(field, width).map(Some)
    }

    pub(crate) fn u8(&mut self, table: Table, slot: u16) -> Scanned<Option<u8>> {
        let Some(field) = self.field(table, slot, 1)? else { return Ok(None) };
        Ok(self.bytes(field, 1)?.first().copied())
    }

    pub(crate) fn u32(&mut self, table: Table, slot: u16) -> Scanned<Option<u32>> {
        let Some(field) = self.field(table, slot, 4)? else { return Ok(None) };
        self.word(field).map(Some)
    }

    pub(crate) fn u64(&mut self, table: Table, slot: u16) -> Scanned<Option<u64>> {
        let Some(field) = self.field(table, slot, 8)? else { return Ok(None) };
        let bytes = self.bytes(field, 8)?;
        Ok(bytes.as_ref().try_into().ok().map(u64::from_le_bytes))
    }

    /// So many bytes at a place in the file.
    pub(crate) fn bytes(&mut self, at: u64, count: u64) -> Scanned<Bytes> {
        let end = at.checked_add(count).filter(|end| *end <= self.base.end).ok_or_else(|| outside(at))?;
        let within = at >= self.window_at && end <= self.window_at + self.window.len() as u64;
        if !within {
            self.window = self.source.read_up_to(at, count.max(WINDOW.min(self.base.end - at)))?;
            self.window_at = at;
        }
        let from = usize::try_from(at - self.window_at).map_err(|_| outside(at))?;
        let to = usize::try_from(end - self.window_at).map_err(|_| outside(at))?;
        Ok(self.window.slice(from..to))
    }

    /// Bytes that lie outside of the tables and that no loader runs.
    pub(crate) fn left_out(&mut self, range: Range<u64>) {
        self.data.push(range);
    }

    /// Marks what was read, what was left out, and what lies between; what follows the last part is a file of its own.
    pub(crate) fn mark(self, scan: &mut Scan<'_>) -> Scanned<()> {
        let (source, base) = (self.source, self.base.clone());
        let mut all: Vec<(Range<u64>, bool)> = self.touched.into_iter().map(|range| (range, false)).collect();
        all.extend(self.data.into_iter().map(|range| (range, true)));
        all.sort_by_key(|(range, _)| (range.start, range.end));
        scan.steps(all.len() as u64)?;
        let mut at = base.start;
        let mut gaps = Vec::new();
        for (range, inert) in all {
            if range.start > at {
                gaps.push(at..range.start);
            }
            if inert {
                scan.inert(source, range.clone());
            } else {
                scan.inspected(source, range.clone());
            }
            at = at.max(range.end);
        }
        // A string ends with a zero, and the whole is filled up to a multiple of sixteen.
        let end = at.saturating_add(16).min(base.end);
        gaps.push(at..if end == base.end { end } else { at.saturating_add(1).min(base.end) });
        for gap in gaps {
            // Options of built-in operations, and bytes between two parts: numbers, or nothing.
            if gap.end - gap.start <= GAP {
                scan.inert(source, gap);
            } else {
                scan.inner(&source.member(&format!("gap at {}", gap.start), gap));
            }
        }
        Ok(())
    }

    /// Where the last part ends.
    pub(crate) fn end(&self) -> u64 {
        self.touched.iter().chain(&self.data).map(|range| range.end).max().unwrap_or(self.base.start)
    }

    fn table(&mut self, at: u64) -> Scanned<Table> {
        let back = i64::from(self.word(at)?.cast_signed());
        let vtable =
            at.checked_add_signed(back.wrapping_neg()).filter(|v| *v >= self.base.start).ok_or_else(|| outside(at))?;
        let (length, size) = (self.half(vtable)?, self.half(vtable + 2)?);
        if length < 4 || length % 2 != 0 || size < 4 {
            return Err(Stop::broken(vtable, "a table's description is malformed"));
        }
        let (vtable_end, end) = (vtable.saturating_add(length.into()), at.saturating_add(size.into()));
        if vtable_end > self.base.end || end > self.base.end {
            return Err(outside(at));
        }
        self.touched.push(vtable..vtable_end);
        self.touched.push(at..end);
        Ok(Table { at, vtable, slots: (length - 4) / 2, size })
    }

    /// Where a field of the table lies, if it is there.
    fn field(&mut self, table: Table, slot: u16, width: u16) -> Scanned<Option<u64>> {
        if slot >= table.slots {
            return Ok(None);
        }
        let place = self.half(table.vtable + 4 + u64::from(slot) * 2)?;
        if place == 0 {
            return Ok(None);
        }
        if place < 4 || place.saturating_add(width) > table.size {
            return Err(Stop::broken(table.at, "a field lies outside of its table"));
        }
        Ok(Some(table.at + u64::from(place)))
    }

    /// The place that the offset at `at` leads to.
    fn follow(&mut self, at: u64) -> Scanned<u64> {
        let to = at.saturating_add(self.word(at)?.into());
        if to == at || to >= self.base.end { Err(outside(at)) } else { Ok(to) }
    }

    /// The first element and the count of the vector that the field at `at` leads to.
    fn vector_at(&mut self, at: u64, width: u64) -> Scanned<(u64, u64)> {
        let start = self.follow(at)?;
        let count = u64::from(self.word(start)?);
        let end = count.checked_mul(width).and_then(|bytes| bytes.checked_add(start + 4));
        match end {
            Some(end) if end <= self.base.end => {
                self.touched.push(start..end);
                Ok((start + 4, count))
            }
            _ => Err(Stop::broken(start, format!("a vector of {count} elements goes past the file's end"))),
        }
    }

    fn word(&mut self, at: u64) -> Scanned<u32> {
        let bytes = self.bytes(at, 4)?;
        bytes.as_ref().try_into().map(u32::from_le_bytes).map_err(|_| outside(at))
    }

    fn half(&mut self, at: u64) -> Scanned<u16> {
        let bytes = self.bytes(at, 2)?;
        bytes.as_ref().try_into().map(u16::from_le_bytes).map_err(|_| outside(at))
    }
}

fn outside(at: u64) -> Stop {
    Stop::broken(at, "an offset leads outside of the file")
}
