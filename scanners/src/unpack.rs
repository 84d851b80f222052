//! Every decompressor, behind one capped reader. Nothing else in this crate calls a decoder (7z, whose blocks mix several,
//! brings its own).
//!
//! A stream is read once from its start to its end, within the limits on bytes, memory and ratio. What is longer than may be
//! held is not refused: its readers get bytes that are decoded again as they go forward. What was made before an error is
//! kept, because loaders read it too before they fail.

mod again;
mod inflate;
mod lz4;
mod packed;
mod stream;

use std::{ops::Range, sync::Arc};

use flate2::Crc;

use crate::{
    reuse::Room,
    rules,
    scan::{Scan, Scanned, Stop, in_memory},
    source::{ReadAt, Source},
    unpack::{
        again::{Again, Edges},
        stream::Stream,
    },
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
    /// LZMA as zip has it: version, properties and no size.
    ZipLzma,
    Lz4Frame,
    Zstd,
}

/// What unpacking made.
pub(crate) struct Unpacked {
    pub(crate) bytes: Arc<dyn ReadAt>,
    /// How many packed bytes were used; what follows them is not part of the stream.
    pub(crate) used: u64,
    /// Where in the made bytes each further member of the stream begins; the first few of them.
    pub(crate) starts: Vec<u64>,
    /// Where the packed bytes hold what no program reads: comments, skipped frames.
    pub(crate) unread: Vec<Range<u64>>,
    /// The checksum of the made bytes, where they were made whole and an archive may say what it is.
    pub(crate) crc: Option<u32>,
    /// Why the stream ended before its end. What was made until then is in `bytes`, and has to be inspected: loaders read it
    /// too before they fail.
    pub(crate) stop: Option<Stop>,
}

/// How much is made at a time.
const CHUNK: usize = 64 << 10;
/// A stream shorter than this has no use for a window that is larger than the memory limit.
const SMALL: u64 = 1 << 20;
/// Below this no ratio is out of proportion: everything of this size can be looked at.
const RATIO_FROM: u64 = 64 << 20;
/// The same once the file has shown that it means to grow.
const RATIO_FROM_THEN: u64 = 1 << 20;
/// The same for what is ten times out of proportion: no gzip or zip can be, and an xz or zstd of zeros that is this long is
/// either a bomb or nothing that anybody would miss.
const RATIO_FROM_WILD: u64 = 8 << 20;
/// Bytes that grew out of proportion are cheap to make again and dear to hold: more than these are not held. What is stopped
/// for being wild has fewer, so that it is not made twice.
const HELD_WILD: u64 = RATIO_FROM_WILD + (1 << 20);

impl Codec {
    /// The word in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Codec::Deflate => "deflate",
            Codec::Zlib => "zlib",
            Codec::Gzip => "gzip",
            Codec::Bzip2 => "bzip2",
            Codec::Xz => "xz",
            Codec::LzmaAlone | Codec::ZipLzma => "lzma",
            Codec::Lz4Frame => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

/// Unpacks `packed`, within the limits on bytes, memory and ratio.
pub(crate) fn unpack(scan: &mut Scan<'_>, source: &Source, packed: Range<u64>, codec: Codec) -> Scanned<Unpacked> {
    let packed = packed.start.min(source.len())..packed.end.min(source.len()).max(packed.start.min(source.len()));
    // A compressed stream has no places to jump to: all of it is needed, and asked for at once.
    source.will_read(std::iter::once(packed.clone()));
    let mut stream = Stream::new(source, packed.clone(), codec, scan.limits.memory_bytes);
    let in_archives = !matches!(codec, Codec::Gzip | Codec::Zlib | Codec::Lz4Frame);
    let mut made = Made::new(scan.limits.memory_bytes, in_archives);
    let mut chunk = Room::to_write(CHUNK);
    let chunk = &mut chunk.0;
    let mut stop = None;
    loop {
        match stream.read(chunk) {
            Ok(0) => break,
            Ok(count) => {
                made.take(chunk.get(..count).unwrap_or_default());
                if made.size > HELD_WILD && made.size / used_of(&stream, &packed) > scan.limits.ratio {
                    made.let_go();
                }
                if let Err(why) = within(scan, source, &packed, &stream, made.size) {
                    stop = Some(why);
                    break;
                }
            }
            Err(Stop::NotHere) => return Err(Stop::NotHere),
            Err(why) => {
                let length = packed.end - packed.start;
                if matches!(why, Stop::Spent(_)) && length < SMALL {
                    let message = format!("{length} packed bytes ask for more memory than may be used for them.");
                    scan.found(&rules::ZIP_BOMB, source, packed.start, message);
                }
                if matches!(why, Stop::Broken { .. }) {
                    slowly(scan, source, packed.clone(), codec, &mut made)?;
                }
                stop = Some(why);
                break;
            }
        }
    }
    let starts = stream.starts().iter().copied().filter(|start| *start < made.size).collect();
    let unread = stream.unread().to_vec();
    let used = if stop.is_some() { packed.end - packed.start } else { stream.position() - packed.start };
    let crc = made.crc.as_ref().filter(|_| stop.is_none()).map(Crc::sum);
    let (coarse, size) = (made.coarse.unwrap_or(made.size), made.size);
    let bytes: Arc<dyn ReadAt> = match made.held {
        Some(held) => in_memory(held.freeze()),
        None => Arc::new(Again::new(source.clone(), packed, codec, size, coarse, made.edges, scan.limits)),
    };
    Ok(Unpacked { bytes, used, starts, unread, crc, stop })
}

/// The first `most` bytes that the stream makes, to see whether it is one at all. Costs no more than they do.
pub(crate) fn taste(source: &Source, packed: Range<u64>, codec: Codec, most: usize) -> Scanned<Vec<u8>> {
    let mut stream = Stream::new(source, packed, codec, 64 << 20);
    let mut out = vec![0; most];
    let mut full = 0;
    while full < most {
        match stream.read(out.get_mut(full..).unwrap_or_default()) {
            Ok(0) | Err(Stop::Broken { .. } | Stop::Spent(_)) => break,
            Ok(count) => full += count,
            Err(stop) => return Err(stop),
        }
    }
    out.truncate(full);
    Ok(out)
}

/// CRC-32 as zip and gzip use it.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn within(scan: &mut Scan<'_>, source: &Source, packed: &Range<u64>, stream: &Stream, made: u64) -> Scanned<()> {
    scan.unpacked(CHUNK as u64)?;
    let (used, most) = (used_of(stream, packed), scan.limits.ratio);
    let from = match made / used {
        _ if made > RATIO_FROM_THEN && scan.has_found(&rules::ZIP_BOMB) => RATIO_FROM_THEN,
        ratio if ratio > 10 * most => RATIO_FROM_WILD,
        _ => RATIO_FROM,
    };
    if made > from && made / used > most {
        let message = format!("{used} packed bytes become more than {made}; it was not unpacked any further.");
        scan.found(&rules::ZIP_BOMB, source, packed.start, message);
        return Err(Stop::Spent(format!("more than {} unpacked bytes for each packed byte", scan.limits.ratio)));
    }
    Ok(())
}

fn used_of(stream: &Stream, packed: &Range<u64>) -> u64 {
    stream.position().saturating_sub(packed.start).max(1)
}

/// Decoders give nothing of the piece in which they find an error. This makes the bytes again and the last piece of them byte
/// by byte, so that what stands before the error is seen: a loader that reads in smaller steps acts on it.
fn slowly(scan: &mut Scan<'_>, source: &Source, packed: Range<u64>, codec: Codec, made: &mut Made) -> Scanned<()> {
    let coarse = made.size;
    made.coarse = Some(coarse);
    if scan.unpacked(coarse).is_err() {
        return Ok(());
    }
    let mut stream = Stream::new(source, packed, codec, scan.limits.memory_bytes);
    let mut chunk = Room::to_write(CHUNK);
    let chunk = &mut chunk.0;
    let mut done = 0;
    while done < coarse + CHUNK as u64 {
        let most = usize::try_from(coarse.saturating_sub(done)).unwrap_or(CHUNK).clamp(1, CHUNK);
        match stream.read(chunk.get_mut(..most).unwrap_or_default()) {
            Ok(0) | Err(Stop::Broken { .. } | Stop::Spent(_)) => break,
            Ok(count) => {
                done += count as u64;
                if done > coarse {
                    made.take(chunk.get(..count).unwrap_or_default());
                }
            }
            Err(stop) => return Err(stop),
        }
    }
    Ok(())
}

/// What was made so far, as much of it as may be held.
struct Made {
    held: Option<Room>,
    most: u64,
    size: u64,
    /// How much of it was made in large pieces.
    coarse: Option<u64>,
    /// Where nobody would compare it, it is not worth its time.
    crc: Option<Crc>,
    edges: Edges,
}

impl Made {
    fn new(most: u64, in_archives: bool) -> Self {
        let crc = in_archives.then(Crc::new);
        Self { held: Some(Room::new()), most, size: 0, coarse: None, crc, edges: Edges::default() }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        if let Some(crc) = &mut self.crc {
            crc.update(bytes);
        }
        if self.size > self.most {
            self.let_go();
        }
        match &mut self.held {
            Some(held) => held.0.extend_from_slice(bytes),
            None => self.edges.take(bytes),
        }
    }

    /// Holds only the first and the last bytes from now on.
    fn let_go(&mut self) {
        if let Some(held) = self.held.take() {
            self.edges.take(&held.0);
        }
    }
}

#[cfg(test)]
mod tests;
