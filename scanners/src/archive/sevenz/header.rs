//! What a 7z header claims, looked at before anybody allocates for it: how large its directory becomes, and how far its coders
//! look back.

use std::ops::Range;

use bytes::{Buf, Bytes};
use sevenz_rust2::Block;

use crate::{
    scan::{Scanned, Stop},
    source::Source,
};

use super::super::zip::u64_at;

/// The longest directory that is read, packed or not.
const LONGEST: u64 = 64 << 20;
const START: u64 = 32;
const AES: &[u8] = &[0x06, 0xf1, 0x07, 0x01];
const LZMA: &[u8] = &[3, 1, 1];
const LZMA2: &[u8] = &[0x21];

/// The archive as if its checksums were right. The reader that is not ours stops at the first that is wrong, so that nothing
/// behind it would ever meet what a fuzzer thinks of; an attacker has no trouble to write the right ones.
#[cfg(fuzzing)]
pub(super) fn with_right_checksums(source: &Source) -> Scanned<Source> {
    let mut bytes = source.read_all(1 << 20)?.to_vec();
    let places = bytes.get(12..28).map(|at| (u64_at(at, 0), u64_at(at, 8)));
    let range = places.and_then(|(offset, size)| {
        let from = usize::try_from(START.checked_add(offset)?).ok()?;
        Some(from..from.checked_add(usize::try_from(size).ok()?)?)
    });
    if let Some(directory) = range.and_then(|range| bytes.get(range)) {
        let sum = crate::unpack::checksum(directory).to_le_bytes();
        bytes.splice(28..32, sum);
        let sum = crate::unpack::checksum(bytes.get(12..32).unwrap_or_default()).to_le_bytes();
        bytes.splice(8..12, sum);
    }
    Ok(source.made("with right checksums", crate::scan::in_memory(bytes), source.sheet))
}

/// The directory, and where everything lies that belongs to it.
pub(super) struct Claims {
    /// Where the archive ends.
    pub(super) end: u64,
    /// The directory's bytes, packed or not.
    pub(super) ranges: Vec<Range<u64>>,
    pub(super) encrypted: bool,
}

impl Claims {
    pub(super) fn read(source: &Source, memory: u64) -> Scanned<Self> {
        let start = source.read(0..START)?;
        let (offset, size) = (u64_at(&start, 12), u64_at(&start, 20));
        let at = START.checked_add(offset).filter(|at| at.checked_add(size).is_some_and(|end| end <= source.len()));
        let Some(at) = at else { return Err(Stop::broken(12, "the 7z directory lies outside the file")) };
        if start.get(8..12) == Some(&[0; 4]) {
            return Err(Stop::broken(8, "the 7z archive does not say where its directory is"));
        }
        if size > LONGEST {
            return Err(Stop::Spent(format!("a 7z directory of {size} bytes")));
        }
        let header = source.read(at..at + size)?;
        let mut claims = Self { end: at + size, ranges: std::iter::once(at..at + size).collect(), encrypted: false };
        if header.first() == Some(&0x17) {
            claims.packed(Numbers { rest: header.slice(1..), at }, memory)?;
        }
        Ok(claims)
    }

    /// The directory is itself packed: one stream, one block of coders.
    fn packed(&mut self, mut numbers: Numbers, memory: u64) -> Scanned<()> {
        numbers.expect(0x06)?;
        let position = numbers.next()?;
        numbers.expect(1)?;
        numbers.expect(0x09)?;
        let size = numbers.next()?;
        let mut mark = numbers.byte()?;
        if mark == 0x0a {
            numbers.expect(1)?;
            numbers.skip(4)?;
            mark = numbers.byte()?;
        }
        if mark != 0 {
            return Err(numbers.unusual());
        }
        for wanted in [0x07, 0x0b, 1, 0] {
            numbers.expect(wanted)?;
        }
        let mut made = 0_u64;
        let coders = numbers.next()?;
        if !(1..=4).contains(&coders) {
            return Err(numbers.unusual());
        }
        for _ in 0..coders {
            let flags = numbers.byte()?;
            if flags & 0xd0 != 0 {
                return Err(numbers.unusual());
            }
            let id = numbers.take(u64::from(flags & 0x0f))?;
            let length = if flags & 0x20 == 0 { 0 } else { numbers.next()? };
            let properties = numbers.take(length)?;
            self.encrypted |= id == AES;
            check_coder(&id, &properties, memory)?;
        }
        // How each coder but the last hands on to another.
        for _ in 1..coders {
            numbers.next()?;
            numbers.next()?;
        }
        numbers.expect(0x0c)?;
        for _ in 0..coders {
            made = made.max(numbers.next()?);
        }
        if made > LONGEST {
            return Err(Stop::Spent(format!("a 7z directory of {made} bytes")));
        }
        let start = START.saturating_add(position);
        self.ranges.push(start..start.saturating_add(size));
        Ok(())
    }
}

/// Whether a block may be unpacked. [`Stop::Unreadable`] where it is encrypted.
pub(super) fn check_block(block: &Block, memory: u64) -> Scanned<()> {
    for coder in &block.coders {
        if coder.encoder_method_id() == AES {
            return Err(Stop::Unreadable("it is encrypted".into()));
        }
        check_coder(coder.encoder_method_id(), coder.properties(), memory)?;
    }
    Ok(())
}

/// Whether a coder looks back no further than may be allocated for it.
fn check_coder(id: &[u8], properties: &[u8], memory: u64) -> Scanned<()> {
    let back = match (id, properties) {
        (LZMA, [_, a, b, c, d, ..]) => u64::from(u32::from_le_bytes([*a, *b, *c, *d])),
        (LZMA2, [bits, ..]) if *bits <= 40 => (2 | u64::from(bits & 1)) << (bits / 2 + 11),
        _ => 0,
    };
    if back > memory {
        return Err(Stop::Spent(format!("a 7z block that looks back {back} bytes")));
    }
    Ok(())
}

/// Numbers as 7z writes them: the first byte's leading ones say how many bytes follow.
struct Numbers {
    rest: Bytes,
    at: u64,
}

impl Numbers {
    fn byte(&mut self) -> Scanned<u8> {
        if self.rest.is_empty() {
            return Err(self.unusual());
        }
        Ok(self.rest.get_u8())
    }

    fn next(&mut self) -> Scanned<u64> {
        let first = self.byte()?;
        let (mut value, mut mask) = (0_u64, 0x80_u8);
        for place in 0..8 {
            if first & mask == 0 {
                let high = u64::from(first & mask.wrapping_sub(1));
                return Ok(value | high << (8 * place));
            }
            value |= u64::from(self.byte()?) << (8 * place);
            mask >>= 1;
        }
        Ok(value)
    }

    fn expect(&mut self, wanted: u64) -> Scanned<()> {
        if self.next()? == wanted { Ok(()) } else { Err(self.unusual()) }
    }

    fn take(&mut self, count: u64) -> Scanned<Bytes> {
        match usize::try_from(count).ok().filter(|count| *count <= self.rest.len()) {
            Some(count) => Ok(self.rest.split_to(count)),
            None => Err(self.unusual()),
        }
    }

    fn skip(&mut self, count: u64) -> Scanned<()> {
        self.take(count).map(|_| ())
    }

    fn unusual(&self) -> Stop {
        Stop::broken(self.at, "the 7z directory is packed in a way that no writer of 7z uses")
    }
}
