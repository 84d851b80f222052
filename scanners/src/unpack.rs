//! Every decompressor, behind one capped reader. Nothing else in this crate calls a decoder.

use std::{ops::Range, sync::Arc};

use crate::{
    scan::{Scan, Scanned, Stop},
    source::{ReadAt, Source},
};

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Deflate,
    Zlib,
    Gzip,
    Bzip2,
    Xz,
    LzmaAlone,
    Lz4Frame,
    Zstd,
}

/// What unpacking made.
pub(crate) struct Unpacked {
    pub(crate) bytes: Arc<dyn ReadAt>,
    /// How many packed bytes were used; what follows them is not part of the stream.
    pub(crate) used: u64,
    /// The checksum of the made bytes, where they were made whole.
    pub(crate) crc: Option<u32>,
    /// Why the stream ended before its end. What was made until then is in `bytes`, and has to be inspected: loaders read it
    /// too before they fail.
    pub(crate) stop: Option<Stop>,
}

/// Unpacks `packed`, within the limits on bytes, memory and ratio.
pub(crate) fn unpack(_scan: &mut Scan<'_>, _source: &Source, _packed: Range<u64>, _codec: Codec) -> Scanned<Unpacked> {
    Err(Stop::Unreadable("no decoder is there yet".into()))
}

/// CRC-32 as zip and gzip use it.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
