//! One compressed stream that is a file: `.gz`, `.xz`, a joblib file, …. What it unpacks to is recognised by content.

use crate::{
    formats::{Match, Probe},
    rules,
    scan::{Scan, Scanned, in_memory},
    source::Source,
    unpack::{Codec, taste, unpack},
};

/// The ends of names that say how a file is packed, with what is left of the name.
const ENDS: &[(&str, &str)] = &[
    (".tgz", ".tar"),
    (".tbz2", ".tar"),
    (".tbz", ".tar"),
    (".txz", ".tar"),
    (".tzst", ".tar"),
    (".gz", ""),
    (".gzip", ""),
    (".bz2", ""),
    (".xz", ""),
    (".lzma", ""),
    (".lz4", ""),
    (".zst", ""),
    (".zstd", ""),
    (".zlib", ""),
    (".z", ""),
];

/// More than this is not made for a taste.
const LARGE_WINDOW: u32 = 64 << 20;

/// In the oldest joblib files the zlib stream follows a mark and its size in hexadecimal.
const ZFILE_HEADER: u64 = 21;

pub(crate) fn gzip(probe: &Probe<'_>) -> Match {
    by(probe.starts_with(b"\x1f\x8b\x08"))
}

pub(crate) fn bzip2(probe: &Probe<'_>) -> Match {
    let block = [b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90"];
    by(probe.starts_with(b"BZh") && block.iter().any(|magic| probe.has_at(4, *magic)))
}

pub(crate) fn xz(probe: &Probe<'_>) -> Match {
    by(probe.starts_with(b"\xfd7zXZ\0"))
}

/// Without a magic number: the usual properties, a size, and the zero with which every such stream begins.
pub(crate) fn lzma(probe: &Probe<'_>) -> Match {
    let Some([0x5d, a, b, c, d, size @ .., 0]) = probe.head.get(..14) else { return Match::No };
    let plausible = size == [0xff; 8] || size.get(5..) == Some(&[0; 3]);
    let back = u32::from_le_bytes([*a, *b, *c, *d]);
    let usual = back == u32::MAX || back.is_power_of_two() || (back.count_ones() == 2 && back & (back >> 1) != 0);
    by(plausible && usual && (back > LARGE_WINDOW || makes(probe, Codec::LzmaAlone)))
}

pub(crate) fn lz4(probe: &Probe<'_>) -> Match {
    let start = after_skippable(&probe.head);
    by(start.starts_with(b"\x04\x22\x4d\x18") || start.starts_with(b"\x02\x21\x4c\x18"))
}

pub(crate) fn zstd(probe: &Probe<'_>) -> Match {
    let start = after_skippable(&probe.head);
    // Where more is skipped than can be seen here, zstd's is the likelier of the two.
    by(start.starts_with(b"\x28\xb5\x2f\xfd") || start.is_empty() && is_skippable(&probe.head))
}

/// Two bytes are little to go by: the stream has to make something.
pub(crate) fn zlib(probe: &Probe<'_>) -> Match {
    let header = match probe.head.get(..2) {
        Some([0x78, flags]) => flags & 0x20 == 0 && (0x7800 + u16::from(*flags)) % 31 == 0,
        _ => false,
    };
    by(header && makes(probe, Codec::Zlib))
}

pub(crate) fn zfile(probe: &Probe<'_>) -> Match {
    by(probe.starts_with(b"ZF0x") || probe.starts_with(b"ZF 0x"))
}

pub(crate) fn inspect_gzip(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    stream(scan, source, 0, Codec::Gzip)
}

pub(crate) fn inspect_bzip2(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    stream(scan, source, 0, Codec::Bzip2)
}

pub(crate) fn inspect_xz(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    stream(scan, source, 0, Codec::Xz)
}

pub(crate) fn inspect_lzma(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    stream(scan, source, 0, Codec::LzmaAlone)
}

pub(crate) fn inspect_lz4(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    stream(scan, source, 0, Codec::Lz4Frame)
}

pub(crate) fn inspect_zstd(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    stream(scan, source, 0, Codec::Zstd)
}

pub(crate) fn inspect_zlib(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    stream(scan, source, 0, Codec::Zlib)
}

pub(crate) fn inspect_zfile(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    // The header is one byte longer when Python 2 wrote it.
    let head = source.read_up_to(0, ZFILE_HEADER + 1)?;
    let start = if head.get(21) == Some(&b' ') { ZFILE_HEADER + 1 } else { ZFILE_HEADER };
    scan.inspected(source, 0..start);
    stream(scan, source, start, Codec::Zlib)
}

fn stream(scan: &mut Scan<'_>, source: &Source, start: u64, codec: Codec) -> Scanned<()> {
    let start = start.min(source.len());
    let made = unpack(scan, source, start..source.len(), codec)?;
    let child = scan.made(source, &inner_name(source.file_name()), made.bytes);
    scan.inner(&child);
    if !scan.is_complete(&child) {
        // As one it is nothing that is known. Programs that take the members one by one see each of them.
        let ends = made.starts.iter().skip(1).copied().chain([child.len()]);
        for (start, end) in made.starts.iter().zip(ends) {
            scan.inner(&child.part(*start..end));
        }
    }
    for range in made.unread {
        scan.inner(&source.member("field of a header", range));
    }
    let whole = made.stop.is_none();
    if let Some(stop) = made.stop {
        scan.stopped(&child, stop);
    }
    let end = start + made.used;
    scan.fold(&child, source, start..end);
    if whole && end < source.len() {
        let message = format!("{} bytes follow the end of the {} stream.", source.len() - end, codec.name());
        scan.found(&rules::ZIP_EXTRA_DATA, source, end, message);
        scan.inner(&source.part(end..source.len()));
    }
    Ok(())
}

/// The name without the end that says how it is packed.
fn inner_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    for (end, left) in ENDS {
        if lower.ends_with(end)
            && let Some(stem) = name.get(..name.len() - end.len())
        {
            return format!("{stem}{left}");
        }
    }
    name.to_owned()
}

fn by(content: bool) -> Match {
    if content { Match::Content } else { Match::No }
}

/// Whether the first bytes unpack to something.
fn makes(probe: &Probe<'_>, codec: Codec) -> bool {
    let head = Source::new("", in_memory(probe.head.clone()), 0);
    let made = taste(&head, 0..head.len(), codec, 16).map_or(0, |made| made.len());
    made >= 16 || made > 0 && probe.len() < 64
}

fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// The first bytes without the frames that loaders skip; nothing where these go on further.
fn after_skippable(head: &[u8]) -> &[u8] {
    let mut rest = head;
    while let [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, ..] = rest {
        let length = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
        rest = rest.get(length.saturating_add(8)..).unwrap_or_default();
    }
    rest
}
