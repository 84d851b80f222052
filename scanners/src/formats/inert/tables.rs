//! Tables and vocabularies.
//!
//! Of tables only the ends are read. A schema can carry a pickle which old readers loaded: that one thing is looked for.

use bytes::Bytes;

use super::{MANY, cut_off, u32_be, u32_le, u64_le};
use crate::{
    read::{
        base64,
        proto::{Content, Fields},
    },
    rules,
    scan::{Scan, Scanned, Stop, in_memory},
    source::Source,
};

/// The longest description of a table that is read.
const SCHEMA: u64 = 64 << 20;

/// Parquet: its description stands at the end, with its length.
pub(super) fn parquet(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let len = source.len();
    let tail = source.read(len.saturating_sub(8)..len)?;
    let size = u32_le(&tail, 0).filter(|_| tail.ends_with(b"PAR1")).ok_or_else(|| cut_off(len, "table"))?;
    let start = len.checked_sub(8 + size).filter(|start| *start >= 4).ok_or_else(|| cut_off(len, "table"))?;
    if size > SCHEMA {
        return Err(Stop::Spent(format!("a table's description of {size} bytes")));
    }
    let schema = source.read(start..len - 8)?;
    // A struct whose first field is the version.
    if schema.first() != Some(&0x15) {
        return Err(Stop::broken(start, "a table's description makes no sense"));
    }
    scan.inert(source, start..len);
    // Arrow's own schema is kept in it as text.
    for at in memchr::memmem::find_iter(&schema, b"ARROW:schema") {
        let rest = schema.get(at + 12..).unwrap_or_default();
        scan.steps(rest.len() as u64 / 16)?;
        let text = rest.iter().skip_while(|b| !b.is_ascii_alphanumeric() && **b != b'/');
        let text: Vec<u8> = text.copied().take_while(|b| base64::is_digit(*b)).collect();
        extension(scan, source, start, &base64::decode(&text).into());
    }
    extension(scan, source, start, &schema);
    Ok(len)
}

/// Arrow files: the same, with another word at either end.
pub(super) fn arrow_file(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let len = source.len();
    let tail = source.read(len.saturating_sub(10)..len)?;
    let size = u32_le(&tail, 0).filter(|_| tail.ends_with(b"ARROW1")).ok_or_else(|| cut_off(len, "table"))?;
    let start = len.checked_sub(10 + size).filter(|start| *start >= 8).ok_or_else(|| cut_off(len, "table"))?;
    if size > SCHEMA {
        return Err(Stop::Spent(format!("a table's description of {size} bytes")));
    }
    let schema = source.read(start..len - 10)?;
    scan.inert(source, start..len);
    extension(scan, source, start, &schema);
    // The file begins with the stream's own schema, which some readers take.
    let first = source.read_up_to(8, 64 << 10)?;
    extension(scan, source, 8, &first);
    Ok(len)
}

/// A type that is written as a pickle, which readers before pyarrow 14 loaded.
fn extension(scan: &mut Scan<'_>, source: &Source, at: u64, schema: &Bytes) {
    let Some(name) = memchr::memmem::find(schema, b"arrow.py_extension_type") else { return };
    let message =
        "A column's type is written as a pickle (`arrow.py_extension_type`), which readers before pyarrow 14 load.";
    scan.found(&rules::TABLE_PICKLE, source, at, message);
    let begins = |here: &usize| matches!(schema.get(here + 1), Some(0..=5));
    for here in memchr::memchr_iter(0x80, schema).filter(begins).take(16) {
        let length = here.checked_sub(4).and_then(|before| u32_le(schema, before)).unwrap_or(0);
        let end = usize::try_from(length).ok().and_then(|length| here.checked_add(length));
        let Some(end) = end.filter(|end| *end <= schema.len() && *end > here + 4) else { continue };
        let range = at + name as u64..at + name as u64;
        scan.inner_made(source, range, "the type of a column", in_memory(schema.slice(here..end)));
    }
}

/// Feather's first version: a word at either end.
pub(super) fn feather(_scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let len = source.len();
    let tail = source.read(len.saturating_sub(8)..len)?;
    let size = u32_le(&tail, 0).filter(|size| tail.ends_with(b"FEA1") && size + 12 <= len);
    size.map(|_| len).ok_or_else(|| cut_off(len, "table"))
}

pub(super) fn is_arrow_stream(head: &[u8], length: u64) -> bool {
    let size = u32_le(head, 4).unwrap_or(0);
    let root = u32_le(head, 8).unwrap_or(0);
    head.starts_with(b"\xff\xff\xff\xff")
        && size.is_multiple_of(8)
        && (16..length).contains(&size)
        && (4..size).contains(&root)
}

/// Arrow streams: messages, each with the length of its body.
pub(super) fn arrow_stream(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let mut at = 0;
    for number in 0..MANY {
        scan.steps(1)?;
        let head = source.read_up_to(at, 8)?;
        if !head.starts_with(b"\xff\xff\xff\xff") {
            return Ok(at);
        }
        let size = u32_le(&head, 4).ok_or_else(|| cut_off(at, "table"))?;
        if size == 0 {
            return Ok(at + 8);
        }
        if size > SCHEMA {
            return Err(Stop::Spent(format!("a table's message of {size} bytes")));
        }
        if at + 8 + size > source.len() {
            return Err(cut_off(at, "table"));
        }
        let message = source.read(at + 8..at + 8 + size)?;
        if number == 0 {
            extension(scan, source, at + 8, &message);
        }
        let body = body_length(&message).ok_or_else(|| Stop::broken(at, "a table's message makes no sense"))?;
        at =
            (at + 8 + size).checked_add(body).filter(|end| *end <= source.len()).ok_or_else(|| cut_off(at, "table"))?;
    }
    Ok(source.len())
}

/// The length of the body of a message: its fourth field.
fn body_length(message: &[u8]) -> Option<u64> {
    let table = usize::try_from(u32_le(message, 0)?).ok()?;
    let back = usize::try_from(u32_le(message, table)?).ok()?;
    let fields = table.checked_sub(back)?;
    let offset = message.get(fields.checked_add(10)?..fields.checked_add(12)?)?;
    let size = message.get(fields..fields.checked_add(2)?)?;
    let (offset, size) = (u16::from_le_bytes(offset.try_into().ok()?), u16::from_le_bytes(size.try_into().ok()?));
    if size < 12 || offset == 0 {
        return Some(0);
    }
    u64_le(message, table.checked_add(usize::from(offset))?)
}

pub(super) fn is_pieces(head: &[u8], _length: u64) -> bool {
    // The first piece: a message with a text and a score.
    match head {
        [0x0a, size @ 5..=127, 0x0a, text, rest @ ..] => {
            let text = usize::from(*text);
            usize::from(*size) >= text + 2 && (text + 2 == usize::from(*size) || rest.get(text) == Some(&0x15))
        }
        _ => false,
    }
}

/// `SentencePiece`: a list of pieces and how the model was trained.
pub(super) fn pieces(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let mut fields = Fields::of(source, 0..source.len());
    let mut count = 0_u64;
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        match (field.number, &field.content) {
            (1, Content::Bytes(_)) => count += 1,
            (2..=5, Content::Bytes(_)) | (200.., _) => {}
            (number, _) => return Err(Stop::broken(field.at, format!("a vocabulary has no field {number}"))),
        }
    }
    if count == 0 { Err(Stop::broken(0, "a vocabulary without pieces")) } else { Ok(source.len()) }
}

/// MATLAB: elements with a type and a length behind a header of 128 bytes.
pub(super) fn matlab(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let head = source.read_up_to(0, 128)?;
    let little = head.get(126..128) == Some(b"IM");
    let mut at = 128;
    while at + 8 <= source.len() {
        scan.steps(1)?;
        let head = source.read(at..at + 8)?;
        let read = |place| if little { u32_le(&head, place) } else { u32_be(&head, place) };
        let (Some(kind), Some(size)) = (read(0), read(4)) else { return Err(cut_off(at, "file")) };
        if !matches!(kind, 1..=18) {
            return Ok(at);
        }
        // Only packed elements are written without padding.
        let size = if kind == 15 { size } else { size.next_multiple_of(8) };
        at += 8 + size;
        if at > source.len() {
            return Err(cut_off(at, "file"));
        }
    }
    Ok(at)
}

/// What a desktop keeps about a folder. Small.
#[expect(clippy::unnecessary_wraps, reason = "stands in the table of walks, which can fail")]
pub(super) fn desktop(_scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    Ok(source.len().min(1 << 20))
}
