//! How configs are encoded, and the bytecode in a Lambda layer: which names it mentions, so that a reviewer sees what it is
//! about.
//!
//! Only words are picked out. That there is bytecode at all is the finding; nothing here makes it better.

use std::borrow::Cow;

use crate::read::{
    base64,
    json::{Kind, Tree},
};

/// Names worth telling, as they stand in bytecode.
const TELLING: &[&str] = &[
    "os",
    "system",
    "popen",
    "subprocess",
    "Popen",
    "check_output",
    "eval",
    "exec",
    "__import__",
    "import_module",
    "socket",
    "connect",
    "urllib",
    "urlopen",
    "requests",
    "open",
    "builtins",
    "ctypes",
    "shutil",
    "rmtree",
    "environ",
    "base64",
    "b64decode",
    "marshal",
    "loads",
    "pickle",
    "compile",
    "getattr",
];

/// Values below the object that are looked at.
const VALUES: usize = 200;

/// The telling names in the encoded texts below this object.
pub(crate) fn mentioned(tree: &Tree, id: usize) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    let (mut todo, mut looked) = (vec![id], 0);
    while let Some(id) = todo.pop() {
        looked += 1;
        if looked > VALUES {
            break;
        }
        match tree.value(id).map(|value| &value.kind) {
            Some(Kind::Object(entries)) => todo.extend(entries.iter().map(|(_, value)| *value)),
            Some(Kind::Array(items)) => todo.extend(items),
            Some(Kind::String(text)) if text.len() > 40 => {
                let bytes = base64::decode(text.as_bytes());
                for word in bytes.split(|b| !b.is_ascii_alphanumeric() && *b != b'_') {
                    // A short text in bytecode has its length before it, which may be a letter.
                    let tails = [word, word.get(1..).unwrap_or_default()];
                    let telling = TELLING.iter().find(|name| tails.contains(&name.as_bytes()));
                    if let Some(name) = telling.filter(|name| !found.contains(name)) {
                        found.push(name);
                    }
                }
            }
            _ => {}
        }
    }
    found.sort_unstable();
    found
}

/// The text of a JSON document in any encoding that Python's reader recognises by its first bytes.
pub(crate) fn as_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    let zero = |at: usize| bytes.get(at) == Some(&0);
    let (width, big, from) = match bytes {
        [0xff, 0xfe, 0, 0, ..] => (4, false, 4),
        [0, 0, 0xfe, 0xff, ..] => (4, true, 4),
        [0xff, 0xfe, ..] => (2, false, 2),
        [0xfe, 0xff, ..] => (2, true, 2),
        [_, _, _, _, ..] if zero(0) && zero(1) => (4, true, 0),
        [_, _, _, _, ..] if zero(0) => (2, true, 0),
        [_, _, _, _, ..] if zero(1) && zero(2) => (4, false, 0),
        [_, _, _, _, ..] if zero(1) => (2, false, 0),
        _ => return Cow::Borrowed(bytes),
    };
    let mut units = bytes.get(from..).unwrap_or_default().chunks_exact(width).map(|unit| {
        let fold = |all: u32, b: &u8| all << 8 | u32::from(*b);
        if big { unit.iter().fold(0, fold) } else { unit.iter().rev().fold(0, fold) }
    });
    let mut text = String::with_capacity(bytes.len() / width);
    if width == 4 {
        text.extend(units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)));
    } else {
        let short = units.by_ref().map(|unit| u16::try_from(unit).unwrap_or_default());
        text.extend(char::decode_utf16(short).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
    Cow::Owned(text.into_bytes())
}
