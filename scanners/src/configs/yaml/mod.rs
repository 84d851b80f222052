//! YAML into the same tree as JSON, and every tag in it, as PyYAML reads it. No recursion; aliases are counted, not expanded.
//!
//! Lenient: what is not YAML becomes text. Quoted text, block text and comments hold no tags.

mod lex;
mod scalars;
#[cfg(test)]
mod tests;
mod tree;

use self::lex::Rules;
use crate::{read::json::Tree, scan::Scanned};

/// More values than this after aliases are put in place is a bomb.
pub(crate) const MOST_EXPANDED: u64 = 10_000_000;

/// A YAML stream: its documents in one list.
pub(crate) struct Document {
    pub(crate) tree: Tree,
    pub(crate) tags: Vec<Tag>,
    /// How many values there are when aliases are put in place.
    pub(crate) expanded: u64,
}

/// A tag: `!!python/object/apply:os.system`.
pub(crate) struct Tag {
    pub(crate) at: u64,
    /// With its handle resolved: `tag:yaml.org,2002:python/object/apply:os.system`, or `!new:torch.nn.Linear`.
    pub(crate) name: String,
    /// The text that it stands before, if it is one.
    pub(crate) text: Option<String>,
}

/// Reads a stream of documents, in each way in which readers differ: PyYAML, libyaml, and those of YAML 1.2, to which fewer
/// letters end a line.
pub(crate) fn readings(text: &str, most: usize) -> Scanned<Vec<Document>> {
    let mut all = vec![tree::read(text, Rules { wide: true, lib: false }, most)?];
    let marks = text.contains('\u{feff}');
    if marks || text.contains('?') && text.contains(['[', '{']) {
        all.push(tree::read(text, Rules { wide: true, lib: true }, most)?);
    }
    if marks || text.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
        all.push(tree::read(text, Rules { wide: false, lib: true }, most)?);
    }
    Ok(all)
}

/// `%70ython` is `python`.
fn unescape(tag: &str) -> String {
    if !tag.contains('%') {
        return tag.to_owned();
    }
    let mut out: Vec<u8> = Vec::new();
    let mut bytes = tag.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let ahead: Vec<u8> = bytes.clone().take(2).collect();
        match (byte, &ahead[..]) {
            (b'%', [a, b]) if hex(*a).is_some() && hex(*b).is_some() => {
                out.push(hex(*a).unwrap_or(0) * 16 + hex(*b).unwrap_or(0));
                bytes.nth(1);
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
