//! Attributes: small values beside groups and datasets. Keras keeps its configs there, some table programs keep pickles.
//!
//! Only texts are read, and of those only what a loader would act on.

use std::ops::Range;

use bytes::Bytes;

use super::{
    file::{File, Piece},
    globals::Globals,
    header::{self, Message},
};
use crate::{
    formats::{HEAD, Match, Probe, TAIL, keras},
    pickle,
    scan::{Scan, Scanned, Stop, in_memory},
    source::Source,
};

/// Texts of any length in one attribute that are judged under its name; lists of layers' names have some hundreds. The
/// others are judged with the heap that they lie in.
const TEXTS: u64 = 64;

struct Attribute {
    name: String,
    kind: Kind,
    count: u64,
    data: Piece,
}

/// A type, as far as it matters.
#[derive(Clone, Copy)]
struct Kind {
    elements: Elements,
    /// Its elements hold pointers that are not followed one by one.
    leads_on: bool,
}

/// What an attribute's elements are.
#[derive(Clone, Copy)]
enum Elements {
    /// Texts or bytes of this many bytes each.
    Fixed(u64),
    /// Numbers of one byte.
    Bytes,
    /// Texts of any length, in a global heap.
    Varying,
    /// Numbers and the like.
    Other,
}

/// Inspects the attribute that `body` describes.
pub(crate) fn inspect(scan: &mut Scan<'_>, file: &File, globals: &mut Globals, path: &str, body: Piece) -> Scanned<()> {
    let Attribute { name, kind, count, data } = read(scan, file, body)?;
    globals.search |= kind.leads_on;
    values(scan, file, globals, (path, &name), (kind, count), data)
}

/// Inspects a few texts that stand in `data`. `called` is the object's path and the attribute's name.
fn values(
    scan: &mut Scan<'_>,
    file: &File,
    globals: &mut Globals,
    called: (&str, &str),
    (kind, count): (Kind, u64),
    mut data: Piece,
) -> Scanned<()> {
    match kind.elements {
        Elements::Other => Ok(()),
        Elements::Bytes => blob(scan, file, called, data.at..data.at + count.min(data.left())),
        Elements::Fixed(length) => {
            if length == 0 {
                return Ok(());
            }
            for _ in 0..count.min(data.left() / length) {
                scan.steps(1)?;
                let at = data.at;
                let bytes = data.take(length)?;
                value(scan, file, called, at, &bytes)?;
            }
            Ok(())
        }
        Elements::Varying => {
            for number in 0..count {
                scan.steps(1)?;
                let length = data.u32()?;
                let (address, index) = (data.address()?, data.u32()?);
                if length == 0 || file.defined(address).is_none() {
                    continue;
                }
                // What is not judged here under its name is judged with its heap.
                globals.point(file, address);
                if number >= TEXTS {
                    continue;
                }
                for object in globals.objects(scan, file, address, index)? {
                    globals.judged(object.at);
                    value(scan, file, called, object.at, &object.bytes)?;
                }
            }
            Ok(())
        }
    }
}

/// The largest dataset that is read value by value.
const TEXT_DATA: u64 = 4 << 20;

/// A dataset of a few texts is as good as an attribute to whoever reads it, and its texts can be pickles to those who keep
/// objects in tables. Where its pointers are packed, or too many, the whole file is searched for what they point to.
pub(crate) fn dataset(
    scan: &mut Scan<'_>,
    file: &File,
    globals: &mut Globals,
    path: &str,
    messages: &[Message],
) -> Scanned<()> {
    let all = |kind: u64| messages.iter().filter(move |message| message.kind == kind);
    let Some(layout) = all(8).next() else { return Ok(()) };
    let mut kinds = Vec::new();
    for message in all(3) {
        let body = if message.shared { elsewhere(scan, file, message.body.clone()) } else { Ok(message.body.clone()) };
        match body.and_then(datatype) {
            Ok(kind) => kinds.push(kind),
            Err(stop @ (Stop::NotHere | Stop::Spent(_))) => return Err(stop),
            // A type that cannot be read may be any.
            Err(_) => globals.search = true,
        }
    }
    globals.search |= kinds.len() > 1 || kinds.iter().any(|kind| kind.leads_on);
    let Some(kind) = kinds.into_iter().next() else { return Ok(()) };
    let space = all(1).find(|message| !message.shared).map(|message| message.body.clone());
    // A row of bytes may be a file of its own; a picture is none.
    let row = space.as_ref().is_some_and(|space| space.bytes.get(1) == Some(&1));
    let name = path.rsplit('/').next().unwrap_or(path);
    match kind.elements {
        Elements::Other => return Ok(()),
        Elements::Bytes if !row => return Ok(()),
        Elements::Bytes | Elements::Fixed(_) | Elements::Varying => {}
    }
    let (place, count) = (place(file, layout.body.clone())?, space.map(dataspace).transpose()?);
    match (kind.elements, place, count) {
        (Elements::Bytes, Some(range), Some(count)) => {
            let end = range.end.min(range.start.saturating_add(count));
            blob(scan, file, (path, name), range.start..end)
        }
        (_, Some(range), Some(count)) if range.end - range.start <= TEXT_DATA => {
            let data = file.block(scan, range.start - file.base, range.end - range.start)?;
            values(scan, file, globals, (path, name), (kind, count), data)
        }
        (Elements::Fixed(_), Some(range), Some(1)) => blob(scan, file, (path, name), range),
        (Elements::Varying, _, _) => {
            globals.search = true;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Where in the source a dataset's data lies, if it lies in one piece.
fn place(file: &File, mut layout: Piece) -> Scanned<Option<Range<u64>>> {
    let (version, class) = (layout.u8()?, layout.u8()?);
    let (start, length) = match (version, class) {
        (3.., 0) => {
            let length = layout.u16()?;
            (layout.at, length)
        }
        (3.., 1) => {
            let (address, length) = (layout.address()?, layout.length()?);
            let Some(address) = file.defined(address) else { return Ok(None) };
            (file.base.saturating_add(address), length)
        }
        _ => return Ok(None),
    };
    let end = start.saturating_add(length);
    if end > file.source.len() {
        return Err(Stop::broken(start, format!("data of {length} bytes goes past the end")));
    }
    Ok(Some(start..end))
}

/// Looks at bytes that may be somebody's file, too many to be held or written as numbers: what begins and ends as a pickle
/// is one. Nothing else is read of them.
fn blob(scan: &mut Scan<'_>, file: &File, (path, name): (&str, &str), range: Range<u64>) -> Scanned<()> {
    let part = file.source.member(&format!("{path}@{name}"), range);
    let length = part.len();
    part.will_read([0..HEAD, length.saturating_sub(TAIL)..length]);
    let (head, tail) = (part.read_up_to(0, HEAD)?, part.read(length.saturating_sub(TAIL)..length)?);
    scan.steps(head.len() as u64 / 8)?;
    let ends = tail.iter().rfind(|byte| **byte != 0) == Some(&b'.');
    if ends && pickle::recognise(&Probe::new(&part, head, tail)) == Match::Content {
        scan.inner(&part);
    }
    Ok(())
}

/// The names under which Keras looks for configs.
fn is_config(name: &str) -> bool {
    matches!(name, "model_config" | "training_config" | "keras_metadata" | "config" | "layer_config")
}

/// Inspects one value. `called` is the object's path and the name under which the value stands there.
pub(crate) fn value(
    scan: &mut Scan<'_>,
    file: &File,
    (path, name): (&str, &str),
    at: u64,
    bytes: &Bytes,
) -> Scanned<()> {
    scan.steps(bytes.len() as u64 / 64)?;
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let (text, range) = (bytes.slice(..end), at..at + bytes.len() as u64);
    if pickled(scan, file, range, &format!("{path}@{name}"), &text)? {
        return Ok(());
    }
    let first = text.iter().find(|b| !b.is_ascii_whitespace());
    let opens = matches!(first, Some(b'{' | b'['));
    let finder = |what: &[u8]| memchr::memmem::find(&text, what).is_some();
    let named = is_config(name) && (opens || first == Some(&0xef));
    if named || matches!(name, "model_config" | "training_config") {
        keras::config(scan, &file.source, at, &String::from_utf8_lossy(&text))?;
    } else if opens && (finder(b"class_name") || finder(b"\\u00")) {
        keras::possible(scan, &file.source, at, &String::from_utf8_lossy(&text))?;
    }
    Ok(())
}

/// Inspects the value as a pickle, if it is one: programs that keep tables load such values when they are read.
fn pickled(scan: &mut Scan<'_>, file: &File, range: Range<u64>, name: &str, value: &Bytes) -> Scanned<bool> {
    // Nothing is named without an opcode of the newer protocols or the end of a line.
    if !value.iter().any(|byte| *byte == b'\n' || *byte >= 0x80) {
        return Ok(false);
    }
    let (length, source) = (value.len() as u64, Source::new(name, in_memory(value.clone()), 0));
    let (head, tail) = (source.read_up_to(0, HEAD)?, source.read(length.saturating_sub(TAIL)..length)?);
    scan.steps(head.len() as u64 / 8)?;
    let is = pickle::recognise(&Probe::new(&source, head, tail));
    if is != Match::No {
        // Each is a file of its own, with its own account of what was seen.
        scan.steps(500)?;
    }
    match is {
        Match::Content => {
            scan.inner_made(&file.source, range, name, in_memory(value.clone()));
            Ok(true)
        }
        // Its beginning may be one: that is seen only at its end.
        Match::Name => {
            let made = scan.made(&file.source, name, in_memory(value.clone()));
            pickle::inspect(scan, &made)?;
            let is = scan.is_complete(&made);
            if is {
                scan.fold(&made, &file.source, range);
            }
            Ok(is)
        }
        Match::No => Ok(false),
    }
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
        0 if size == 1 => Kind { elements: Elements::Bytes, leads_on: false },
        // Texts, and bytes that a program keeps as opaque.
        3 | 5 => Kind { elements: Elements::Fixed(size), leads_on: false },
        // A list of any length: of characters, or of elements whose own type follows.
        9 => Kind { elements: Elements::Varying, leads_on: bits & 15 != 1 && has_varying(&piece.bytes) },
        _ => Kind { elements: Elements::Other, leads_on: has_varying(&piece.bytes) },
    })
}

/// Whether a type's parts seem to have lists of any length among them. A name can look like one, which costs a search.
fn has_varying(parts: &[u8]) -> bool {
    parts
        .windows(4)
        .any(|four| matches!(four, [0x19 | 0x29 | 0x39 | 0x49 | 0x59, kind, set, 0] if kind & 15 <= 1 && *set <= 1))
}

fn dataspace(mut piece: Piece) -> Scanned<u64> {
    let (version, rank, _flags, kind) = (piece.u8()?, piece.u8()?, piece.u8()?, piece.u8()?);
    piece.skip(if version == 1 { 4 } else { 0 })?;
    // A space of no elements at all, not even one.
    let mut count = u64::from(version == 1 || kind != 2);
    for _ in 0..rank {
        count = count.saturating_mul(piece.length()?);
    }
    Ok(count)
}
