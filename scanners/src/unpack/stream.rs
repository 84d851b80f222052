//! One packed stream with all its members: gzip, bzip2, xz, lz4 and zstd can be written one behind the other, and their
//! loaders read on.

use std::{
    io::{self, Read},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::PoisonError,
};

use bzip2::bufread::BzDecoder;
use lzma_rust2::{LzmaReader, XzReader, lzma_get_memory_usage_by_props as get_memory_usage_by_props};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::{
    scan::{Scanned, Stop},
    source::Source,
    unpack::{
        Codec,
        inflate::Inflate,
        lz4::Lz4,
        packed::{Packed, Trouble},
    },
};

pub(super) const LZ4: &[u8] = b"\x04\x22\x4d\x18";
pub(super) const LZ4_LEGACY: &[u8] = b"\x02\x21\x4c\x18";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// Skipped frames up to this length say how long blocks are.
const SEEK_TABLE: u64 = 32;
/// So many starts of members are remembered.
const MOST_STARTS: usize = 64;

/// A packed stream that is being decoded.
pub(super) struct Stream {
    codec: Codec,
    state: State,
    trouble: Trouble,
    /// The most that a decoder may allocate for what it looks back at.
    memory: u64,
    /// Where the stream ended, once it has.
    position: u64,
    first: bool,
    /// How much has been made, and where further members began.
    made: u64,
    starts: Vec<u64>,
    /// Where headers hold what no program reads.
    unread: Vec<Range<u64>>,
}

enum State {
    /// Between two members.
    Between(Box<Packed>),
    Within(Box<Decoder>),
    Ended,
}

/// A decoder of one member.
enum Decoder {
    Inflate(Inflate),
    Bzip2(BzDecoder<Packed>),
    Xz(XzReader<Packed>),
    LzmaAlone(LzmaReader<Packed>),
    Lz4(Lz4),
    Zstd(ZstdFrame),
}

impl Stream {
    pub(super) fn new(source: &Source, packed: Range<u64>, codec: Codec, memory: u64) -> Self {
        let trouble = Trouble::default();
        let packed = Packed::new(source, packed, trouble.clone());
        let position = packed.position();
        Self {
            codec,
            state: State::Between(Box::new(packed)),
            trouble,
            memory,
            position,
            first: true,
            made: 0,
            starts: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// How far the packed bytes have been used. Decoders read ahead, so that it is exact only at a member's end.
    pub(super) fn position(&self) -> u64 {
        match &self.state {
            State::Between(packed) => packed.position(),
            State::Within(decoder) => decoder.packed().position(),
            State::Ended => self.position,
        }
    }

    /// Where the packed bytes hold what no program reads.
    pub(super) fn unread(&self) -> &[Range<u64>] {
        &self.unread
    }

    /// Where in what was made each further member began.
    pub(super) fn starts(&self) -> &[u64] {
        &self.starts
    }

    /// The next bytes; none at the end. After an error the stream must not be read again.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Scanned<usize> {
        let start = self.position();
        // A decoder that panics has met bytes that its makers did not think of. That is no more than an unreadable stream,
        // and must not end the scan of the file around it.
        let read = catch_unwind(AssertUnwindSafe(|| self.read_on(into)));
        match read {
            Ok(Ok(count)) => {
                self.made += count as u64;
                Ok(count)
            }
            Ok(Err(why)) => Err(self.why(start, &why)),
            Err(_) => {
                self.state = State::Ended;
                Err(Stop::broken(start, format!("the {} stream breaks its decoder", self.codec.name())))
            }
        }
    }

    fn read_on(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(mut packed) => {
                    let position = packed.position();
                    if self.member_follows(&mut packed)? {
                        if !self.first && self.starts.len() < MOST_STARTS {
                            self.starts.push(self.made);
                        }
                        self.first = false;
                        let decoder = Decoder::new(self.codec, *packed, self.memory)?;
                        if let Decoder::Inflate(inflate) = &decoder
                            && self.unread.len() < MOST_STARTS
                        {
                            self.unread.extend_from_slice(&inflate.fields);
                        }
                        self.state = State::Within(Box::new(decoder));
                    } else {
                        self.position = position.max(packed.position());
                        return Ok(0);
                    }
                }
                State::Within(mut decoder) => {
                    let count = decoder.read(into);
                    match count {
                        Ok(0) => self.state = State::Between(Box::new(decoder.into_packed())),
                        count => {
                            self.state = State::Within(decoder);
                            return count;
                        }
                    }
                }
            }
        }
    }

    /// Whether a loader would read on here. Goes over padding and over what loaders skip.
    fn member_follows(&mut self, packed: &mut Packed) -> io::Result<bool> {
        loop {
            let start = packed.peek(8)?;
            if !self.first && start.is_empty() {
                return Ok(false);
            }
            if matches!(self.codec, Codec::Zstd | Codec::Lz4Frame)
                && let Some(length) = skippable(start)
            {
                if length > SEEK_TABLE && self.unread.len() < MOST_STARTS {
                    let content = packed.position() + 8;
                    self.unread.push(content..content.saturating_add(length - 8));
                }
                packed.skip(length);
                continue;
            }
            if self.first {
                return Ok(true);
            }
            return Ok(match self.codec {
                Codec::Deflate | Codec::LzmaAlone | Codec::ZipLzma => false,
                Codec::Zlib => matches!(start, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]),
                Codec::Gzip => {
                    let zeros = start.iter().take_while(|byte| **byte == 0).count();
                    if zeros > 0 {
                        packed.skip(zeros as u64);
                        continue;
                    }
                    start.starts_with(b"\x1f\x8b")
                }
                Codec::Bzip2 => start.starts_with(b"BZh"),
                Codec::Xz => {
                    if start.starts_with(&[0; 4]) {
                        packed.skip(4);
                        continue;
                    }
                    start.starts_with(b"\xfd7zXZ\0")
                }
                Codec::Lz4Frame => starts_lz4(start),
                Codec::Zstd => start.starts_with(ZSTD),
            });
        }
    }

    fn why(&mut self, at: u64, why: &io::Error) -> Stop {
        self.state = State::Ended;
        if let Some(stop) = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return stop;
        }
        let name = self.codec.name();
        let too_much = why.kind() == io::ErrorKind::OutOfMemory || why.to_string().contains("dict size");
        match why.kind() {
            _ if too_much => {
                Stop::Spent(format!("the {name} stream needs more than {} bytes to look back at", self.memory))
            }
            io::ErrorKind::UnexpectedEof => Stop::broken(at, format!("the {name} stream ends in the middle")),
            _ => Stop::broken(at, format!("the {name} stream is damaged ({why})")),
        }
    }
}

impl Decoder {
    fn new(codec: Codec, packed: Packed, memory: u64) -> io::Result<Self> {
        let kilobytes = u32::try_from(memory >> 10).unwrap_or(u32::MAX - 1).min(u32::MAX - 1);
        Ok(match codec {
            Codec::Deflate => Decoder::Inflate(Inflate::deflate(packed)),
            Codec::Zlib => Decoder::Inflate(Inflate::zlib(packed)),
            Codec::Gzip => Decoder::Inflate(Inflate::gzip(packed)?),
            Codec::Bzip2 => Decoder::Bzip2(BzDecoder::new(packed)),
            Codec::Xz => Decoder::Xz(XzReader::new_mem_limit(packed, false, kilobytes)),
            Codec::LzmaAlone => Decoder::LzmaAlone(LzmaReader::new_mem_limit(packed, kilobytes, None)?),
            Codec::ZipLzma => Decoder::LzmaAlone(zip_lzma(packed, kilobytes)?),
            Codec::Lz4Frame => Decoder::Lz4(Lz4::new(packed)?),
            Codec::Zstd => Decoder::Zstd(ZstdFrame::new(packed, memory)?),
        })
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Decoder::Inflate(decoder) => decoder.read(into),
            Decoder::Bzip2(decoder) => decoder.read(into),
            Decoder::Xz(decoder) => decoder.read(into),
            Decoder::LzmaAlone(decoder) => decoder.read(into),
            Decoder::Lz4(decoder) => decoder.read(into),
            Decoder::Zstd(decoder) => decoder.read(into),
        }
    }

    fn packed(&self) -> &Packed {
        match self {
            Decoder::Inflate(decoder) => &decoder.packed,
            Decoder::Bzip2(decoder) => decoder.get_ref(),
            Decoder::Xz(decoder) => decoder.inner(),
            Decoder::LzmaAlone(decoder) => decoder.inner(),
            Decoder::Lz4(decoder) => &decoder.packed,
            Decoder::Zstd(decoder) => &decoder.packed,
        }
    }

    /// The packed bytes, right behind the member.
    fn into_packed(self) -> Packed {
        match self {
            Decoder::Inflate(decoder) => decoder.packed,
            Decoder::Bzip2(decoder) => decoder.into_inner(),
            Decoder::Xz(decoder) => decoder.into_inner(),
            Decoder::LzmaAlone(decoder) => {
                let (mut packed, unused) = decoder.into_parts();
                packed.go(packed.position() - unused.len() as u64);
                packed
            }
            Decoder::Lz4(decoder) => decoder.packed,
            Decoder::Zstd(decoder) => decoder.packed,
        }
    }
}

/// The version and the properties, then a stream that ends with a mark.
fn zip_lzma(mut packed: Packed, kilobytes: u32) -> io::Result<LzmaReader<Packed>> {
    let mut head = [0; 9];
    packed.read_exact(&mut head)?;
    let [_, _, length, zero, properties, back @ ..] = head;
    if (length, zero) != (5, 0) {
        return Err(io::Error::other("the properties have another length"));
    }
    let back = u32::from_le_bytes(back);
    if get_memory_usage_by_props(back, properties)? > kilobytes {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    LzmaReader::new_with_props(packed, u64::MAX, properties, back, None)
}

/// One zstd frame. When a block is damaged, what was made before it is still given: a decoder keeps back as many bytes as
/// later blocks may refer to, and would throw them away.
struct ZstdFrame {
    packed: Packed,
    decoder: Box<FrameDecoder>,
    damage: Option<io::Error>,
}

impl ZstdFrame {
    fn new(mut packed: Packed, memory: u64) -> io::Result<Self> {
        let mut decoder = Box::new(FrameDecoder::new());
        decoder.set_max_window_size(memory);
        if let Err(why) = decoder.init(&mut packed) {
            let large = matches!(why, ruzstd::decoding::errors::FrameDecoderError::WindowSizeTooBig { .. });
            let kind = if large { io::ErrorKind::OutOfMemory } else { io::ErrorKind::InvalidData };
            return Err(io::Error::new(kind, why));
        }
        Ok(Self { packed, decoder, damage: None })
    }
}

impl Read for ZstdFrame {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            let step = BlockDecodingStrategy::UptoBlocks(1);
            if let Err(why) = self.decoder.decode_blocks(&mut self.packed, step) {
                self.damage.get_or_insert(io::Error::other(why));
                // An empty last block and a checksum: now the decoder gives all that it holds.
                let mut end: &[u8] = &[1, 0, 0, 0, 0, 0, 0];
                let _ = self.decoder.decode_blocks(&mut end, BlockDecodingStrategy::UptoBlocks(1));
                break;
            }
        }
        let count = self.decoder.read(into)?;
        match self.damage.take() {
            Some(why) if count == 0 => Err(why),
            damage => {
                self.damage = damage;
                Ok(count)
            }
        }
    }
}

/// Whether an lz4 frame begins here.
pub(super) fn starts_lz4(start: &[u8]) -> bool {
    start.starts_with(LZ4) || start.starts_with(LZ4_LEGACY)
}

/// The length of a frame that every loader skips, if one begins here.
fn skippable(start: &[u8]) -> Option<u64> {
    match start {
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d] => Some(8 + u64::from(u32::from_le_bytes([*a, *b, *c, *d]))),
        _ => None,
    }
}
