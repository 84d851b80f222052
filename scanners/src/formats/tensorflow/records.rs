//! TFRecord: TensorBoard's event files, warm-up requests and data sets. Records with a length, a checksum and a body.
//!
//! What reads them copies or draws the bodies and runs none; they are left out. Every length is checked by its checksum.

use crate::{
    formats::{Match, Probe, gap},
    read::cursor::Cursor,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    let length: Option<[u8; 8]> = probe.head.get(..8).and_then(|bytes| bytes.try_into().ok());
    let sum: Option<[u8; 4]> = probe.head.get(8..12).and_then(|bytes| bytes.try_into().ok());
    match (length, sum) {
        (Some(length), Some(sum)) if masked(length) == u32::from_le_bytes(sum) => Match::Content,
        _ => Match::No,
    }
}

pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut cursor = Cursor::at(source, 0);
    while !cursor.at_end() {
        if cursor.left() < 12 {
            return gap::look(scan, source, cursor.position()..source.len(), "behind the last record");
        }
        scan.steps(1)?;
        let at = cursor.position();
        let length = cursor.u64_le()?;
        if masked(length.to_le_bytes()) != cursor.u32_le()? {
            // What is no record is no part of the file; the last record of a run that was stopped is cut off.
            return gap::look(scan, source, at..source.len(), "behind the last record");
        }
        scan.inspected(source, at..at + 12);
        if length.saturating_add(4) > cursor.left() {
            return Err(Stop::broken(at, "the last record is cut off"));
        }
        let body = cursor.skip(length + 4)?;
        scan.inert(source, body);
    }
    Ok(())
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
