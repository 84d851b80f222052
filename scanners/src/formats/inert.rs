//! Ordinary content that no loader runs: pictures, sound, film, fonts, tables, vocabularies, logs.
//!
//! Each kind is walked as far as its structure goes. What lies behind its end is looked at as a file of its own, so that
//! nothing hides by following a picture. Nothing is decoded.

mod database;
mod film;
mod fonts;
mod pictures;
mod records;
mod sound;
mod tables;

use crate::{
    formats::{Format, HEAD, Match, Probe, gap},
    scan::{Scan, Scanned, Stop},
    source::Source,
};

pub(crate) const FORMAT: Format = Format { name: "ordinary data", recognise, inspect };

/// One kind of ordinary content.
struct Content {
    name: &'static str,
    is: fn(&[u8], u64) -> bool,
    /// Answers where the content ends.
    walk: fn(&mut Scan<'_>, &Source) -> Scanned<u64>,
}

/// After so many pages, frames, boxes or records in order, what follows is taken to be more of them.
const MANY: u64 = 4096;

const CONTENTS: &[Content] = &[
    Content { name: "png", is: |head, _| head.starts_with(b"\x89PNG\r\n\x1a\n"), walk: pictures::png },
    Content { name: "jpeg", is: |head, _| head.starts_with(b"\xff\xd8\xff"), walk: pictures::jpeg },
    Content {
        name: "gif",
        is: |head, _| head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a"),
        walk: pictures::gif,
    },
    Content { name: "webp", is: |head, _| is_riff(head, &[b"WEBP"]), walk: sound::riff },
    Content { name: "bmp", is: pictures::is_bmp, walk: pictures::bmp },
    Content { name: "tiff", is: pictures::is_tiff, walk: pictures::tiff },
    Content { name: "netpbm", is: |head, _| pictures::netpbm_size(head).is_some(), walk: pictures::netpbm },
    Content { name: "ico", is: pictures::is_ico, walk: pictures::ico },
    Content { name: "wav", is: |head, _| is_riff(head, &[b"WAVE"]), walk: sound::riff },
    Content { name: "avi", is: |head, _| is_riff(head, &[b"AVI "]), walk: sound::riff },
    Content {
        name: "flac",
        is: |head, _| head.starts_with(b"fLaC\0") || head.starts_with(b"fLaC\x80"),
        walk: sound::flac,
    },
    Content { name: "ogg", is: |head, _| head.starts_with(b"OggS\0"), walk: sound::ogg },
    Content { name: "mp3", is: sound::is_mp3, walk: sound::mp3 },
    Content {
        name: "aiff",
        is: |head, _| head.starts_with(b"FORM") && head.get(8..11) == Some(b"AIF"),
        walk: sound::iff,
    },
    Content { name: "midi", is: |head, _| head.starts_with(b"MThd\0\0\0\x06"), walk: sound::midi },
    Content { name: "picture in boxes", is: film::is_picture, walk: film::boxes },
    Content { name: "icns", is: |head, _| head.starts_with(b"icns\0"), walk: sound::iff },
    Content { name: "mp4", is: film::is_boxes, walk: film::boxes },
    Content { name: "matroska", is: film::is_ebml, walk: film::ebml },
    Content { name: "glb", is: |head, _| head.starts_with(b"glTF\x02\0\0\0"), walk: film::glb },
    Content { name: "font", is: fonts::is_sfnt, walk: fonts::sfnt },
    Content { name: "web font", is: fonts::is_woff, walk: fonts::woff },
    Content { name: "parquet", is: |head, _| head.starts_with(b"PAR1"), walk: tables::parquet },
    Content { name: "arrow", is: |head, _| head.starts_with(b"ARROW1"), walk: tables::arrow_file },
    Content { name: "arrow stream", is: tables::is_arrow_stream, walk: tables::arrow_stream },
    Content { name: "feather", is: |head, _| head.starts_with(b"FEA1"), walk: tables::feather },
    Content { name: "tfrecord", is: records::is_records, walk: records::records },
    Content { name: "sentencepiece", is: tables::is_pieces, walk: tables::pieces },
    Content { name: "sqlite", is: |head, _| head.starts_with(b"SQLite format 3\0"), walk: database::sqlite },
    Content { name: "mat", is: |head, _| head.starts_with(b"MATLAB 5.0 MAT-file"), walk: tables::matlab },
    Content { name: "desktop file", is: |head, _| head.starts_with(b"\0\0\0\x01Bud1"), walk: tables::desktop },
];

fn is_riff(head: &[u8], kinds: &[&[u8]]) -> bool {
    (head.starts_with(b"RIFF") || head.starts_with(b"RF64"))
        && head.get(8..12).is_some_and(|kind| kinds.contains(&kind))
}

fn which(head: &[u8], length: u64) -> Option<&'static Content> {
    CONTENTS.iter().find(|content| (content.is)(head, length))
}

fn recognise(probe: &Probe<'_>) -> Match {
    if which(&probe.head, probe.len()).is_some() { Match::Content } else { Match::No }
}

fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let head = source.read_up_to(0, HEAD)?;
    let Some(content) = which(&head, source.len()) else { return Ok(()) };
    scan.is_unless_named(content.name);
    let end = match (content.walk)(scan, source) {
        Err(stop @ Stop::Broken { .. }) => {
            gap::search(scan, source)?;
            return Err(stop);
        }
        done => done?.min(source.len()),
    };
    scan.inert(source, 0..end);
    gap::look(scan, source, end..source.len(), "behind the end of the content")
}

/// A pointer that stands for a file which is stored elsewhere: text, and not what the name says.
pub(crate) fn is_pointer(head: &[u8]) -> bool {
    head.len() < 1024 && head.starts_with(b"version https://git-lfs.github.com/spec/")
}

fn u32_le(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(|b| u64::from(u32::from_le_bytes(b)))
}

fn u32_be(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(|b| u64::from(u32::from_be_bytes(b)))
}

fn u16_le(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(|b| u64::from(u16::from_le_bytes(b)))
}

fn u16_be(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(|b| u64::from(u16::from_be_bytes(b)))
}

fn u64_le(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

fn u64_be(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_be_bytes)
}

fn cut_off(at: u64, what: &str) -> Stop {
    Stop::broken(at, format!("the {what} is cut off"))
}

#[cfg(test)]
mod tests;
