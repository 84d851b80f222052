//! An HDF5 file as blocks at addresses: the superblock, and reading within its widths.
//!
//! Every block that is read is marked as inspected. Nothing here follows a pointer by itself.

use std::ops::Range;

use bytes::Bytes;

use crate::{
    scan::{Scan, Scanned, Stop},
    source::Source,
};

pub(crate) const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Read at once where little is needed: an object's header is seldom alone.
const AHEAD: u64 = 8192;

/// How the file writes numbers, and where its addresses count from.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) source: Source,
    /// Where the superblock is; addresses count from there.
    pub(crate) base: u64,
    /// Bytes of an address and of a length.
    pub(crate) offsets: u8,
    pub(crate) lengths: u8,
}

/// What the superblock says.
pub(crate) struct Super {
    pub(crate) file: File,
    pub(crate) root: u64,
    /// Where the file ends in the source.
    pub(crate) end: u64,
    pub(crate) extension: Option<u64>,
    pub(crate) driver: Option<u64>,
}

/// Bytes of one block, read forward.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    /// Where the next byte stands in the source.
    pub(crate) at: u64,
    offsets: u8,
    lengths: u8,
}

impl File {
    /// The block of `length` bytes at an address.
    pub(crate) fn block(&self, scan: &mut Scan<'_>, address: u64, length: u64) -> Scanned<Piece> {
        let start = self.absolute(address)?;
        let end = start.checked_add(length).filter(|end| *end <= self.source.len());
        let Some(end) = end else {
            return Err(Stop::broken(start, format!("a block of {length} bytes at {address} goes past the end")));
        };
        self.source.will_read(std::iter::once(start..end.max(start + AHEAD)));
        let bytes = self.source.read(start..end)?;
        // Names and gaps of the structure can hold anything, and nothing runs them: no more is claimed than that.
        scan.inert(&self.source, start..end);
        Ok(Piece { bytes, at: start, offsets: self.offsets, lengths: self.lengths })
    }

    /// Says that the block at an address will be read soon.
    pub(crate) fn will_read(&self, address: u64) {
        let start = self.base.saturating_add(address).min(self.source.len());
        self.source.will_read(std::iter::once(start..start.saturating_add(AHEAD)));
    }

    /// The block at an address, which has to begin with a signature.
    pub(crate) fn signed(&self, scan: &mut Scan<'_>, address: u64, length: u64, sign: &[u8]) -> Scanned<Piece> {
        let mut piece = self.block(scan, address, length)?;
        let at = piece.at;
        let is = piece.take(sign.len() as u64)?;
        if is != sign {
            let sign = String::from_utf8_lossy(sign).into_owned();
            return Err(Stop::broken(at, format!("no {sign} block is at {address}")));
        }
        Ok(piece)
    }

    fn absolute(&self, address: u64) -> Scanned<u64> {
        self.base.checked_add(address).ok_or_else(|| Stop::broken(0, format!("the address {address} overflows")))
    }

    /// An address, or nothing where it says that there is none.
    pub(crate) fn defined(&self, address: u64) -> Option<u64> {
        let none = if self.offsets >= 8 { u64::MAX } else { (1 << (u32::from(self.offsets) * 8)) - 1 };
        (address != none).then_some(address)
    }

    pub(crate) fn piece(&self, bytes: Bytes, at: u64) -> Piece {
        Piece { bytes, at, offsets: self.offsets, lengths: self.lengths }
    }
}

impl Piece {
    pub(crate) fn left(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(crate) fn take(&mut self, count: u64) -> Scanned<Bytes> {
        let Some(length) = usize::try_from(count).ok().filter(|length| *length <= self.bytes.len()) else {
            let left = self.left();
            return Err(Stop::broken(self.at, format!("{count} bytes are announced, and the block has {left} left")));
        };
        self.at += count;
        Ok(self.bytes.split_to(length))
    }

    pub(crate) fn skip(&mut self, count: u64) -> Scanned<()> {
        self.take(count).map(|_| ())
    }

    /// A little-endian number of up to eight bytes.
    pub(crate) fn number(&mut self, width: u8) -> Scanned<u64> {
        let at = self.at;
        let bytes = self.take(u64::from(width))?;
        let (low, high) = bytes.split_at_checked(8).unwrap_or((&bytes, &[]));
        if high.iter().any(|b| *b != 0 && *b != 0xff) {
            return Err(Stop::broken(at, "a number is larger than any file"));
        }
        Ok(low.iter().rev().fold(0, |all, b| all << 8 | u64::from(*b)))
    }

    pub(crate) fn u8(&mut self) -> Scanned<u8> {
        self.number(1).map(|n| u8::try_from(n).unwrap_or_default())
    }

    pub(crate) fn u16(&mut self) -> Scanned<u64> {
        self.number(2)
    }

    pub(crate) fn u32(&mut self) -> Scanned<u64> {
        self.number(4)
    }

    pub(crate) fn address(&mut self) -> Scanned<u64> {
        self.number(self.offsets)
    }

    pub(crate) fn length(&mut self) -> Scanned<u64> {
        self.number(self.lengths)
    }

    /// The text up to the next NUL or the end.
    pub(crate) fn text(&mut self) -> Scanned<String> {
        let end = memchr::memchr(0, &self.bytes);
        let text = self.take(end.unwrap_or(self.bytes.len()) as u64)?;
        if end.is_some() {
            self.skip(1)?;
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Every place where the superblock may be: the start, or behind a block of the user's whose size is a power of two from
/// 512 on.
pub(crate) fn places(length: u64) -> impl Iterator<Item = u64> {
    std::iter::once(0)
        .chain(std::iter::successors(Some(512_u64), |at| at.checked_mul(2)))
        .take_while(move |at| signature_at(*at).end <= length)
}

pub(crate) fn signature_at(place: u64) -> Range<u64> {
    place..place.saturating_add(SIGNATURE.len() as u64)
}

/// Where the superblock is: at the first place that has one.
pub(crate) fn find(source: &Source) -> Scanned<Option<u64>> {
    source.will_read(places(source.len()).map(signature_at));
    for at in places(source.len()) {
        if source.read(signature_at(at))? == SIGNATURE {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Reads the superblock at `base`, of any version.
pub(crate) fn superblock(scan: &mut Scan<'_>, source: &Source, base: u64) -> Scanned<Super> {
    let file = File { source: source.clone(), base, offsets: 8, lengths: 8 };
    let most = 128.min(source.len().saturating_sub(base));
    let mut piece = file.signed(scan, 0, most, SIGNATURE)?;
    let version = piece.u8()?;
    let (offsets, lengths);
    if version <= 1 {
        piece.skip(4)?;
        (offsets, lengths) = (piece.u8()?, piece.u8()?);
        piece.skip(if version == 0 { 9 } else { 13 })?;
    } else if version <= 3 {
        (offsets, lengths) = (piece.u8()?, piece.u8()?);
        piece.skip(1)?;
    } else {
        return Err(Stop::broken(base + 8, format!("a superblock of version {version} does not exist")));
    }
    if ![2, 4, 8, 16].contains(&offsets) || ![2, 4, 8, 16].contains(&lengths) {
        return Err(Stop::broken(
            base + 9,
            format!("addresses of {offsets} and lengths of {lengths} bytes do not exist"),
        ));
    }
    let file = File { source: source.clone(), base, offsets, lengths };
    let mut piece = file.piece(piece.bytes, piece.at);
    // The end counts from where the file believes itself to begin, which is not where it is if something was put before it.
    let shift = base.saturating_sub(piece.address()?);
    if version <= 1 {
        piece.address()?;
        let end = piece.address()?.saturating_add(shift);
        let driver = piece.address()?;
        piece.address()?;
        let root = piece.address()?;
        return Ok(Super { root, end, extension: None, driver: file.defined(driver), file });
    }
    let extension = piece.address()?;
    let (end, root) = (piece.address()?.saturating_add(shift), piece.address()?);
    Ok(Super { root, end, extension: file.defined(extension), driver: None, file })
}
