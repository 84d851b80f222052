//! Film, and pictures that are kept the way films are: boxes in boxes, of which the outermost are walked.

use super::{MANY, cut_off, u32_be, u32_le, u64_be};
use crate::{
    formats::sniff,
    read::cursor::Cursor,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

pub(super) fn is_boxes(head: &[u8], _length: u64) -> bool {
    let size = u32_be(head, 0).unwrap_or(0);
    match head.get(4..8) {
        Some(b"ftyp") => (8..1024).contains(&size),
        // JPEG 2000 and JPEG XL begin with a signature.
        Some(b"jP  " | b"JXL ") => size == 12 && head.get(8..12) == Some(b"\r\n\x87\n"),
        Some(b"moov" | b"wide" | b"mdat") => size >= 8 && head.get(8..).is_some_and(|rest| rest.len() > 8),
        _ => false,
    }
}

/// HEIC, AVIF, JPEG 2000 and JPEG XL.
pub(super) fn is_picture(head: &[u8], length: u64) -> bool {
    let brands: [&[u8]; 8] = [b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"jp2 ", b"jxl "];
    let brand = head.get(8..12).is_some_and(|brand| brands.contains(&brand));
    is_boxes(head, length) && (brand || matches!(head.get(4..8), Some(b"jP  " | b"JXL ")))
}

/// MP4, MOV, M4A, HEIC, AVIF: boxes with a length and a name.
pub(super) fn boxes(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let mut at = 0_u64;
    for _ in 0..MANY {
        scan.steps(1)?;
        let left = source.len() - at;
        let head = source.read_up_to(at, 16)?;
        let (Some(size), Some(name)) = (u32_be(&head, 0), head.get(4..8)) else { return Ok(at) };
        if !name.iter().all(|b| (b' '..=b'~').contains(b) || *b == 0xa9) {
            return Ok(at);
        }
        let size = match size {
            0 if name == b"mdat" => left,
            1 => u64_be(&head, 8).unwrap_or(0),
            size => size,
        };
        if size < 8 {
            return Ok(at);
        }
        if size > left {
            return Err(cut_off(at, "film or picture"));
        }
        at += size;
        if at == source.len() {
            return Ok(at);
        }
    }
    Ok(source.len())
}

pub(super) fn is_ebml(head: &[u8], _length: u64) -> bool {
    let start = head.get(..64.min(head.len())).unwrap_or_default();
    head.starts_with(b"\x1aE\xdf\xa3")
        && (memchr::memmem::find(start, b"webm").is_some() || memchr::memmem::find(start, b"matroska").is_some())
}

/// WebM and Matroska: a header and a segment, each with a length.
pub(super) fn ebml(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let mut cursor = Cursor::at(source, 0);
    while !cursor.at_end() {
        scan.steps(1)?;
        let at = cursor.position();
        let id = variable(&mut cursor, false)?;
        if !matches!(id, Some(0x1a45_dfa3 | 0x1853_8067 | 0xec)) {
            // Readers leave out elements that they do not know; only what runs is no element.
            let rest = source.read_up_to(at, 64)?;
            return Ok(if rest.first() != Some(&0) && sniff::of(&rest).is_none() { source.len() } else { at });
        }
        let Some(length) = variable(&mut cursor, true)? else { return Ok(source.len()) };
        if length > cursor.left() {
            return Err(cut_off(at, "film"));
        }
        cursor.skip(length)?;
    }
    Ok(source.len())
}

/// A number whose first bits say how long it is; nothing where it says that it is unknown.
fn variable(cursor: &mut Cursor<'_>, is_length: bool) -> Scanned<Option<u64>> {
    let at = cursor.position();
    let first = cursor.u8()?;
    let more = first.leading_zeros();
    if more > 7 {
        return Err(Stop::broken(at, "an element's length makes no sense"));
    }
    let mask = if is_length { 0xff_u32 >> (more + 1) } else { 0xff };
    let mut value = u64::from(u32::from(first) & mask);
    let mut all_ones = u32::from(first) & mask == mask;
    for _ in 0..more {
        let byte = cursor.u8()?;
        all_ones &= byte == 0xff;
        value = value << 8 | u64::from(byte);
    }
    Ok((!(is_length && all_ones)).then_some(value))
}

/// GLB: a scene, of which the length stands in the header.
pub(super) fn glb(_scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let head = source.read_up_to(0, 20)?;
    let size = u32_le(&head, 8).unwrap_or(0);
    if !(20..=source.len()).contains(&size) {
        return Err(cut_off(8, "scene"));
    }
    Ok(size)
}
