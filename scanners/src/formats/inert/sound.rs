//! Sound: chunks, pages and frames, walked by their lengths.

use super::{MANY, cut_off, u32_be, u32_le};
use crate::{
    formats::gap,
    read::cursor::Cursor,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// RIFF (WAV, AVI, WebP): chunks within a length; long films have several such lengths one behind the other.
pub(super) fn riff(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let mut start = 0;
    loop {
        let head = source.read_up_to(start, 12)?;
        let size = u32_le(&head, 4).ok_or_else(|| cut_off(start, "file"))?;
        // A writer that could not go back left no length.
        if size == 0 || size == u64::from(u32::MAX) {
            return Ok(source.len());
        }
        let end = start + 8 + size;
        if end > source.len() {
            return Err(cut_off(start, "file"));
        }
        chunks(scan, source, start + 12, end)?;
        let end = (end + (size & 1)).min(source.len());
        if source.read_up_to(end, 4)?[..] != *b"RIFF" {
            return Ok(end);
        }
        start = end;
    }
}

fn chunks(scan: &mut Scan<'_>, source: &Source, mut at: u64, end: u64) -> Scanned<()> {
    while at + 8 <= end {
        scan.steps(1)?;
        let head = source.read(at..at + 8)?;
        if head.iter().all(|b| *b == 0) {
            return Ok(());
        }
        let plain = head.get(..4).is_some_and(|id| id.iter().all(|b| (b' '..=b'~').contains(b)));
        let size = u32_le(&head, 4).unwrap_or(0);
        if !plain || at + 8 + size > end {
            return Err(Stop::broken(at, "a RIFF chunk makes no sense"));
        }
        if !matches!(head.get(..4), Some(b"data" | b"LIST" | b"fmt " | b"idx1" | b"VP8 " | b"VP8L" | b"ALPH" | b"ANMF"))
        {
            gap::carried(scan, source, at + 8..at + 8 + size, "in a chunk")?;
        }
        at += 8 + size + (size & 1);
    }
    Ok(())
}

/// AIFF and icons: one length in the other byte order.
pub(super) fn iff(_scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let head = source.read_up_to(0, 8)?;
    // Collections of icons count their own head.
    let own = if head.starts_with(b"icns") { 0 } else { 8 };
    let end = u32_be(&head, 4).unwrap_or(0) + own;
    if end > source.len() { Err(cut_off(0, "sound")) } else { Ok(end) }
}

/// MIDI: a header and tracks.
pub(super) fn midi(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let mut at = 14;
    loop {
        scan.steps(1)?;
        let head = source.read_up_to(at, 8)?;
        if !head.starts_with(b"MTrk") {
            return Ok(at);
        }
        at += 8 + u32_be(&head, 4).unwrap_or(0);
        if at > source.len() {
            return Err(cut_off(at, "music"));
        }
    }
}

/// FLAC: blocks of metadata, then frames to the end.
pub(super) fn flac(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let mut cursor = Cursor::at(source, 4);
    loop {
        scan.steps(1)?;
        let head = cursor.u32_be()?;
        cursor.skip(u64::from(head & 0x00ff_ffff))?;
        if head >> 31 == 1 {
            break;
        }
    }
    let at = cursor.position();
    if cursor.left() > 0 && cursor.u16_be()? >> 2 != 0x3ffe {
        return Err(Stop::broken(at, "no FLAC frame follows the metadata"));
    }
    Ok(source.len())
}

/// Ogg: pages, each with the lengths of its parts.
pub(super) fn ogg(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let mut cursor = Cursor::at(source, 0);
    for _ in 0..MANY {
        scan.steps(1)?;
        let at = cursor.position();
        if cursor.left() < 27 {
            return Ok(at);
        }
        let head = cursor.bytes(27)?;
        if !head.starts_with(b"OggS\0") {
            return Ok(at);
        }
        let parts = u64::from(head.get(26).copied().unwrap_or(0));
        let lengths = cursor.bytes(parts)?;
        cursor.skip(lengths.iter().map(|b| u64::from(*b)).sum())?;
    }
    Ok(source.len())
}

/// The length of the frame that these four bytes begin, if they do.
fn frame(head: u32) -> Option<u64> {
    const RATES: [[u32; 14]; 5] = [
        [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let (version, layer) = (head >> 19 & 3, head >> 17 & 3);
    if head >> 21 != 0x7ff || version == 1 || layer == 0 {
        return None;
    }
    let row = match (version == 3, layer) {
        (true, 3) => 0,
        (true, 2) => 1,
        (true, _) => 2,
        (false, 3) => 3,
        (false, _) => 4,
    };
    let rate = RATES.get(row)?.get(usize::try_from((head >> 12 & 15).checked_sub(1)?).ok()?)?;
    let samples = [44_100, 48_000, 32_000].get(usize::try_from(head >> 10 & 3).ok()?)?;
    let samples = samples >> [2, 0, 1, 0].get(usize::try_from(version).ok()?)?;
    let padding = u64::from(head >> 9 & 1);
    let (rate, samples) = (u64::from(*rate) * 1000, u64::from(samples_of(samples)));
    Some(match (layer, version == 3) {
        (3, _) => (12 * rate / samples + padding) * 4,
        (1, false) => 72 * rate / samples + padding,
        _ => 144 * rate / samples + padding,
    })
}

fn samples_of(samples: u32) -> u32 {
    samples.max(1)
}

/// The length of a tag at the start.
fn tag(head: &[u8]) -> u64 {
    match head.get(..10) {
        Some([b'I', b'D', b'3', 2..=4, _, flags, size @ ..]) => {
            let size = size.iter().fold(0_u64, |all, b| all << 7 | u64::from(b & 0x7f));
            size + if flags & 0x10 != 0 { 20 } else { 10 }
        }
        _ => 0,
    }
}

pub(super) fn is_mp3(head: &[u8], _length: u64) -> bool {
    if tag(head) > 0 {
        return true;
    }
    let at = |place: u64| u32_be(head, usize::try_from(place).ok()?).and_then(|h| frame(u32::try_from(h).ok()?));
    let second = at(0);
    second.is_some_and(|second| at(second).is_some())
}

/// MP3: a tag, then frames, then perhaps older tags.
pub(super) fn mp3(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let head = source.read_up_to(0, 10)?;
    let start = tag(&head);
    if start > source.len() {
        return Err(cut_off(0, "sound"));
    }
    let mut cursor = Cursor::at(source, start);
    // Some writers pad a tag beyond its own length.
    while start > 0 && cursor.peek()? == Some(0) {
        scan.steps(1)?;
        cursor.skip(1)?;
    }
    for _ in 0..MANY {
        scan.steps(1)?;
        let at = cursor.position();
        if cursor.left() < 4 {
            return Ok(source.len());
        }
        let Some(length) = frame(cursor.u32_be()?) else { return behind_frames(source, at, start) };
        // The last frame is often cut short.
        let length = length.saturating_sub(4).min(cursor.left());
        cursor.skip(length)?;
    }
    Ok(source.len())
}

fn behind_frames(source: &Source, at: u64, start: u64) -> Scanned<u64> {
    let rest = source.read_up_to(at, 16)?;
    let known: [&[u8]; 4] = [b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3"];
    if at == start {
        return Err(Stop::broken(at, "no MP3 frame follows the tag"));
    }
    Ok(if known.iter().any(|tag| rest.starts_with(tag)) { source.len().min(at + (16 << 20)) } else { at })
}
