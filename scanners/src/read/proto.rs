//! Protobuf on the wire: fields with their numbers and places. Nothing is decoded that nobody asked for, and a field's
//! content is skipped, not read, until somebody reads it.

use std::ops::Range;

use crate::{
    read::cursor::Cursor,
    scan::{Scanned, Stop},
    source::Source,
};

/// The content of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    /// A string, bytes, a packed list or a message: where it lies in the source.
    Bytes(Range<u64>),
}

/// One field of a message.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) number: u64,
    /// Where its tag stands.
    pub(crate) at: u64,
    pub(crate) content: Content,
}

/// Goes through the fields of the message in `range`.
pub(crate) struct Fields<'a> {
    cursor: Cursor<'a>,
    end: u64,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(source: &'a Source, range: Range<u64>) -> Self {
        Self { cursor: Cursor::within(source, &range), end: range.end.min(source.len()) }
    }

    /// The next field; nothing at the message's end.
    pub(crate) fn next(&mut self) -> Scanned<Option<Field>> {
        let at = self.cursor.position();
        if at >= self.end {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > 0x1fff_ffff {
            return Err(Stop::broken(at, format!("field number {number} does not exist")));
        }
        let content = match tag & 7 {
            0 => Content::Varint(self.varint()?),
            1 => Content::Fixed64(self.cursor.u64_le()?),
            2 => {
                let length = self.varint()?;
                let here = self.cursor.position();
                if length > self.end.saturating_sub(here) {
                    return Err(Stop::broken(
                        at,
                        format!("field {number} is said to have {length} bytes, past its message's end"),
                    ));
                }
                Content::Bytes(self.cursor.skip(length)?)
            }
            5 => Content::Fixed32(self.cursor.u32_le()?),
            other => return Err(Stop::broken(at, format!("wire type {other} does not exist"))),
        };
        if self.cursor.position() > self.end {
            return Err(Stop::broken(at, format!("field {number} goes past its message's end")));
        }
        Ok(Some(Field { number, at, content }))
    }

    fn varint(&mut self) -> Scanned<u64> {
        let at = self.cursor.position();
        let mut value = 0_u64;
        for place in 0..10 {
            let byte = self.cursor.u8()?;
            value |= u64::from(byte & 0x7f).checked_shl(place * 7).unwrap_or(0);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Stop::broken(at, "a varint has no end"))
    }
}

/// A short string field as text. What is not UTF-8 is refused, as by protobuf's own readers.
pub(crate) fn text(source: &Source, content: &Content, most: u64) -> Scanned<Option<String>> {
    match content {
        Content::Bytes(range) if range.end - range.start <= most => {
            let bytes = source.read(range.clone())?;
            match std::str::from_utf8(&bytes) {
                Ok(text) => Ok(Some(text.to_owned())),
                Err(_) => Err(Stop::broken(range.start, "a text is not UTF-8")),
            }
        }
        Content::Bytes(range) => {
            Err(Stop::broken(range.start, format!("a name has {} bytes, more than {most}", range.end - range.start)))
        }
        _ => Ok(None),
    }
}
