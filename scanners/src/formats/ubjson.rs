//! UBJSON, in which XGBoost keeps its models: every length fits what is left, and every container ends.
//!
//! Walks with a list of open containers; lists of numbers are left out, and texts are not read.

use std::ops::Range;

use crate::{
    formats::{Match, Probe, gap},
    read::cursor::Cursor,
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// Deeper than any model, and less than what readers that recurse can take.
const DEEP: usize = 1000;

pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    let lengths = [&b"{L\0\0\0\0\0\0\0"[..], b"{i", b"{U"];
    let named = if probe.named(&[".ubj"]) { Match::Name } else { Match::No };
    let (Some(place), true) = (lengths.iter().position(|start| probe.starts_with(start)), probe.len() > 16) else {
        return named;
    };
    let (length, key) = if place == 0 { (9, 10) } else { (2, 3) };
    let length = probe.head.get(length).copied().map(usize::from).unwrap_or_default();
    let word = probe.head.get(key..key + length).unwrap_or_default();
    let plain = !word.is_empty() && word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if plain { Match::Content } else { named }
}

/// An open container: whether it is an object, and how many values are left where it says so.
type Open = (bool, Option<u64>);

/// Inspects one file.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut cursor = Cursor::at(source, 0);
    let mut open: Vec<Open> = Vec::new();
    let mut from = 0;
    loop {
        scan.steps(1)?;
        if let Some(last) = open.last_mut() {
            let object = last.0;
            if ends(&mut cursor, last)? {
                open.pop();
                if open.is_empty() {
                    break;
                }
                continue;
            }
            if object {
                let length = count(&mut cursor)?;
                let key = cursor.skip(length)?;
                from = unread(scan, source, from, key);
            }
        }
        let mark = cursor.u8()?;
        match mark {
            b'S' | b'H' => {
                // Some writers mark the length of a text as they mark a count.
                if cursor.peek()? == Some(b'#') {
                    cursor.u8()?;
                }
                let length = count(&mut cursor)?;
                let text = cursor.skip(length)?;
                from = unread(scan, source, from, text);
            }
            b'[' | b'{' => {
                if let Some(numbers) = container(scan, source, &mut cursor, mark == b'{', &mut open)? {
                    scan.inspected(source, from..numbers.start);
                    from = numbers.end;
                    scan.inert(source, numbers);
                }
            }
            other => {
                let Some(width) = width(other) else {
                    let message = format!("UBJSON has no value that begins with byte {other}");
                    return Err(Stop::broken(cursor.position(), message));
                };
                cursor.skip(width)?;
            }
        }
        if open.is_empty() {
            break;
        }
    }
    let end = cursor.position();
    scan.inspected(source, from..end);
    gap::look(scan, source, end..source.len(), "behind the UBJSON value")
}

/// Whether the container ends here; else one more of its values is taken.
fn ends(cursor: &mut Cursor<'_>, (object, left): &mut Open) -> Scanned<bool> {
    match left {
        Some(0) => Ok(true),
        Some(left) => {
            *left -= 1;
            Ok(false)
        }
        None => {
            let end = if *object { b'}' } else { b']' };
            let ends = cursor.peek()? == Some(end);
            if ends {
                cursor.u8()?;
            }
            Ok(ends)
        }
    }
}

/// A container begins. A list of numbers of one type is skipped, and its place answered.
fn container(
    scan: &mut Scan<'_>,
    source: &Source,
    cursor: &mut Cursor<'_>,
    object: bool,
    open: &mut Vec<Open>,
) -> Scanned<Option<Range<u64>>> {
    let mut kind = None;
    if cursor.peek()? == Some(b'$') {
        cursor.u8()?;
        kind = Some(cursor.u8()?);
    }
    let mut many = None;
    if cursor.peek()? == Some(b'#') {
        cursor.u8()?;
        many = Some(count(cursor)?);
    }
    let at = cursor.position();
    match (kind, many) {
        (Some(kind), Some(many)) if !object => {
            let width = width(kind).ok_or_else(|| Stop::broken(at, "a list of such values does not exist"))?;
            let bytes = many.checked_mul(width).ok_or_else(|| Stop::broken(at, "a list's length overflows"))?;
            if bytes > cursor.left() {
                let message = format!("A list of {many} values needs {bytes} bytes, and {} are left.", cursor.left());
                scan.found(&rules::TREES_MALFORMED, source, at, message);
            }
            cursor.skip(bytes).map(Some)
        }
        (None, many) => {
            if many.is_some_and(|many| many > cursor.left()) {
                return Err(Stop::broken(at, "a container holds more values than bytes are left"));
            }
            if open.len() >= DEEP {
                return Err(Stop::broken(at, format!("containers lie in one another deeper than {DEEP}")));
            }
            open.push((object, many));
            Ok(None)
        }
        _ => Err(Stop::broken(at, "a container has a type and no count")),
    }
}

/// The bytes of a plain value behind its mark.
fn width(kind: u8) -> Option<u64> {
    Some(match kind {
        b'Z' | b'T' | b'F' | b'N' => 0,
        b'i' | b'U' | b'C' => 1,
        b'I' => 2,
        b'l' | b'd' => 4,
        b'L' | b'D' => 8,
        _ => return None,
    })
}

/// A text that nobody reads. A short one is not worth a mark of its own. Answers from where on nothing is marked yet.
fn unread(scan: &mut Scan<'_>, source: &Source, from: u64, text: Range<u64>) -> u64 {
    if text.end - text.start <= 16 {
        return from;
    }
    scan.inspected(source, from..text.start);
    scan.inert(source, text.clone());
    text.end
}

/// A length: a number with its type before it.
fn count(cursor: &mut Cursor<'_>) -> Scanned<u64> {
    let at = cursor.position();
    let length = match cursor.u8()? {
        b'U' | b'i' => i64::from(cursor.u8()?.cast_signed()) & 0xff,
        b'I' => i64::from(cursor.u16_be()?.cast_signed()),
        b'l' => i64::from(cursor.u32_be()?.cast_signed()),
        b'L' => cursor.u64_be()?.cast_signed(),
        _ => return Err(Stop::broken(at, "a length is missing")),
    };
    u64::try_from(length).map_err(|_| Stop::broken(at, "a length is negative"))
}
