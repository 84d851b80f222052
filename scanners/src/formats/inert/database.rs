//! SQLite databases: pages of one size, with rows in them. No loader of models runs a row, but whoever keeps pickles in rows
//! loads them from there: every value that begins as something that runs is looked at as a file of its own.
//!
//! Every page is taken by its own first byte, whether or not a table reaches it. No query is ever run.

use super::{cut_off, u16_be, u32_be};
use crate::{
    formats::sniff::{self, Family},
    pickle,
    scan::{Scan, Scanned, Stop, in_memory},
    source::Source,
};

/// How much of a database is walked.
const WALKED: u64 = 1 << 30;
/// How much is read at a time.
const WINDOW: u64 = 4 << 20;
/// A value that is longer, and lies in pieces, is not put together.
const LONGEST: u64 = 256 << 20;
/// Columns of one row; SQLite itself takes no more than 32,767.
const COLUMNS: usize = 40_000;
/// What a value costs that is looked at as a file of its own.
const STEPS: u64 = 500;

/// The size of a page, by the header.
fn page_size(head: &[u8]) -> Scanned<u64> {
    match u16_be(head, 16) {
        Some(1) => Ok(65536),
        Some(page) if page.is_power_of_two() && page >= 512 => Ok(page),
        _ => Err(Stop::broken(16, "a database's page size makes no sense")),
    }
}

/// Answers where the database ends: it has as many pages as its header says.
pub(super) fn sqlite(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let head = source.read_up_to(0, 100)?;
    let page = page_size(&head)?;
    let said = page * u32_be(&head, 28).unwrap_or(0);
    let end = match said {
        0 => source.len(),
        said if said > source.len() && !source.len().is_multiple_of(page) => return Err(cut_off(28, "database")),
        // Older writers did not keep the count.
        said => said.min(source.len()),
    };
    let unused = u64::from(head.get(20).copied().unwrap_or(0));
    Rows { scan, source, page, usable: page.saturating_sub(unused) }.walk()?;
    Ok(end)
}

struct Rows<'a, 'b> {
    scan: &'a mut Scan<'b>,
    source: &'a Source,
    page: u64,
    /// The bytes of a page that hold rows.
    usable: u64,
}

/// A piece of a row: what lies within the page, how long all of it is, and the first page of the rest.
struct Row {
    at: u64,
    local: Vec<u8>,
    length: u64,
    rest: Option<u64>,
}

impl Rows<'_, '_> {
    /// Goes through all pages of the file: SQLite takes the file's own length where the header's count is old.
    fn walk(&mut self) -> Scanned<()> {
        let most = self.source.len().min(WALKED);
        self.source.will_read(std::iter::once(0..most));
        let window = WINDOW.max(self.page);
        let mut at = 0;
        while at < most {
            let bytes = self.source.read_up_to(at, window)?;
            for (number, page) in bytes.chunks(usize::try_from(self.page).unwrap_or(usize::MAX)).enumerate() {
                self.scan.steps(4)?;
                self.rows(at + number as u64 * self.page, page)?;
            }
            at += window;
        }
        if self.source.len() > WALKED {
            self.scan.left_out(self.source, format!("only the first {WALKED} bytes of the database were searched"));
        }
        Ok(())
    }

    /// The rows of one page, if it is one that has rows.
    fn rows(&mut self, start: u64, page: &[u8]) -> Scanned<()> {
        // The first page begins with the header of the file.
        let head = if start == 0 { 100 } else { 0 };
        let (kind, first) = match page.get(head) {
            Some(0x0d) => (Kind::Table, head + 8),
            Some(0x0a) => (Kind::Index, head + 8),
            Some(0x02) => (Kind::Inner, head + 12),
            _ => return Ok(()),
        };
        let count = usize::try_from(u16_be(page, head + 3).unwrap_or(0)).unwrap_or(0);
        for cell in 0..count {
            self.scan.steps(4)?;
            let Some(place) = u16_be(page, first + cell * 2).and_then(|place| usize::try_from(place).ok()) else {
                break;
            };
            if let Some(row) = self.row(start, page, place, kind) {
                self.values(&row)?;
            }
        }
        Ok(())
    }

    fn row(&self, start: u64, page: &[u8], place: usize, kind: Kind) -> Option<Row> {
        let mut at = if kind == Kind::Inner { place.checked_add(4)? } else { place };
        let length = varint(page, &mut at)?;
        if kind == Kind::Table {
            varint(page, &mut at)?;
        }
        // How much stays in the page, as SQLite's description of its files has it.
        let usable = self.usable;
        let most = if kind == Kind::Table { usable.checked_sub(35)? } else { usable.checked_sub(12)? * 64 / 255 - 23 };
        let local = if length <= most {
            length
        } else {
            let least = (usable.checked_sub(12)? * 32 / 255).checked_sub(23)?;
            let fits = least + (length - least) % usable.checked_sub(4)?;
            if fits <= most { fits } else { least }
        };
        let end = at.checked_add(usize::try_from(local).ok()?)?;
        let rest = if length > local { Some(u32_be(page, end)?) } else { None };
        Some(Row { at: start + at as u64, local: page.get(at..end)?.to_vec(), length, rest })
    }

    /// Looks at the texts and bytes of one row.
    fn values(&mut self, row: &Row) -> Scanned<()> {
        let whole;
        // The description of the columns stands first; it, too, can be longer than the page.
        let bytes = match row.rest {
            None => &row.local,
            Some(next) => {
                let Some(made) = self.whole(row, next)? else { return Ok(()) };
                whole = made;
                &whole
            }
        };
        let mut at = 0;
        let Some(head) = varint(bytes, &mut at).and_then(|head| usize::try_from(head).ok()) else { return Ok(()) };
        let mut value = head;
        for _ in 0..COLUMNS {
            if at >= head {
                return Ok(());
            }
            let Some(kind) = varint(bytes, &mut at) else { return Ok(()) };
            let length = usize::try_from(width(kind)).unwrap_or(usize::MAX);
            let Some(content) = value.checked_add(length).and_then(|end| bytes.get(value..end)) else { return Ok(()) };
            if kind >= 12 && length >= 4 {
                self.value(row, value, content)?;
            }
            value += length;
        }
        Ok(())
    }

    /// A row put together from its pages; nothing where the file does not have them, which SQLite refuses as well.
    fn whole(&mut self, row: &Row, first: u64) -> Scanned<Option<Vec<u8>>> {
        if row.length > self.source.len() {
            return Ok(None);
        }
        if row.length > LONGEST {
            self.scan.left_out(self.source, format!("a row of {} bytes was not put together", row.length));
            return Ok(None);
        }
        // Rows can share the pages of their rests, so that what is put together is more than the file.
        self.scan.unpacked(row.length)?;
        let (mut bytes, mut next) = (row.local.clone(), first);
        while (bytes.len() as u64) < row.length {
            self.scan.steps(8)?;
            let Some(start) = next.checked_sub(1).and_then(|number| number.checked_mul(self.page)) else {
                return Ok(None);
            };
            if start.saturating_add(self.usable) > self.source.len() {
                return Ok(None);
            }
            let page = self.source.read(start..start + self.usable)?;
            next = u32_be(&page, 0).unwrap_or(0);
            let left = usize::try_from(row.length - bytes.len() as u64).unwrap_or(usize::MAX);
            bytes.extend(page.iter().skip(4).take(left));
        }
        Ok(Some(bytes))
    }

    /// One value. What is no beginning of something that runs is data, whatever it means to the program it belongs to.
    fn value(&mut self, row: &Row, from: usize, content: &[u8]) -> Scanned<()> {
        self.scan.steps(2)?;
        let runs = match sniff::of(content) {
            Some(Family::Numpy | Family::Zip) => true,
            Some(Family::Program(kind)) => matches!(kind, "ELF" | "PE"),
            _ => self.is_pickle(content)?,
        };
        if !runs {
            return Ok(());
        }
        self.scan.steps(STEPS)?;
        let name = format!("value at {}", row.at + from as u64);
        if row.rest.is_none() {
            let start = row.at + from as u64;
            self.scan.inner(&self.source.member(&name, start..start + content.len() as u64));
        } else {
            let bytes = in_memory(content.to_vec());
            // The pages of the row are marked with the database.
            self.scan.inner_made(self.source, row.at..row.at, &name, bytes);
        }
        Ok(())
    }

    fn is_pickle(&mut self, content: &[u8]) -> Scanned<bool> {
        // Most values are words, and no pickle begins with an opcode that takes what is not there yet.
        if content.first().is_none_or(|first| b"abdeoprstu012".contains(first)) {
            return Ok(false);
        }
        pickle::tried(self.scan, &Source::new("", in_memory(content.to_vec()), 0))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    Index,
    /// The inner pages of an index hold rows as well.
    Inner,
}

/// How many bytes a column of this type has.
fn width(kind: u64) -> u64 {
    match kind {
        0 | 8..=11 => 0,
        1..=4 => kind,
        5 => 6,
        6 | 7 => 8,
        kind => (kind - 12) / 2,
    }
}

/// A number of up to nine bytes, the first bits first.
fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if place == 8 {
            return Some(value << 8 | u64::from(byte));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            break;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests;
