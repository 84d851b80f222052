//! Attributes: small values beside groups and datasets. Keras keeps its configs there, some table programs keep pickles.
//!
//! Only texts are read, and of those only what a loader would act on.

use bytes::Bytes;

use super::{
    file::{File, Piece},
    header::{self, Message},
    heap,
};
use crate::{
    formats::{keras, sniff},
    scan::{Scan, Scanned, Stop, in_memory},
};

/// Texts in one attribute that are read; lists of layers' names have some hundreds.
const TEXTS: u64 = 64;

struct Attribute {
    name: String,
    kind: Kind,
    count: u64,
    data: Piece,
}

/// What an attribute's elements are.
enum Kind {
    /// Texts or bytes of this many bytes each.
    Fixed(u64),
    /// Texts of any length, in a global heap.
    Varying,
    /// Numbers and the like.
    Other,
}

/// Inspects the attribute that `body` describes.
pub(crate) fn inspect(scan: &mut Scan<'_>, file: &File, path: &str, body: Piece) -> Scanned<()> {
    let Attribute { name, kind, count, data } = read(scan, file, body)?;
    values(scan, file, (path, &name), (kind, count), data)
}

/// Inspects a few texts that stand in `data`. `called` is the object's path and the attribute's name.
fn values(
    scan: &mut Scan<'_>,
    file: &File,
    (path, name): (&str, &str),
    (kind, count): (Kind, u64),
    mut data: Piece,
) -> Scanned<()> {
    match kind {
        Kind::Other => Ok(()),
        Kind::Fixed(length) => {
            if length == 0 {
                return Ok(());
            }
            for _ in 0..count.min(TEXTS).min(data.left() / length) {
                let at = data.at;
                let bytes = data.take(length)?;
                value(scan, file, path, name, at, bytes)?;
            }
            Ok(())
        }
        Kind::Varying => {
            let known = is_config(name);
            for _ in 0..count.min(TEXTS) {
                let length = data.u32()?;
                let (address, index) = (data.address()?, data.u32()?);
                if length == 0 || (!known && (length < 3 || length > scan.limits.text_bytes)) {
                    continue;
                }
                if length > scan.limits.text_bytes {
                    return Err(Stop::Spent(format!("a text of {length} bytes in `{name}`")));
                }
                let mut object = heap::global(scan, file, address, index)?;
                let at = object.at;
                let bytes = object.take(length.min(object.left()))?;
                value(scan, file, path, name, at, bytes)?;
            }
            Ok(())
        }
    }
}

/// The largest dataset of texts that is read.
const TEXT_DATA: u64 = 4 << 20;

/// A dataset of a few texts is as good as an attribute to whoever reads it.
pub(crate) fn texts(scan: &mut Scan<'_>, file: &File, path: &str, messages: &[Message]) -> Scanned<()> {
    let body = |kind: u64| messages.iter().find(|m| m.kind == kind && !m.shared).map(|m| m.body.clone());
    let (Some(space), Some(kind), Some(mut layout)) = (body(1), body(3), body(8)) else { return Ok(()) };
    let (kind, count) = (datatype(kind)?, dataspace(space)?);
    if matches!(kind, Kind::Other) || count > TEXTS {
        return Ok(());
    }
    let (version, class) = (layout.u8()?, layout.u8()?);
    let data = match (version, class) {
        (3.., 0) => {
            let length = layout.u16()?;
            let at = layout.at;
            file.piece(layout.take(length)?, at)
        }
        (3.., 1) => {
            let (address, length) = (layout.address()?, layout.length()?);
            if file.defined(address).is_none() || length > TEXT_DATA {
                return Ok(());
            }
            file.block(scan, address, length)?
        }
        _ => return Ok(()),
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    values(scan, file, (path, name), (kind, count), data)
}

/// The names under which Keras looks for configs.
fn is_config(name: &str) -> bool {
    matches!(name, "model_config" | "training_config" | "keras_metadata" | "config" | "layer_config")
}

fn value(scan: &mut Scan<'_>, file: &File, path: &str, name: &str, at: u64, bytes: Bytes) -> Scanned<()> {
    scan.steps(bytes.len() as u64 / 64)?;
    // The oldest pickles are lines of text that end with a full stop.
    let lines = matches!(bytes.first(), Some(b'c' | b'(' | b'I' | b'S' | b'V' | b'F' | b'l' | b'd' | b'i'))
        && bytes.contains(&b'\n')
        && bytes.iter().rfind(|b| **b != 0) == Some(&b'.');
    if lines || sniff::of(&bytes) == Some(sniff::Family::Pickle) {
        let range = at..at + bytes.len() as u64;
        scan.inner_made(&file.source, range, &format!("{path}@{name}"), in_memory(bytes));
        return Ok(());
    }
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let text = bytes.get(..end).unwrap_or_default();
    let first = text.iter().find(|b| !b.is_ascii_whitespace());
    let classes = memchr::memmem::find(text, b"class_name").is_some() || memchr::memmem::find(text, b"\\u00").is_some();
    let config = is_config(name) && matches!(first, Some(b'{' | b'[' | 0xef));
    if config || matches!(name, "model_config" | "training_config") || (first == Some(&b'{') && classes) {
        keras::config(scan, &file.source, at, &String::from_utf8_lossy(text))?;
    }
    Ok(())
}

fn read(scan: &mut Scan<'_>, file: &File, mut body: Piece) -> Scanned<Attribute> {
    let at = body.at;
    let (version, flags) = (body.u8()?, body.u8()?);
    let (name_size, type_size, space_size) = (body.u16()?, body.u16()?, body.u16()?);
    let pad = |size: u64| if version == 1 { size.next_multiple_of(8) } else { size };
    match version {
        1 | 2 => {}
        3 => body.skip(1)?,
        other => return Err(Stop::broken(at, format!("an attribute of version {other} does not exist"))),
    }
    let name = body.take(pad(name_size))?;
    let name = String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned();
    let (at, kind) = (body.at, body.take(pad(type_size))?);
    let mut kind = file.piece(kind, at);
    if version > 1 && flags & 1 != 0 {
        kind = elsewhere(scan, file, kind)?;
    }
    let (at, space) = (body.at, body.take(pad(space_size))?);
    if version > 1 && flags & 2 != 0 {
        return Err(Stop::Unreadable(format!("the dimensions of the attribute `{name}` lie elsewhere")));
    }
    let (kind, count) = (datatype(kind)?, dataspace(file.piece(space, at))?);
    Ok(Attribute { name, kind, count, data: body })
}

/// A type that is an object of its own: the message in that object's header.
fn elsewhere(scan: &mut Scan<'_>, file: &File, mut place: Piece) -> Scanned<Piece> {
    let (version, kind) = (place.u8()?, place.u8()?);
    if version == 1 {
        place.skip(6)?;
    }
    if version == 3 && kind != 2 {
        return Err(Stop::Unreadable("the type of an attribute lies in a shared heap".into()));
    }
    let address = place.address()?;
    let found = header::messages(scan, file, address)?.into_iter().find(|message| message.kind == 3 && !message.shared);
    found
        .map(|message| message.body)
        .ok_or_else(|| Stop::broken(place.at, "an attribute's type is not where it is said to be"))
}

fn datatype(mut piece: Piece) -> Scanned<Kind> {
    let class = piece.u8()? & 15;
    let bits = piece.u8()?;
    piece.skip(2)?;
    let size = piece.u32()?;
    Ok(match class {
        // Texts, and bytes that a program keeps as opaque.
        3 | 5 => Kind::Fixed(size),
        // A list of any length: of characters, or of bytes (whose own type follows).
        9 if bits & 15 == 1 || piece.u8()? & 15 <= 5 => Kind::Varying,
        _ => Kind::Other,
    })
}

fn dataspace(mut piece: Piece) -> Scanned<u64> {
    let (version, rank) = (piece.u8()?, piece.u8()?);
    piece.skip(if version == 1 { 6 } else { 2 })?;
    let mut count = 1_u64;
    for _ in 0..rank {
        count = count.saturating_mul(piece.length()?);
    }
    Ok(count)
}
