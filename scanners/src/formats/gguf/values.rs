//! The keys and values of a GGUF header, in either byte order and all three versions.
//!
//! Values are stepped over; only what servers act on is kept: templates, the licence, the alignment.

use std::collections::{HashMap, HashSet};

use crate::{
    read::cursor::Cursor,
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
    text::template,
};

/// The longest key that the format allows.
const LONGEST_KEY: u64 = 65_535;

/// Reads numbers in the file's own byte order.
pub(crate) struct Reader<'a> {
    source: &'a Source,
    cursor: Cursor<'a>,
    pub(crate) version: u32,
    big: bool,
    /// Where the alignment was set, and to what, if that was a number of the right kind.
    pub(crate) alignment: Option<(u64, Option<u64>)>,
    /// Numbers and lengths of lists that have to fit each other, with their places.
    known: HashMap<String, (u64, u64)>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Self { source, cursor: Cursor::at(source, 0), version: 0, big: false, alignment: None, known: HashMap::new() }
    }

    /// Reads the magic and the version. A version that only makes sense the other way round tells the byte order.
    pub(crate) fn begin(&mut self) -> Scanned<()> {
        self.cursor.skip(4)?;
        let version = self.cursor.u32_le()?;
        self.big = version.trailing_zeros() >= 16 && version != 0;
        self.version = if self.big { version.swap_bytes() } else { version };
        Ok(())
    }

    pub(crate) fn position(&self) -> u64 {
        self.cursor.position()
    }

    fn u16(&mut self) -> Scanned<u16> {
        if self.big { self.cursor.u16_be() } else { self.cursor.u16_le() }
    }

    pub(crate) fn u32(&mut self) -> Scanned<u32> {
        if self.big { self.cursor.u32_be() } else { self.cursor.u32_le() }
    }

    pub(crate) fn u64(&mut self) -> Scanned<u64> {
        if self.big { self.cursor.u64_be() } else { self.cursor.u64_le() }
    }

    /// Counts, lengths and dimensions: the first version wrote them shorter.
    pub(crate) fn count(&mut self) -> Scanned<u64> {
        if self.version == 1 { self.u32().map(u64::from) } else { self.u64() }
    }

    /// A length of bytes, which have to be there.
    fn length(&mut self) -> Scanned<u64> {
        let at = self.position();
        let length = self.count()?;
        if length > self.cursor.left() {
            let left = self.cursor.left();
            return Err(Stop::broken(at, format!("a text is said to have {length} bytes, and {left} are left")));
        }
        Ok(length)
    }

    /// A name of at most `most` bytes.
    pub(crate) fn name(&mut self, most: u64) -> Scanned<String> {
        let at = self.position();
        let length = self.length()?;
        if length > most {
            return Err(Stop::broken(at, format!("a name has {length} bytes")));
        }
        Ok(String::from_utf8_lossy(&self.cursor.bytes(length)?).into_owned())
    }

    fn skip_text(&mut self) -> Scanned<()> {
        let length = self.length()?;
        // Short ones lie in the window; only long ones are worth a jump.
        self.cursor.skip(length)?;
        Ok(())
    }
}

/// Bytes of a value of a type; texts and lists have none of their own.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

const TEXT: u32 = 8;
const LIST: u32 = 9;

/// Reads `count` keys and their values.
pub(crate) fn read(scan: &mut Scan<'_>, source: &Source, reader: &mut Reader<'_>, count: u64) -> Scanned<()> {
    let mut keys = HashSet::new();
    for _ in 0..count {
        scan.steps(1)?;
        let at = reader.position();
        let key = reader.name(1 << 20)?;
        if key.len() as u64 > LONGEST_KEY || key.is_empty() {
            let message = format!("A key has {} bytes; it has to have between 1 and {LONGEST_KEY}.", key.len());
            scan.found(&rules::GGUF_NESTING, source, at, message);
        }
        if key.contains(['\0', char::REPLACEMENT_CHARACTER]) {
            let message = format!("The key `{key}` holds a NUL or is no UTF-8: loaders differ in what they read.");
            scan.found(&rules::GGUF_NESTING, source, at, message);
        }
        if !keys.insert(key.clone()) {
            let message = format!("The key `{key}` is there twice; loaders differ in which value they take.");
            scan.found(&rules::GGUF_DUPLICATE, source, at, message);
        }
        let kind = reader.u32()?;
        value(scan, source, reader, &key, (at, kind))?;
    }
    fit(scan, source, reader);
    Ok(())
}

/// More parts of one model than any has.
const MOST_PARTS: u64 = 1000;

/// Loaders index one list by the length of another, and by numbers that other keys give.
fn fit(scan: &mut Scan<'_>, source: &Source, reader: &Reader<'_>) {
    let known = |key: &str| reader.known.get(key).copied();
    let mut found: Vec<(u64, String)> = Vec::new();
    if let Some((_, tokens)) = known("tokenizer.ggml.tokens") {
        for key in ["tokenizer.ggml.scores", "tokenizer.ggml.token_type"] {
            if let Some((at, count)) = known(key).filter(|(_, count)| *count != tokens) {
                found.push((at, format!("`{key}` has {count} values for {tokens} tokens.")));
            }
        }
        for (key, (at, id)) in &reader.known {
            // A number of which every bit is set says that there is no such token.
            if key.ends_with("_token_id") && *id >= tokens && *id != u64::from(u32::MAX) {
                found.push((*at, format!("`{key}` is {id}, outside a vocabulary of {tokens} tokens.")));
            }
        }
    }
    let (count, number) = (known("split.count"), known("split.no"));
    if let Some((at, count)) = count.filter(|(_, count)| *count > MOST_PARTS) {
        found.push((at, format!("The file says that it is one of {count} parts.")));
    }
    if let (Some((_, count)), Some((at, number))) = (count, number)
        && number >= count.max(1)
    {
        found.push((at, format!("The file says that it is part {number} of {count}, counted from 0.")));
    }
    found.sort();
    for (at, message) in found {
        scan.found(&rules::GGUF_NESTING, source, at, message);
    }
}

fn value(
    scan: &mut Scan<'_>,
    source: &Source,
    reader: &mut Reader<'_>,
    key: &str,
    (at, kind): (u64, u32),
) -> Scanned<()> {
    if key == "general.alignment" {
        reader.alignment = Some((at, None));
        if matches!(kind, 4 | 5) {
            reader.alignment = Some((at, (kind == 4).then_some(u64::from(reader.u32()?))));
            return Ok(());
        }
    }
    match kind {
        2 | 4 if key.starts_with("split.") || key.ends_with("_token_id") => {
            let number = if kind == 2 { u64::from(reader.u16()?) } else { u64::from(reader.u32()?) };
            reader.known.insert(key.to_owned(), (at, number));
            Ok(())
        }
        7 => {
            let is = reader.cursor.u8()?;
            if is > 1 {
                let message = format!("The value of `{key}` is {is}; it has to be true or false, 1 or 0.");
                scan.found(&rules::GGUF_NESTING, source, at, message);
            }
            Ok(())
        }
        TEXT => text(scan, source, reader, key),
        LIST => list(scan, source, reader, key),
        kind => {
            if let Some(bytes) = width(kind) {
                return reader.cursor.skip(bytes).map(|_| ());
            }
            let message = format!("The key `{key}` has a value of type {kind}, which does not exist.");
            scan.found(&rules::GGUF_TYPE, source, at, message);
            Err(Stop::broken(at, format!("the value of `{key}` is of no known type")))
        }
    }
}

fn is_template(key: &str) -> bool {
    key == "tokenizer.chat_template" || key.starts_with("tokenizer.chat_template.") || key.ends_with(".chat_template")
}

fn text(scan: &mut Scan<'_>, source: &Source, reader: &mut Reader<'_>, key: &str) -> Scanned<()> {
    let licence = matches!(key, "general.license" | "general.license.name");
    if !is_template(key) && !licence {
        return reader.skip_text();
    }
    let at = reader.position();
    let length = reader.length()?;
    if length > scan.limits.text_bytes {
        return Err(Stop::Spent(format!("a text of {length} bytes in `{key}`")));
    }
    let start = reader.position();
    let bytes = reader.cursor.bytes(length)?;
    let text = String::from_utf8_lossy(&bytes);
    if licence && length < 200 {
        scan.facts.licences.insert(text.into_owned());
        return Ok(());
    }
    if std::str::from_utf8(&bytes).is_err() {
        let message = "A chat template is not text: what a server makes of its odd bytes differs from one to the next.";
        scan.found(&rules::GGUF_NESTING, source, start, message.to_owned());
    }
    if is_template(key)
        && let Err(stop) = template::inspect(scan, source, start, key, &text)
    {
        scan.stopped(&reader.source.part(at..start + length), stop);
    }
    Ok(())
}

fn list(scan: &mut Scan<'_>, source: &Source, reader: &mut Reader<'_>, key: &str) -> Scanned<()> {
    let at = reader.position();
    let kind = reader.u32()?;
    let count = reader.count()?;
    let left = reader.cursor.left();
    let least = match (kind, width(kind)) {
        (_, Some(bytes)) => bytes,
        (TEXT, _) => {
            if reader.version == 1 {
                4
            } else {
                8
            }
        }
        (LIST, _) => {
            let message = format!("The value of `{key}` is a list of lists, which loaders do not take.");
            scan.found(&rules::GGUF_NESTING, source, at, message);
            return Err(Stop::broken(at, format!("`{key}` is a list of lists")));
        }
        _ => {
            let message = format!("The list `{key}` has values of type {kind}, which does not exist.");
            scan.found(&rules::GGUF_TYPE, source, at, message);
            return Err(Stop::broken(at, format!("the values of `{key}` are of no known type")));
        }
    };
    let bytes = count.checked_mul(least).filter(|bytes| *bytes <= left);
    let Some(bytes) = bytes else {
        return Err(Stop::broken(
            at,
            format!("the list `{key}` announces {count} values, more than {left} bytes can hold"),
        ));
    };
    if key.starts_with("tokenizer.ggml.") {
        reader.known.insert(key.to_owned(), (at, count));
    }
    if kind != TEXT {
        return reader.cursor.skip(bytes).map(|_| ());
    }
    // Templates of several purposes have also been written as lists.
    let templates = is_template(key);
    scan.steps(count)?;
    for _ in 0..count {
        if templates { text(scan, source, reader, key)? } else { reader.skip_text()? }
    }
    Ok(())
}
