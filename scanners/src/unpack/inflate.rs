//! Deflate, alone and within zlib and gzip.
//!
//! Not the decoder's own readers: those take a stream that breaks off for one that has ended.

use std::{
    io::{self, BufRead, Read},
    ops::Range,
};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::unpack::packed::Packed;

/// The extra field of an ordinary header says how long a block is, if it is there at all.
const SHORT_FIELD: u64 = 16;
const LONG_NAME: u64 = 256;

/// One deflate stream; with the header and the trailer of gzip around it, or of zlib, or with neither.
pub(super) struct Inflate {
    pub(super) packed: Packed,
    raw: Decompress,
    /// What gzip's trailer has to say.
    crc: Option<Crc>,
    done: bool,
    /// Where the header's extra field and texts stand.
    pub(super) fields: Vec<Range<u64>>,
}

impl Inflate {
    pub(super) fn deflate(packed: Packed) -> Self {
        Self { packed, raw: Decompress::new(false), crc: None, done: false, fields: Vec::new() }
    }

    pub(super) fn zlib(packed: Packed) -> Self {
        Self { packed, raw: Decompress::new(true), crc: None, done: false, fields: Vec::new() }
    }

    /// Reads the header.
    pub(super) fn gzip(mut packed: Packed) -> io::Result<Self> {
        let mut head = [0; 10];
        packed.read_exact(&mut head)?;
        let [0x1f, 0x8b, 8, flags, ..] = head else {
            return Err(io::Error::other("the gzip header is invalid"));
        };
        let mut fields = Vec::new();
        if flags & 4 != 0 {
            let mut length = [0; 2];
            packed.read_exact(&mut length)?;
            let length = u64::from(u16::from_le_bytes(length));
            if length > SHORT_FIELD {
                fields.push(packed.position()..packed.position() + length);
            }
            packed.skip(length);
        }
        let start = packed.position();
        for flag in [8, 16] {
            if flags & flag != 0 {
                text(&mut packed)?;
            }
        }
        let end = packed.position();
        if flags & 16 != 0 || end - start > LONG_NAME {
            fields.push(start..end);
        }
        if flags & 2 != 0 {
            packed.skip(2);
        }
        Ok(Self { packed, raw: Decompress::new(false), crc: Some(Crc::new()), done: false, fields })
    }

    fn trailer(&mut self) -> io::Result<()> {
        let Some(crc) = &self.crc else { return Ok(()) };
        let mut trailer = [0; 8];
        self.packed.read_exact(&mut trailer)?;
        let [a, b, c, d, ..] = trailer;
        if u32::from_le_bytes([a, b, c, d]) != crc.sum() {
            return Err(io::Error::other("the checksum is wrong"));
        }
        Ok(())
    }
}

impl Read for Inflate {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !self.done {
            let input = self.packed.fill_buf()?;
            let ended = input.is_empty();
            let (before_in, before_out) = (self.raw.total_in(), self.raw.total_out());
            let status = self.raw.decompress(input, into, FlushDecompress::None);
            let used = usize::try_from(self.raw.total_in() - before_in).unwrap_or(0);
            let made = usize::try_from(self.raw.total_out() - before_out).unwrap_or(0);
            self.packed.consume(used);
            let status = status.map_err(io::Error::other)?;
            if let Some(crc) = &mut self.crc {
                crc.update(into.get(..made).unwrap_or_default());
            }
            if status == Status::StreamEnd {
                self.done = true;
                // What was made last is given before the trailer is read, which may be missing.
                if made == 0 {
                    self.trailer()?;
                    self.crc = None;
                }
            }
            if made > 0 {
                return Ok(made);
            }
            if ended && !self.done {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if used == 0 && !self.done {
                return Err(io::Error::other("the decoder does not go on"));
            }
        }
        self.trailer()?;
        self.crc = None;
        Ok(0)
    }
}

/// Goes over a text with a zero behind it.
fn text(packed: &mut Packed) -> io::Result<()> {
    loop {
        let window = packed.fill_buf()?;
        if window.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let found = memchr::memchr(0, window);
        let used = found.map_or(window.len(), |at| at + 1);
        packed.consume(used);
        if found.is_some() {
            return Ok(());
        }
    }
}
