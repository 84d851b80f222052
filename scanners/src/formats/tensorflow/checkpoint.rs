//! The index of a TensorFlow checkpoint: a sorted table of tensors, which lie in data files beside it.
//!
//! Reads names, types and shapes, never a tensor. The data files are looked at in `formats::raw`.

use crate::{
    facts::TensorFact,
    formats::{Match, Probe, gap},
    read::{
        cursor::Cursor,
        proto::{Content, Fields, text},
    },
    scan::{Scan, Scanned, Stop, in_memory},
    source::Source,
};

const MAGIC: &[u8] = &[0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
const FOOTER: u64 = 48;
/// Behind each block: how it is packed, and a checksum.
const TRAILER: u64 = 5;
/// The largest block that is read whole. TensorFlow's have 256 KiB.
const BLOCK: u64 = 64 << 20;
const NAME: u64 = 64 << 10;

pub(crate) fn is_index(probe: &Probe<'_>) -> Match {
    if probe.len() >= FOOTER && probe.tail.ends_with(MAGIC) { Match::Content } else { Match::No }
}

/// The index: every tensor's name, type, shape and place.
pub(crate) fn index(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let last = source.len().saturating_sub(FOOTER)..source.len();
    let mut footer = Cursor::at(source, last.start);
    let (meta, index) = (handle(&mut footer)?, handle(&mut footer)?);
    source.will_read([meta, index].map(|(start, size)| start..start.saturating_add(size).saturating_add(TRAILER)));
    let mut blocks = Vec::new();
    for (_, value) in entries(scan, source, index)? {
        let place = Source::made(source, "handle", in_memory(value), source.sheet);
        blocks.push(handle(&mut Cursor::at(&place, 0))?);
    }
    source.will_read(blocks.iter().map(|(start, size)| *start..start.saturating_add(*size)));
    for block in blocks {
        for (key, value) in entries(scan, source, block)? {
            let name = String::from_utf8_lossy(&key).into_owned();
            let place = Source::made(source, "entry", in_memory(value), source.sheet);
            if !name.is_empty() {
                tensor(scan, &place, name)?;
            }
        }
        scan.inspected(source, block.0..block.0.saturating_add(block.1).saturating_add(TRAILER));
    }
    for block in [meta, index] {
        let _ = entries(scan, source, block)?;
        scan.inspected(source, block.0..block.0.saturating_add(block.1).saturating_add(TRAILER));
    }
    // Between the two handles and the signature lie zeros, unless somebody put something there.
    let signature = last.end.saturating_sub(MAGIC.len() as u64)..last.end;
    scan.inspected(source, last.start..footer.position());
    gap::look(scan, source, footer.position()..signature.start, "in the footer of the table")?;
    scan.inspected(source, signature);
    Ok(())
}

/// BundleEntryProto.
fn tensor(scan: &mut Scan<'_>, entry: &Source, name: String) -> Scanned<()> {
    let mut fact = TensorFact { name, dtype: "?".into(), shape: Vec::new() };
    let mut fields = Fields::of(entry, 0..entry.len());
    while let Some(field) = fields.next()? {
        scan.steps(1)?;
        match (field.number, field.content) {
            (1, Content::Varint(kind)) => fact.dtype = dtype(kind).into(),
            (2, Content::Bytes(shape)) => {
                let mut dims = Fields::of(entry, shape);
                while let Some(dim) = dims.next()? {
                    let (2, Content::Bytes(dim)) = (dim.number, dim.content) else { continue };
                    let mut size = 0;
                    let mut parts = Fields::of(entry, dim);
                    while let Some(part) = parts.next()? {
                        match (part.number, part.content) {
                            (1, Content::Varint(value)) => size = value,
                            (2, content) => drop(text(entry, &content, NAME)?),
                            _ => {}
                        }
                    }
                    fact.shape.push(size);
                }
            }
            _ => {}
        }
    }
    if (scan.facts.tensors.len() as u64) < scan.limits.tensors {
        scan.facts.tensors.push(fact);
    }
    Ok(())
}

fn dtype(kind: u64) -> &'static str {
    match kind {
        1 => "F32",
        2 => "F64",
        3 => "I32",
        4 => "U8",
        5 => "I16",
        6 => "I8",
        7 => "STRING",
        8 => "C64",
        9 => "I64",
        10 => "BOOL",
        14 => "BF16",
        17 => "U16",
        19 => "F16",
        22 => "U32",
        23 => "U64",
        _ => "?",
    }
}

/// Where a block begins and how long it is.
fn handle(cursor: &mut Cursor<'_>) -> Scanned<(u64, u64)> {
    Ok((varint(cursor)?, varint(cursor)?))
}

fn varint(cursor: &mut Cursor<'_>) -> Scanned<u64> {
    let mut value = 0_u64;
    for place in 0..10 {
        let byte = cursor.u8()?;
        value |= u64::from(byte & 0x7f).checked_shl(place * 7).unwrap_or(0);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Stop::broken(cursor.position(), "a varint has no end"))
}

/// The entries of one block. Keys share their beginnings with the key before.
fn entries(scan: &mut Scan<'_>, source: &Source, (start, size): (u64, u64)) -> Scanned<Vec<(Vec<u8>, Vec<u8>)>> {
    let end = start.checked_add(size).and_then(|end| end.checked_add(TRAILER)).filter(|end| *end <= source.len());
    let Some(end) = end else { return Err(Stop::broken(start, "a block of the table lies past the file's end")) };
    if size < 4 {
        return Err(Stop::broken(start, "a block of the table is too short"));
    }
    if size > BLOCK {
        return Err(Stop::Spent(format!("a block of {size} bytes in a table")));
    }
    let block = source.part(start..end);
    let bytes = block.read(0..size + TRAILER)?;
    let byte = |at: u64| usize::try_from(at).ok().and_then(|at| bytes.get(at)).copied().unwrap_or_default();
    if byte(size) != 0 {
        return Err(Stop::broken(start, "a block of the table is compressed, which TensorFlow does not do"));
    }
    let restarts = u64::from(u32::from_le_bytes([byte(size - 4), byte(size - 3), byte(size - 2), byte(size - 1)]));
    let Some(records) = restarts.checked_mul(4).and_then(|list| (size - 4).checked_sub(list)) else {
        return Err(Stop::broken(start, "a block of the table has more restarts than bytes"));
    };
    let mut cursor = Cursor::at(&block, 0);
    let mut key: Vec<u8> = Vec::new();
    let mut out = Vec::new();
    let mut kept = 0_u64;
    while cursor.position() < records {
        scan.steps(1)?;
        let (shared, own, length) = (varint(&mut cursor)?, varint(&mut cursor)?, varint(&mut cursor)?);
        let shared = usize::try_from(shared).ok().filter(|shared| *shared <= key.len() && shared < &(1 << 16));
        let (Some(shared), true) = (shared, own <= NAME && length <= size) else {
            return Err(Stop::broken(start, "an entry of the table does not fit its block"));
        };
        key.truncate(shared);
        key.extend_from_slice(&cursor.bytes(own)?);
        kept += key.len() as u64 + length;
        if kept > 4 * BLOCK {
            return Err(Stop::Spent("a table's keys are too long".into()));
        }
        out.push((key.clone(), cursor.bytes(length)?.to_vec()));
    }
    Ok(out)
}
