//! TFRecord: TensorBoard's event files, warm-up requests and data sets. Records with a length, a checksum and a body.
//!
//! What reads them copies or draws the bodies and runs none; only a body that begins as something that runs is looked at.

use crate::{
    formats::gap,
    read::cursor::Cursor,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// Records whose bodies are looked at. A data set has millions, and fetching the beginning of each would fetch it whole.
const LOOKED_AT: u64 = 64;

/// The length of the first record, by its checksum.
pub(super) fn is_records(head: &[u8], _length: u64) -> bool {
    let length: Option<[u8; 8]> = head.get(..8).and_then(|bytes| bytes.try_into().ok());
    let sum: Option<[u8; 4]> = head.get(8..12).and_then(|bytes| bytes.try_into().ok());
    matches!((length, sum), (Some(length), Some(sum)) if masked(length) == u32::from_le_bytes(sum))
}

/// Answers where the last record ends: what is no record is no part of the file.
pub(super) fn records(scan: &mut Scan<'_>, source: &Source) -> Scanned<u64> {
    let mut cursor = Cursor::at(source, 0);
    let mut count = 0_u64;
    while cursor.left() >= 12 {
        scan.steps(1)?;
        let at = cursor.position();
        let length = cursor.u64_le()?;
        if masked(length.to_le_bytes()) != cursor.u32_le()? {
            return Ok(at);
        }
        if length.saturating_add(4) > cursor.left() {
            return Err(Stop::broken(at, "the last record is cut off"));
        }
        scan.inspected(source, at..at + 12);
        let body = cursor.skip(length + 4)?;
        if count < LOOKED_AT {
            gap::carried(scan, source, body.start..body.end - 4, "in a record")?;
        }
        count += 1;
    }
    Ok(cursor.position())
}

/// CRC-32C, turned and moved as TFRecord does it.
fn masked(bytes: [u8; 8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0x82f6_3b78 & (0_u32.wrapping_sub(sum & 1)));
        }
    }
    let sum = !sum;
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}
