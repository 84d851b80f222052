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
}

/// Unpacks `packed`, within the limits on bytes, memory and ratio. What was made before an error is not lost: see `Unpacked`.
pub(crate) fn unpack(_scan: &mut Scan<'_>, _source: &Source, _packed: Range<u64>, _codec: Codec) -> Scanned<Unpacked> {
    Err(Stop::Unreadable("no decoder is there yet".into()))
}
