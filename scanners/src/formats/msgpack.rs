//! MessagePack: the checkpoints of flax, and other data. Finds extension types that nobody vouches for, and arrays of objects.
//!
//! Walks with a list of open containers; the bodies of strings and of bytes are left out.

use std::{collections::HashSet, ops::Range};

use crate::{
    formats::{Match, Probe, carried::carried, gap},
    read::cursor::Cursor,
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
};

/// The longest key or type name that is read.
const WORD: u64 = 256;
/// Deeper than any checkpoint, and less than what readers that recurse can take.
const DEEP: usize = 1000;

/// A map at the top whose first key is a word. A longer look costs nothing to anybody else: no text begins like this.
pub(crate) fn recognise(probe: &Probe<'_>) -> Match {
    let head = &probe.head;
    let named = probe.named(&[".msgpack", ".mpk"]);
    let (count, key) = match head.first() {
        Some(byte @ 0x81..=0x8f) => (u64::from(byte & 15), 1),
        Some(0xde) => (0, 3),
        Some(0xdf) => (0, 5),
        _ => return if named { Match::Name } else { Match::No },
    };
    let (start, length) = match (head.get(key), head.get(key + 1), head.get(key + 2)) {
        (Some(byte @ 0xa1..=0xbf), ..) => (key + 1, usize::from(byte & 31)),
        (Some(0xd9 | 0xc4), Some(length), _) => (key + 2, usize::from(*length)),
        (Some(0xda), Some(high), Some(low)) => (key + 3, usize::from(u16::from_be_bytes([*high, *low]))),
        _ => return if named { Match::Name } else { Match::No },
    };
    let word = head.get(start..start + length).unwrap_or_default();
    let plain = !word.is_empty() && word.iter().all(|byte| (0x20..0x7f).contains(byte));
    // The smallest value takes a byte, so a map of so many entries needs so many bytes.
    let room = probe.len() > count * 2;
    let next = head.get(start + length).is_some_and(|byte| *byte != 0xc1);
    if plain && room && next { Match::Content } else { Match::No }
}

/// An open container.
struct Open {
    /// How many values are still to come; a map counts its keys too.
    left: u64,
    map: bool,
    /// Where an extension's body ends; the values in it may not go past.
    body: Option<u64>,
    key: String,
    /// `kind: O` of the numpy extension: an array of objects.
    objects: bool,
    data: Option<Range<u64>>,
    keys: HashSet<String>,
    /// Of an array: its dimensions and its type.
    shape: Vec<u64>,
    dtype: String,
}

impl Open {
    fn of(left: u64, map: bool, body: Option<u64>) -> Self {
        Self {
            left,
            map,
            body,
            key: String::new(),
            objects: false,
            data: None,
            keys: HashSet::new(),
            shape: Vec::new(),
            dtype: String::new(),
        }
    }
}

enum Value {
    Number(u64),
    Word(String),
    Bytes(Range<u64>),
    Open { count: u64, map: bool },
    Extension { kind: i8, body: Range<u64> },
    Other,
}

/// Inspects one file.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let mut cursor = Cursor::at(source, 0);
    let mut open: Vec<Open> = Vec::new();
    let mut from = 0;
    loop {
        scan.steps(1)?;
        while open.last().is_some_and(|last| last.left == 0) {
            let last = open.pop();
            if let Some(last) = last {
                close(scan, source, &cursor, last)?;
            }
        }
        if open.is_empty() && cursor.position() > 0 {
            break;
        }
        let at = cursor.position();
        let value = value(&mut cursor)?;
        let (is_key, arrays) = match open.last_mut() {
            Some(last) => {
                last.left -= 1;
                (last.map && last.left % 2 == 1, last.body.is_some())
            }
            None => (false, false),
        };
        match value {
            Value::Word(word) => word_read(scan, source, at, &mut open, word, is_key, arrays),
            Value::Bytes(range) => {
                scan.inspected(source, from..range.start);
                from = range.end;
                if let Some(last) = open.last().filter(|last| last.body.is_some()) {
                    fits(scan, source, last, &range);
                }
                if let Some(last) = open.last_mut()
                    && (last.key == "data" || last.body.is_some())
                {
                    last.data = Some(range.clone());
                }
                scan.inert(source, range.clone());
                // Numbers lie in an extension; bytes elsewhere are small.
                if !arrays {
                    carried(scan, source, range, "the bytes of a value")?;
                }
            }
            Value::Open { count, map } => {
                let left = if map { count.saturating_mul(2) } else { count };
                if left > cursor.left() {
                    return Err(Stop::broken(at, format!("{count} values are announced where fewer bytes are left")));
                }
                if open.len() >= DEEP {
                    return Err(Stop::broken(at, format!("containers lie in one another deeper than {DEEP}")));
                }
                open.push(Open::of(left, map, None));
            }
            Value::Extension { kind, body } => {
                extension(scan, source, &mut cursor, at, kind, body, &mut open)?;
            }
            Value::Number(number) => {
                if let [.., array, dimensions] = open.as_mut_slice()
                    && array.body.is_some()
                    && !dimensions.map
                    && array.shape.len() < 64
                {
                    array.shape.push(number);
                }
            }
            Value::Other => {}
        }
    }
    let end = cursor.position();
    scan.inspected(source, from..end);
    gap::look(scan, source, end..source.len(), "behind the MessagePack value")
}

/// Flax writes arrays (1) and numpy scalars (3) as `(shape, dtype, bytes)` and complex numbers (2) as two numbers; -1 is a time.
fn extension(
    scan: &mut Scan<'_>,
    source: &Source,
    cursor: &mut Cursor<'_>,
    at: u64,
    kind: i8,
    body: Range<u64>,
    open: &mut Vec<Open>,
) -> Scanned<()> {
    match kind {
        1..=3 if open.iter().all(|one| one.body.is_none()) => {
            let message = |what: &str| Stop::broken(at, format!("the body of extension {kind} {what}"));
            cursor.go(body.start);
            let Value::Open { count, map: false } = value(cursor)? else { return Err(message("is no list")) };
            if count > 16 {
                return Err(message("holds too much"));
            }
            open.push(Open::of(count, false, Some(body.end)));
        }
        -1 if matches!(body.end - body.start, 4 | 8 | 12) => cursor.go(body.end),
        _ => {
            cursor.go(body.end);
            let bytes = body.end - body.start;
            let message = format!(
                "The data holds a value of extension type {kind} with {bytes} bytes. What it becomes is up to whoever \
                 loads it; flax has the types 1 to 3 only."
            );
            scan.found(&rules::MSGPACK_EXTENSION, source, at, message);
            if bytes > 4 {
                let inner = source.member(&format!("extension {kind}"), body);
                scan.inner(&inner);
            }
        }
    }
    Ok(())
}

/// An array's dimensions and type have to come to the bytes that it has.
fn fits(scan: &mut Scan<'_>, source: &Source, array: &Open, bytes: &Range<u64>) {
    let bits: String = array.dtype.chars().filter(char::is_ascii_digit).collect();
    let plain = ["float", "bfloat", "int", "uint", "complex"].contains(&array.dtype.trim_end_matches(char::is_numeric));
    let Some(width) = bits.parse::<u64>().ok().filter(|bits| plain && bits % 8 == 0) else { return };
    let wanted = array.shape.iter().try_fold(width / 8, |all, size| all.checked_mul(*size));
    let held = bytes.end - bytes.start;
    if wanted != Some(held) {
        let message = format!("An array of {} with the shape {:?} has {held} bytes.", array.dtype, array.shape);
        scan.found(&rules::ARRAY_SHAPE, source, bytes.start, message);
    }
}

/// A container ends.
fn close(scan: &mut Scan<'_>, source: &Source, cursor: &Cursor<'_>, last: Open) -> Scanned<()> {
    if let Some(end) = last.body
        && cursor.position() != end
    {
        return Err(Stop::broken(cursor.position(), "an extension's body does not end with its value"));
    }
    if last.objects
        && let Some(data) = last.data
    {
        let message = "The data holds a numpy array of Python objects: loading it runs the pickle inside.";
        scan.found(&rules::MSGPACK_EXTENSION, source, data.start, message);
        let inner = source.member("object array", data);
        scan.inner(&inner);
    }
    Ok(())
}

fn word_read(
    scan: &mut Scan<'_>,
    source: &Source,
    at: u64,
    open: &mut [Open],
    word: String,
    is_key: bool,
    in_extension: bool,
) {
    let Some(last) = open.last_mut() else { return };
    if is_key {
        if last.keys.len() < 100_000 && !last.keys.insert(word.clone()) {
            let message = format!("The key {word:?} is there twice, and programs differ in which of them they take.");
            scan.found(&rules::CONFIG_DUPLICATE, source, at, message);
        }
        last.key = word;
    } else if last.map && last.key == "kind" && word == "O" {
        last.objects = true;
    } else if in_extension && (word.contains("object") || matches!(word.as_str(), "O" | "|O")) {
        let message = format!("An array's type is `{word}`: its bytes would become Python objects.");
        scan.found(&rules::MSGPACK_EXTENSION, source, at, message);
        last.objects = true;
    } else if in_extension {
        last.dtype = word;
    }
}

/// The next value; a container's values and an extension's body are not read.
fn value(cursor: &mut Cursor<'_>) -> Scanned<Value> {
    let at = cursor.position();
    let byte = cursor.u8()?;
    Ok(match byte {
        0x00..=0x7f => Value::Number(byte.into()),
        0xcc => Value::Number(cursor.u8()?.into()),
        0xcd => Value::Number(cursor.u16_be()?.into()),
        0xce => Value::Number(cursor.u32_be()?.into()),
        0xcf => Value::Number(cursor.u64_be()?),
        0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Value::Other,
        0x80..=0x8f => Value::Open { count: u64::from(byte & 15), map: true },
        0x90..=0x9f => Value::Open { count: u64::from(byte & 15), map: false },
        0xa0..=0xbf => text(cursor, u64::from(byte & 31))?,
        0xc4 => {
            let length = u64::from(cursor.u8()?);
            bytes(cursor, length)?
        }
        0xc5 => {
            let length = u64::from(cursor.u16_be()?);
            bytes(cursor, length)?
        }
        0xc6 => {
            let length = u64::from(cursor.u32_be()?);
            bytes(cursor, length)?
        }
        0xca | 0xd2 => skip(cursor, 4)?,
        0xcb | 0xd3 => skip(cursor, 8)?,
        0xd0 => skip(cursor, 1)?,
        0xd1 => skip(cursor, 2)?,
        0xd4..=0xd8 => ext(cursor, 1 << (byte - 0xd4))?,
        0xc7 => {
            let length = u64::from(cursor.u8()?);
            ext(cursor, length)?
        }
        0xc8 => {
            let length = u64::from(cursor.u16_be()?);
            ext(cursor, length)?
        }
        0xc9 => {
            let length = u64::from(cursor.u32_be()?);
            ext(cursor, length)?
        }
        0xd9 => {
            let length = u64::from(cursor.u8()?);
            text(cursor, length)?
        }
        0xda => {
            let length = u64::from(cursor.u16_be()?);
            text(cursor, length)?
        }
        0xdb => {
            let length = u64::from(cursor.u32_be()?);
            text(cursor, length)?
        }
        0xdc => Value::Open { count: u64::from(cursor.u16_be()?), map: false },
        0xdd => Value::Open { count: u64::from(cursor.u32_be()?), map: false },
        0xde => Value::Open { count: u64::from(cursor.u16_be()?), map: true },
        0xdf => Value::Open { count: u64::from(cursor.u32_be()?), map: true },
        0xc1 => return Err(Stop::broken(at, "MessagePack has no value that begins with 0xc1")),
    })
}

fn skip(cursor: &mut Cursor<'_>, count: u64) -> Scanned<Value> {
    cursor.skip(count)?;
    Ok(Value::Other)
}

fn text(cursor: &mut Cursor<'_>, length: u64) -> Scanned<Value> {
    if length > WORD {
        let range = cursor.skip(length)?;
        return Ok(Value::Bytes(range));
    }
    let at = cursor.position();
    match String::from_utf8(cursor.bytes(length)?.to_vec()) {
        Ok(word) => Ok(Value::Word(word)),
        Err(_) => Err(Stop::broken(at, "a text is not UTF-8")),
    }
}

/// Short bytes are read: the numpy extension writes its keys so.
fn bytes(cursor: &mut Cursor<'_>, length: u64) -> Scanned<Value> {
    if length <= 16 {
        let at = cursor.position();
        let word = cursor.bytes(length)?;
        if !word.is_empty() && word.iter().all(u8::is_ascii_alphabetic) {
            return Ok(Value::Word(String::from_utf8_lossy(&word).into_owned()));
        }
        return Ok(Value::Bytes(at..at + length));
    }
    let range = cursor.skip(length)?;
    Ok(Value::Bytes(range))
}

fn ext(cursor: &mut Cursor<'_>, length: u64) -> Scanned<Value> {
    let kind = cursor.u8()?.cast_signed();
    let body = cursor.skip(length)?;
    Ok(Value::Extension { kind, body })
}
