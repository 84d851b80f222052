//! Two of the three heaps: local ones with the names of old groups, and fractal ones with what is many.
//!
//! Never looks into an object; the global heaps, which hold texts, are read in `globals`.

use super::{
    file::{File, Piece},
    tree,
};
use crate::scan::{Scan, Scanned, Stop};

/// The largest heap of names, and the largest object, that is read.
const LARGEST: u64 = 64 << 20;

/// The names of an old group, or of the files that hold a dataset.
pub(crate) fn local(scan: &mut Scan<'_>, file: &File, address: u64) -> Scanned<Piece> {
    let size = 8 + 2 * u64::from(file.lengths) + u64::from(file.offsets);
    let mut head = file.signed(scan, address, size, b"HEAP")?;
    head.skip(4)?;
    let length = head.length()?;
    head.length()?;
    let data = head.address()?;
    if length > LARGEST {
        return Err(Stop::Spent(format!("a heap of {length} bytes")));
    }
    file.block(scan, data, length)
}

/// The text at an offset of a heap of names.
pub(crate) fn name(heap: &Piece, offset: u64) -> Scanned<String> {
    let mut at = heap.clone();
    at.skip(offset)?;
    at.text()
}

/// A heap in blocks that double in size.
pub(crate) struct Fractal {
    huge: Option<u64>,
    offset_width: u8,
    length_width: u8,
    id_length: u64,
    width: u64,
    start: u64,
    most_direct: u64,
    root: Option<u64>,
    /// Rows of the root; none where the root is a block of objects.
    rows: u64,
    flags: u8,
    filtered: bool,
}

impl Fractal {
    pub(crate) fn read(scan: &mut Scan<'_>, file: &File, address: u64) -> Scanned<Self> {
        let (o, l) = (u64::from(file.offsets), u64::from(file.lengths));
        let mut head = file.signed(scan, address, 22 + 3 * o + 12 * l, b"FRHP")?;
        let at = head.at;
        head.skip(1)?;
        let (id_length, filters, flags, most_managed) = (head.u16()?, head.u16()?, head.u8()?, head.u32()?);
        head.length()?;
        let huge = head.address()?;
        head.length()?;
        head.address()?;
        for _ in 0..8 {
            head.length()?;
        }
        let width = head.u16()?;
        let (start, most_direct) = (head.length()?, head.length()?);
        let bits = head.u16()?;
        head.u16()?;
        let root = head.address()?;
        let rows = head.u16()?;
        if width == 0 || !start.is_power_of_two() || !most_direct.is_power_of_two() || bits == 0 || bits > 64 {
            return Err(Stop::broken(at, "a heap's sizes make no sense"));
        }
        let of_block = most_direct.ilog2().div_ceil(8);
        Ok(Self {
            huge: file.defined(huge),
            offset_width: u8::try_from(bits.div_ceil(8)).unwrap_or(8),
            length_width: u8::try_from(of_block).unwrap_or(8).min(tree::width_of(most_managed)),
            id_length,
            width,
            start,
            most_direct,
            root: file.defined(root),
            rows,
            flags,
            filtered: filters > 0,
        })
    }

    /// The object that an id stands for.
    pub(crate) fn object(&self, scan: &mut Scan<'_>, file: &File, mut id: Piece) -> Scanned<Piece> {
        let at = id.at;
        if self.filtered {
            return Err(Stop::Unreadable("a heap is compressed".into()));
        }
        let first = id.u8()?;
        match first >> 4 & 3 {
            0 => {
                let (offset, length) = (id.number(self.offset_width)?, id.number(self.length_width)?);
                let address = self.place(scan, file, offset)?;
                file.block(scan, address, length)
            }
            1 => self.huge(scan, file, id),
            2 => {
                let length = if self.id_length <= 18 {
                    u64::from(first & 15) + 1
                } else {
                    (u64::from(first & 15) << 8 | u64::from(id.u8()?)) + 1
                };
                let at = id.at;
                Ok(file.piece(id.take(length)?, at))
            }
            other => Err(Stop::broken(at, format!("an object of kind {other} does not exist"))),
        }
    }

    fn huge(&self, scan: &mut Scan<'_>, file: &File, mut id: Piece) -> Scanned<Piece> {
        let direct = u64::from(file.offsets) + u64::from(file.lengths) < self.id_length;
        let (address, length) = if direct {
            (id.address()?, id.length()?)
        } else {
            let width = u8::try_from(id.left()).unwrap_or(8).min(file.lengths);
            let wanted = id.number(width)?;
            let tree = self.huge.ok_or_else(|| Stop::broken(id.at, "a heap has no large objects"))?;
            let mut place = None;
            for mut record in tree::records(scan, file, tree)? {
                let here = (record.address()?, record.length()?);
                if record.length()? == wanted {
                    place = Some(here);
                }
            }
            place.ok_or_else(|| Stop::broken(id.at, "a large object is missing"))?
        };
        if length > LARGEST {
            return Err(Stop::Spent(format!("an object of {length} bytes")));
        }
        file.block(scan, address, length)
    }

    /// Where in the file a place in the heap is.
    fn place(&self, scan: &mut Scan<'_>, file: &File, offset: u64) -> Scanned<u64> {
        let wrong = || Stop::broken(0, format!("the place {offset} is not in its heap"));
        let mut block = self.root.ok_or_else(wrong)?;
        if self.rows == 0 {
            return self.direct(scan, file, block).and_then(|()| block.checked_add(offset).ok_or_else(wrong));
        }
        let direct_rows = u64::from((self.most_direct.ilog2() + 2).saturating_sub(self.start.ilog2()));
        let first_row = self.width.checked_mul(self.start).ok_or_else(wrong)?;
        let mut within = offset;
        for _ in 0..64 {
            let row = if within < first_row { 0 } else { u64::from((within / first_row).ilog2()) + 1 };
            let shift = u32::try_from(row.saturating_sub(1)).map_err(|_| wrong())?;
            let size = self.start.checked_shl(shift).filter(|s| *s > 0).ok_or_else(wrong)?;
            let from = if row == 0 { 0 } else { first_row.checked_shl(shift).ok_or_else(wrong)? };
            let column = within.saturating_sub(from) / size;
            let pointer = u64::from(file.offsets);
            let head = 5 + pointer + u64::from(self.offset_width);
            let entry = row.checked_mul(self.width).and_then(|n| n.checked_add(column)).ok_or_else(wrong)?;
            file.signed(scan, block, head, b"FHIB")?;
            let at =
                entry.checked_mul(pointer).and_then(|n| n.checked_add(block)?.checked_add(head)).ok_or_else(wrong)?;
            let child = file.block(scan, at, pointer)?.address()?;
            block = file.defined(child).ok_or_else(wrong)?;
            within = within.saturating_sub(from + column * size);
            if row < direct_rows {
                self.direct(scan, file, block)?;
                return block.checked_add(within).ok_or_else(wrong);
            }
        }
        Err(wrong())
    }

    fn direct(&self, scan: &mut Scan<'_>, file: &File, address: u64) -> Scanned<()> {
        let checksum = if self.flags & 2 != 0 { 4 } else { 0 };
        let head = 5 + u64::from(file.offsets) + u64::from(self.offset_width) + checksum;
        file.signed(scan, address, head, b"FHDB").map(|_| ())
    }
}
