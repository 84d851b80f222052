//! Torch's first form, of 2016: a tar with `sys_info`, `pickle`, `storages` and `tensors`. torch still opens it, and does so
//! before it looks at anything else.
//!
//! Every pickle in it is judged; the numbers between them are not read.

use crate::{
    archive::Archive,
    pickle::{self, Loader},
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

const MEMBERS: [&str; 4] = ["sys_info", "pickle", "storages", "tensors"];

fn plain(name: &str) -> &str {
    name.trim_start_matches("./")
}

pub(crate) fn is_tar(archive: &Archive) -> bool {
    let has = |wanted: &str| archive.members.iter().any(|member| plain(&member.name) == wanted);
    has("pickle") && (has("storages") || has("tensors") || has("sys_info"))
}

#[expect(clippy::unnecessary_wraps, reason = "every kind has this form")]
pub(crate) fn inspect(scan: &mut Scan<'_>, archive: &Archive) -> Scanned<()> {
    let message = "The checkpoint is a tar in torch's oldest form, which torch loads with everything that its pickles call, \
                   in some versions even with weights_only=True.";
    scan.found(&rules::TORCH_TAR, &archive.source, 0, message);
    for member in &archive.members {
        match plain(&member.name) {
            "storages" => archive.inspect_as(scan, member, |scan, source| rows(scan, source, Row::Storage)),
            "tensors" => archive.inspect_as(scan, member, |scan, source| rows(scan, source, Row::Tensor)),
            name if MEMBERS.contains(&name) => archive
                .inspect_as(scan, member, |scan, source| pickle::inspect_as(scan, source, Loader::Plain).map(|_| ())),
            _ => archive.inspect(scan, member),
        }
    }
    Ok(())
}

/// What follows each pickle of a list.
#[derive(Clone, Copy, PartialEq)]
enum Row {
    /// How many numbers, and the numbers.
    Storage,
    /// The dimensions, sizes, strides and the offset.
    Tensor,
}

/// The count, then for each a pickle and its numbers. Where the numbers are not what they should be, what is left is
/// inspected as whatever it is.
fn rows(scan: &mut Scan<'_>, source: &Source, row: Row) -> Scanned<()> {
    let mut at = 0;
    let mut first = true;
    while at < source.len() {
        scan.steps(1)?;
        let Some(end) = end_of_pickle(scan, source, at)? else { break };
        let one = source.part(at..end);
        let kind = element_kind(&one)?;
        pickle::inspect_as(scan, &one, Loader::Plain)?;
        at = end;
        if std::mem::take(&mut first) {
            continue;
        }
        let Some(next) = numbers(source, at, row, kind)? else { break };
        scan.inert(source, at..next);
        at = next;
    }
    if at < source.len() {
        scan.inner(&source.part(at..source.len()));
    }
    Ok(())
}

/// Where the numbers behind a pickle end; nothing if they do not fit.
fn numbers(source: &Source, at: u64, row: Row, element: u64) -> Scanned<Option<u64>> {
    let head = source.read_up_to(at, 8)?;
    let Ok(count) = <[u8; 8]>::try_from(&head[..]).map(u64::from_le_bytes) else { return Ok(None) };
    let length = match row {
        Row::Storage => count.checked_mul(element).and_then(|bytes| bytes.checked_add(8)),
        // Four bytes say how many dimensions and four are padding; a size and a stride for each, and the offset.
        Row::Tensor => (count & 0xffff_ffff).checked_mul(16).and_then(|bytes| bytes.checked_add(16)),
    };
    Ok(length.and_then(|length| at.checked_add(length)).filter(|end| *end <= source.len()))
}

/// The bytes of one number of the storage that a pickle announces by its class.
fn element_kind(pickle: &Source) -> Scanned<u64> {
    let text = pickle.read_up_to(0, 4096)?;
    let has = |name: &[u8]| memchr::memmem::find(&text, name).is_some();
    Ok(match () {
        () if has(b"DoubleStorage") || has(b"LongStorage") => 8,
        () if has(b"HalfStorage") || has(b"ShortStorage") => 2,
        () if has(b"CharStorage") || has(b"ByteStorage") => 1,
        () => 4,
    })
}

/// Where the pickle that begins at `at` ends, by the lengths of its opcodes alone; nothing if it is none.
fn end_of_pickle(scan: &mut Scan<'_>, source: &Source, at: u64) -> Scanned<Option<u64>> {
    let mut cursor = crate::read::cursor::Cursor::at(source, at);
    while !cursor.at_end() {
        scan.steps(1)?;
        let skip = match cursor.u8()? {
            b'.' => return Ok(Some(cursor.position())),
            b'K' | b'h' | b'q' | 0x80 | 0x82 => 1,
            b'M' | 0x83 => 2,
            b'J' | b'j' | b'r' | 0x84 => 4,
            b'G' | 0x95 => 8,
            b'U' | b'C' | 0x8a | 0x8c => u64::from(cursor.u8()?),
            b'X' | b'B' | b'T' | 0x8b => u64::from(cursor.u32_le()?),
            0x8d | 0x8e | 0x96 => cursor.u64_le()?,
            b'c' | b'i' => {
                cursor.line(1 << 16)?;
                cursor.line(1 << 16)?;
                0
            }
            b'I' | b'L' | b'F' | b'S' | b'V' | b'P' | b'g' | b'p' => {
                cursor.line(1 << 16)?;
                0
            }
            b'('
            | b'0'
            | b'1'
            | b'2'
            | b'N'
            | b'Q'
            | b'R'
            | b'a'
            | b'b'
            | b'd'
            | b'}'
            | b'e'
            | b'l'
            | b']'
            | b'o'
            | b's'
            | b't'
            | b')'
            | b'u'
            | 0x81
            | 0x85..=0x89
            | 0x8f..=0x94
            | 0x97
            | 0x98 => 0,
            _ => return Ok(None),
        };
        if skip > cursor.left() {
            return Ok(None);
        }
        cursor.skip(skip)?;
    }
    Ok(None)
}
