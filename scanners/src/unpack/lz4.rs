//! LZ4 frames, read block by block.
//!
//! Not the decoder's own frame reader: that one ends where a block is empty and takes a frame that breaks off for a whole one.
//! Checksums are not checked; a wrong one does not change what a loader has read by then.

use std::io::{self, Read};

use lz4_flex::block::decompress_into_with_dict;

use crate::unpack::packed::Packed;

/// How far back a block may reach into the ones before it.
const WINDOW: usize = 64 << 10;

/// One frame.
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of the header")]
pub(super) struct Lz4 {
    pub(super) packed: Packed,
    /// The largest block that the header allows.
    most: usize,
    /// Blocks reach back into earlier ones.
    linked: bool,
    block_checksums: bool,
    content_checksum: bool,
    /// The older form: no flags, no end mark, blocks of 8 MiB.
    legacy: bool,
    ended: bool,
    /// The last bytes made, at most [`WINDOW`] of them and the block being given out.
    made: Vec<u8>,
    given: usize,
}

impl Lz4 {
    /// Reads the frame's header.
    pub(super) fn new(mut packed: Packed) -> io::Result<Self> {
        let legacy = packed.peek(4)? == super::stream::LZ4_LEGACY;
        packed.skip(4);
        let mut frame = Self {
            packed,
            most: 8 << 20,
            linked: false,
            block_checksums: false,
            content_checksum: false,
            legacy,
            ended: false,
            made: Vec::new(),
            given: 0,
        };
        if !legacy {
            frame.read_header()?;
        }
        Ok(frame)
    }

    fn read_header(&mut self) -> io::Result<()> {
        let mut start = [0; 2];
        self.packed.read_exact(&mut start)?;
        let [flags, sizes] = start;
        if flags >> 6 != 1 {
            return Err(io::Error::other("the lz4 version is not 1"));
        }
        self.most = match sizes >> 4 & 7 {
            4 => 64 << 10,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            _ => return Err(io::Error::other("the lz4 block size does not exist")),
        };
        self.linked = flags & 0x20 == 0;
        self.block_checksums = flags & 0x10 != 0;
        self.content_checksum = flags & 0x04 != 0;
        let content_size = if flags & 0x08 == 0 { 0 } else { 8 };
        if flags & 0x01 != 0 {
            return Err(io::Error::other("the lz4 frame needs a dictionary that is not in it"));
        }
        self.packed.skip(content_size + 1);
        Ok(())
    }

    /// Makes the next block. Nothing when the frame has ended.
    fn next_block(&mut self) -> io::Result<bool> {
        if self.legacy && (self.packed.peek(4)?.len() < 4 || super::stream::starts_lz4(self.packed.peek(4)?)) {
            self.ended = true;
            return Ok(false);
        }
        let mut length = [0; 4];
        self.packed.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length == 0 && !self.legacy {
            if self.content_checksum {
                self.packed.read_exact(&mut [0; 4])?;
            }
            self.ended = true;
            return Ok(false);
        }
        let (plain, length) = (length >> 31 == 1 && !self.legacy, length & 0x7fff_ffff);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        // A packed block is never longer than a plain one by more than a few bytes in 255.
        if length > self.most + self.most / 250 + 16 {
            return Err(io::Error::other("an lz4 block is larger than its frame allows"));
        }
        let mut block = vec![0; length];
        self.packed.read_exact(&mut block)?;
        if self.block_checksums {
            self.packed.read_exact(&mut [0; 4])?;
        }
        let keep = if self.linked { self.made.len().min(WINDOW) } else { 0 };
        self.made.drain(..self.made.len() - keep);
        self.given = keep;
        if plain {
            self.made.extend_from_slice(&block);
        } else {
            let mut into = vec![0; self.most];
            let count = decompress_into_with_dict(&block, &mut into, &self.made).map_err(io::Error::other)?;
            self.made.extend_from_slice(into.get(..count).unwrap_or_default());
        }
        Ok(true)
    }
}

impl Read for Lz4 {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given >= self.made.len() {
            if self.ended || !self.next_block()? {
                return Ok(0);
            }
        }
        let ready = self.made.get(self.given..).unwrap_or_default();
        let count = ready.len().min(into.len());
        for (to, from) in into.iter_mut().zip(ready) {
            *to = *from;
        }
        self.given += count;
        Ok(count)
    }
}
