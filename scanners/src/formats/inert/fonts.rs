//! Fonts: tables with places and lengths.

use super::{cut_off, u16_be, u32_be};
use crate::{
    scan::{Scan, Scanned},
    source::Source,
};

pub(super) fn is_sfnt(head: &[u8], _length: u64) -> bool {
    let count = u16_be(head, 4).unwrap_or(0);
    let table = head.get(12..16).is_some_and(|name| name.iter().all(|b| (b' '..=b'~').contains(b)));
    match head.get(..4) {
        Some(b"\0\x01\0\0" | b"true" | b"OTTO") => (1..=256).contains(&count) && table,
        Some(b"ttcf") => u32_be(head, 8).is_some_and(|fonts| (1..=256).contains(&fonts)),
        _ => false,
    }
}

/// TrueType and OpenType: the end of the last table. Collections share their tables and are taken as a whole.
pub(super) fn sfnt(_scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let head = source.read_up_to(0, 12 + 256 * 16)?;
    if head.starts_with(b"ttcf") {
        return Ok(source.len());
    }
    let count = usize::try_from(u16_be(&head, 4).unwrap_or(0)).unwrap_or(0);
    let mut end = 12 + 16 * count as u64;
    for table in 0..count {
        let (at, size) = (u32_be(&head, 20 + table * 16), u32_be(&head, 24 + table * 16));
        let (Some(at), Some(size)) = (at, size) else { return Err(cut_off(0, "font")) };
        end = end.max(at + size);
    }
    if end > source.len() {
        return Err(cut_off(end, "font"));
    }
    Ok(end.next_multiple_of(4).min(source.len()))
}

pub(super) fn is_woff(head: &[u8], length: u64) -> bool {
    let size = u32_be(head, 8).unwrap_or(0);
    (head.starts_with(b"wOFF") || head.starts_with(b"wOF2")) && (44..=length.max(44)).contains(&size)
}

pub(super) fn woff(_scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let head = source.read_up_to(0, 12)?;
    u32_be(&head, 8).filter(|end| *end <= source.len()).ok_or_else(|| cut_off(8, "font"))
}
