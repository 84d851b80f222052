//! Pictures, walked by their chunks, segments and blocks. No pixel is decoded.

use super::{cut_off, u16_be, u16_le, u32_be, u32_le, u64_be, u64_le};
use crate::{
    formats::gap,
    read::cursor::Cursor,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// PNG: chunks up to `IEND`.
pub(super) fn png(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let mut cursor = Cursor::at(source, 8);
    let mut first = true;
    loop {
        scan.steps(1)?;
        let at = cursor.position();
        let length = cursor.u32_be()?;
        let kind = cursor.bytes(4)?;
        if length > 1 << 31 || !kind.iter().all(u8::is_ascii_alphabetic) || (first && &kind[..] != b"IHDR") {
            return Err(Stop::broken(at, "a PNG chunk makes no sense"));
        }
        first = false;
        let body = cursor.position();
        cursor.skip(u64::from(length) + 4)?;
        let usual = [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"fdAT", b"iCCP"].iter().any(|name| &kind[..] == *name);
        if !usual && length > 4 {
            gap::carried(scan, source, body..body + u64::from(length), "in a chunk of a picture")?;
        }
        if &kind[..] == b"IEND" {
            return Ok(cursor.position());
        }
    }
}

/// JPEG: segments, and the coded data between them, up to the end marker.
pub(super) fn jpeg(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let mut cursor = Cursor::at(source, 2);
    loop {
        scan.steps(1)?;
        let at = cursor.position();
        let mut marker = cursor.u8()?;
        if marker != 0xff {
            return Err(Stop::broken(at, "a JPEG segment does not begin with a marker"));
        }
        while marker == 0xff {
            marker = cursor.u8()?;
        }
        match marker {
            0xd9 => return Ok(cursor.position()),
            0x01 | 0xd0..=0xd8 => {}
            0 => return Err(Stop::broken(at, "a JPEG marker makes no sense")),
            marker => {
                let length = cursor.u16_be()?;
                let body = cursor.skip(u64::from(length.saturating_sub(2)))?;
                if matches!(marker, 0xe0..=0xef | 0xfe) {
                    gap::carried(scan, source, body, "in a comment of a picture")?;
                }
                if marker == 0xda {
                    let next = after_coded(scan, source, cursor.position())?;
                    cursor.go(next);
                }
            }
        }
    }
}

/// Where the coded data that begins at `at` ends: at the first marker that is neither stuffed nor a restart.
fn after_coded(scan: &mut Scan<'_>, source: &Source, mut at: u64) -> Scanned<u64> {
    loop {
        let window = source.read_up_to(at, 1 << 18)?;
        scan.steps(window.len() as u64 / 256 + 1)?;
        if window.len() < 2 {
            return Err(cut_off(at, "picture"));
        }
        let inside = window.len() - 1;
        let found = memchr::memchr_iter(0xff, window.get(..inside).unwrap_or_default())
            .find(|here| !matches!(window.get(here + 1), Some(0 | 0xd0..=0xd7 | 0xff)));
        match found {
            Some(here) => return Ok(at + here as u64),
            None => at += inside as u64,
        }
    }
}

/// GIF: blocks up to the trailer.
pub(super) fn gif(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let mut cursor = Cursor::at(source, 10);
    let table = |flags: u8| if flags & 0x80 != 0 { 3_u64 << ((flags & 7) + 1) } else { 0 };
    let flags = cursor.u8()?;
    cursor.skip(2 + table(flags))?;
    loop {
        scan.steps(1)?;
        let at = cursor.position();
        match cursor.u8()? {
            0x3b => return Ok(cursor.position()),
            0x21 => {
                cursor.skip(1)?;
            }
            0x2c => {
                cursor.skip(8)?;
                let flags = cursor.u8()?;
                cursor.skip(table(flags) + 1)?;
            }
            _ => return Err(Stop::broken(at, "a GIF block makes no sense")),
        }
        loop {
            scan.steps(1)?;
            let length = cursor.u8()?;
            cursor.skip(u64::from(length))?;
            if length == 0 {
                break;
            }
        }
    }
}

pub(super) fn is_bmp(head: &[u8], length: u64) -> bool {
    let header = u32_le(head, 14).is_some_and(|size| matches!(size, 12 | 40 | 52 | 56 | 64 | 108 | 124));
    let pixels = u32_le(head, 10).is_some_and(|at| (26..length.max(27)).contains(&at));
    head.starts_with(b"BM") && header && pixels
}

/// BMP: its size stands in its header; some writers leave it out.
pub(super) fn bmp(_scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let head = source.read_up_to(0, 64)?;
    let size = u32_le(&head, 2).unwrap_or(0);
    Ok(if (54..source.len()).contains(&size) { size } else { source.len() })
}

pub(super) fn is_tiff(head: &[u8], _length: u64) -> bool {
    matches!(head.get(..4), Some(b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+"))
}

/// TIFF: directories that name places all over the file. The first has to be there and make sense.
pub(super) fn tiff(_scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let head = source.read_up_to(0, 16)?;
    let little = head.first() == Some(&b'I');
    let large = head.contains(&b'+');
    let at = match (large, little) {
        (true, true) => u64_le(&head, 8),
        (true, false) => u64_be(&head, 8),
        (false, true) => u32_le(&head, 4),
        (false, false) => u32_be(&head, 4),
    };
    let at = at.filter(|at| *at >= 8 && *at < source.len()).ok_or_else(|| cut_off(4, "picture"))?;
    let directory = source.read_up_to(at, 12)?;
    let count = match (large, little) {
        (true, true) => u64_le(&directory, 0),
        (true, false) => u64_be(&directory, 0),
        (false, true) => u16_le(&directory, 0),
        (false, false) => u16_be(&directory, 0),
    };
    let each = if large { 20 } else { 12 };
    let fits = |count: u64| count > 0 && count < 4096 && at + count * each <= source.len();
    if !count.is_some_and(fits) {
        return Err(Stop::broken(at, "a TIFF directory makes no sense"));
    }
    Ok(source.len())
}

pub(super) fn is_ico(head: &[u8], length: u64) -> bool {
    let count = u16_le(head, 4).unwrap_or(0);
    let first = (u32_le(head, 14), u32_le(head, 18));
    matches!(head.get(..4), Some(b"\0\0\x01\0" | b"\0\0\x02\0"))
        && (1..=64).contains(&count)
        && head.get(9) == Some(&0)
        && matches!(first, (Some(size), Some(at)) if at >= 6 + 16 * count && size > 0 && at + size <= length)
}

/// ICO: a list of pictures with their places.
pub(super) fn ico(_scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let head = source.read_up_to(0, 6 + 64 * 16)?;
    let count = usize::try_from(u16_le(&head, 4).unwrap_or(0)).unwrap_or(0);
    let mut end = 0;
    for entry in 0..count {
        let (size, at) = (u32_le(&head, 14 + entry * 16), u32_le(&head, 18 + entry * 16));
        let (Some(size), Some(at)) = (size, at) else { return Err(cut_off(0, "picture")) };
        end = end.max(at + size);
    }
    if end > source.len() { Err(cut_off(end, "picture")) } else { Ok(end) }
}

/// The length of a raw PGM or PPM, from its words: width, height and the largest value.
pub(super) fn netpbm_size(head: &[u8]) -> Option<u64> {
    let channels = match head.get(..3)? {
        [b'P', b'5', b'\n' | b' '] => 1,
        [b'P', b'6', b'\n' | b' '] => 3,
        _ => return None,
    };
    let (mut at, mut words) = (3, [0_u64; 3]);
    for word in &mut words {
        while head.get(at) == Some(&b'#') {
            at += head.get(at..)?.iter().position(|b| *b == b'\n')? + 1;
        }
        let digits = head.get(at..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        *word = std::str::from_utf8(head.get(at..at + digits)?).ok()?.parse().ok()?;
        at += digits + 1;
    }
    let [width, height, most] = words;
    let bytes = if most < 256 { 1 } else { 2 };
    (at as u64).checked_add(width.checked_mul(height)?.checked_mul(channels * bytes)?)
}

/// Raw PGM and PPM: a line of numbers and pixels.
pub(super) fn netpbm(_scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let head = source.read_up_to(0, crate::formats::HEAD)?;
    netpbm_size(&head).filter(|end| *end <= source.len()).ok_or_else(|| cut_off(0, "picture"))
}
