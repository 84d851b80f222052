//! Tests of the decompressors: what goes in comes out, several members, damage at every byte, and more than may be held.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::io::Write;

use flate2::{Compression, write};

use super::*;
use crate::limits::Limits;

const SENTENCE: &[u8] = b"A model weighs as much as its weights. ";
const XZ: &[u8] = b"\xfd\x37\x7a\x58\x5a\x00\x00\x01\x69\x22\xde\x36\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\xe0\x06\x17\x00\x2f\x5d\x00\x20\x88\x09\xa6\xf3\x45\x83\xa8\xdd\x2a\x50\x0c\x3e\x83\xba\xd4\x49\xa0\xfa\xbd\x5a\x14\xf6\xc5\xda\xe7\xe8\x7f\x3e\x5a\x2a\x1c\x29\xd7\x63\xc7\x3a\xb1\x6b\xad\x93\xb2\x51\xd3\x4c\x6c\x00\x00\x00\x18\x9b\xef\x5e\x00\x01\x47\x98\x0c\x00\x00\x00\x60\x3d\xa8\x7a\x3e\x30\x0d\x8b\x02\x00\x00\x00\x00\x01\x59\x5a";
const LZMA: &[u8] = b"\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x20\x88\x09\xa6\xf3\x45\x83\xa8\xdd\x2a\x50\x0c\x3e\x83\xba\xd4\x49\xa0\xfa\xbd\x5a\x14\xf6\xc5\xda\xe7\xe8\x7f\x3e\x5a\x2a\x1c\x29\xd7\x63\xc7\x3a\xb1\x6b\xad\x93\xb2\x51\xd5\x04\x7c\x49\x9f\xff\x1f\xc8\x00\x00";

fn text() -> Vec<u8> {
    SENTENCE.repeat(40)
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}

fn pack(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    macro_rules! with {
        ($encoder:expr) => {{
            let mut encoder = $encoder;
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }};
    }
    match codec {
        Codec::Deflate => with!(write::DeflateEncoder::new(Vec::new(), Compression::default())),
        Codec::Zlib => with!(write::ZlibEncoder::new(Vec::new(), Compression::default())),
        Codec::Gzip => with!(write::GzEncoder::new(Vec::new(), Compression::default())),
        Codec::Bzip2 => with!(bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default())),
        Codec::Lz4Frame => with!(lz4_flex::frame::FrameEncoder::new(Vec::new())),
        Codec::Zstd => ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest),
        Codec::Xz => XZ.to_vec(),
        Codec::LzmaAlone | Codec::ZipLzma => LZMA.to_vec(),
    }
}

fn open(codec: Codec, packed: Vec<u8>, limits: &Limits) -> (Source, Unpacked) {
    let source = Source::new("file", in_memory(packed), 0);
    let mut scan = Scan::new(source.len(), limits, None);
    let made = unpack(&mut scan, &source, 0..source.len(), codec).unwrap();
    (source, made)
}

fn all(made: &Unpacked) -> Vec<u8> {
    made.bytes.read_at(0..made.bytes.size()).unwrap().to_vec()
}

const ALL: [Codec; 8] =
    [Codec::Deflate, Codec::Zlib, Codec::Gzip, Codec::Bzip2, Codec::Xz, Codec::LzmaAlone, Codec::Lz4Frame, Codec::Zstd];

#[test]
fn what_goes_in_comes_out_and_what_follows_is_not_used() {
    for codec in ALL {
        let packed = pack(codec, &text());
        let length = packed.len() as u64;
        for tail in [&b""[..], b"tail that is no member"] {
            let (_, made) = open(codec, [&packed, tail].concat(), &Limits::default());
            assert!(made.stop.is_none(), "{codec:?}: {:?}", made.stop);
            assert_eq!((all(&made), made.used), (text(), length), "{codec:?}");
            let alone = matches!(codec, Codec::Gzip | Codec::Zlib | Codec::Lz4Frame);
            assert_eq!(made.crc, (!alone).then(|| checksum(&text())), "{codec:?}");
        }
    }
}

#[test]
fn what_is_too_much_to_hold_is_read_as_what_it_is() {
    let long: Vec<u8> = (0..3_000_000_u32).flat_map(|n| (n ^ n >> 7).to_le_bytes()).collect();
    let packed = pack(Codec::Gzip, &long);
    let (_, made) = open(Codec::Gzip, packed, &Limits { memory_bytes: 1 << 20, ..Limits::default() });
    assert!(made.stop.is_none() && made.bytes.size() == long.len() as u64);
    let ends = [0..10, 1_048_570..1_048_580, 5_000_000..5_000_100, 11_999_000..12_000_000, 10_951_420..10_951_430];
    for range in ends.into_iter().chain((0..120).map(|n| n * 99_991..n * 99_991 + 5000)) {
        let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
        assert!(made.bytes.read_at(range).unwrap() == long[start..end], "{start}..{end}");
    }
}

#[test]
fn loaders_read_on_into_the_next_member_and_so_do_we() {
    let skipped: &[u8] = b"\x53\x2a\x4d\x18\x05\0\0\0other";
    for codec in [Codec::Zlib, Codec::Gzip, Codec::Bzip2, Codec::Xz, Codec::Lz4Frame, Codec::Zstd] {
        let packed = pack(codec, &text());
        let between: &[u8] = match codec {
            Codec::Gzip => &[0; 7],
            Codec::Xz => &[0; 8],
            Codec::Lz4Frame | Codec::Zstd => skipped,
            _ => &[],
        };
        let (source, made) = open(codec, [&packed, between, &packed].concat(), &Limits::default());
        assert!(made.stop.is_none(), "{codec:?}: {:?}", made.stop);
        assert_eq!((all(&made), made.used), ([text(), text()].concat(), source.len()), "{codec:?}");
    }
}

#[test]
fn what_stands_before_a_break_is_kept_and_a_break_is_never_an_end() {
    for codec in ALL {
        let packed = pack(codec, &text());
        for cut in 0..packed.len() {
            let (_, made) = open(codec, packed[..cut].to_vec(), &Limits::default());
            let skippable_only = cut == 0 && codec == Codec::Zstd;
            assert!(made.stop.is_some() || skippable_only, "{codec:?} cut at {cut} has no end");
            assert!(text().starts_with(&all(&made)), "{codec:?} cut at {cut}");
        }
        let (_, nearly) = open(codec, packed[..packed.len() - 1].to_vec(), &Limits::default());
        assert!(!all(&nearly).is_empty(), "{codec:?}");
    }
    // Each byte of what was made before the damage is there, although decoders give whole pieces only.
    let mut packed = pack(Codec::Deflate, &noise(60_000));
    let middle = packed.len() / 2;
    packed.truncate(middle);
    let (_, made) = open(Codec::Deflate, packed, &Limits::default());
    assert!(made.bytes.size() > 20_000, "{}", made.bytes.size());
}

#[test]
fn an_empty_block_does_not_end_an_lz4_frame() {
    let header = b"\x04\x22\x4d\x18\x60\x40\x82";
    let plain = |bytes: &[u8]| [&(0x8000_0000_u32 + u32::try_from(bytes.len()).unwrap()).to_le_bytes(), bytes].concat();
    let empty = b"\x01\0\0\0\0";
    let frame = [&header[..], &plain(b"one "), empty, &plain(b"two"), &[0; 4]].concat();
    let (_, made) = open(Codec::Lz4Frame, frame, &Limits::default());
    assert_eq!((all(&made), made.stop.is_none()), (b"one two".to_vec(), true));
}

#[test]
fn what_cannot_be_held_is_made_again() {
    let whole = noise(6 << 20);
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    for codec in [Codec::Gzip, Codec::Zstd] {
        let (_, made) = open(codec, pack(codec, &whole), &limits);
        assert!(made.stop.is_none(), "{codec:?}");
        for (start, end) in
            [(0, 10), (6 << 20, 6 << 20), (5 << 20, 6 << 20), (3 << 20, (3 << 20) + 9), (7, 4 << 20), (100, 2 << 20)]
        {
            let read = made.bytes.read_at(start as u64..end as u64).unwrap();
            assert!(read == whole[start..end], "{codec:?} {start}..{end}");
        }
    }
}

#[test]
fn bombs_stop_early_and_claims_of_memory_allocate_nothing() {
    let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
    let (_, made) = open(Codec::Gzip, pack(Codec::Gzip, &vec![0; 8 << 20]), &limits);
    assert!(matches!(made.stop, Some(Stop::Spent(_))) && made.bytes.size() <= 2 << 20);
    // What grows ten thousandfold is stopped long before what grows a thousandfold, as a mask of zeros does.
    let (_, made) = open(Codec::Zstd, pack(Codec::Zstd, &vec![0; 24 << 20]), &Limits::default());
    assert!(matches!(made.stop, Some(Stop::Spent(_))) && made.bytes.size() <= 9 << 20);
    let (_, made) = open(Codec::Gzip, pack(Codec::Gzip, &vec![0; 24 << 20]), &Limits::default());
    assert!(made.stop.is_none() && made.bytes.size() == 24 << 20);
    let mut huge = LZMA.to_vec();
    huge[1..5].copy_from_slice(&[0, 0, 0, 0xf0]);
    assert!(matches!(open(Codec::LzmaAlone, huge, &Limits::default()).1.stop, Some(Stop::Spent(_))));
    let window = b"\x28\xb5\x2f\xfd\x00\xf8\x01\0\0".to_vec();
    assert!(matches!(open(Codec::Zstd, window, &Limits::default()).1.stop, Some(Stop::Spent(_) | Stop::Broken { .. })));
}
