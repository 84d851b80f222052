//! JSON as events and as a tree, without recursion. Keeps what other readers throw away: duplicate keys, their order, and
//! where each value stands.
//!
//! Takes what Python's reader takes (`NaN`, `Infinity`) and nothing more lenient than that.

use std::borrow::Cow;

use crate::scan::{Scanned, Stop};

/// Deeper than this it is counted what is left.
const DEEP: usize = 1000;

/// One step through a document.
#[derive(Debug, PartialEq)]
pub(crate) enum Event<'a> {
    BeginObject,
    EndObject,
    BeginArray,
    EndArray,
    Key(Cow<'a, str>),
    String(Cow<'a, str>),
    /// As it is written.
    Number(&'a str),
    Bool(bool),
    Null,
}

#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Value,
    /// A value, or the end of the array that just began.
    FirstItem,
    /// A key, or the end of the object that just began.
    FirstKey,
    CommaOrEnd,
    End,
}

/// Goes through a document, event by event.
pub(crate) struct Json<'a> {
    text: &'a [u8],
    at: usize,
    /// For each open container whether it is an object.
    open: Vec<bool>,
    expect: Expect,
}

impl<'a> Json<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, open: Vec::new(), expect: Expect::Value }
    }

    /// How deep the next value lies.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The byte after the last event.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next event with the byte where it begins; nothing when the document has ended.
    pub(crate) fn next(&mut self) -> Scanned<Option<(usize, Event<'a>)>> {
        loop {
            self.blank();
            let start = self.at;
            let Some(&byte) = self.text.get(self.at) else {
                return if self.expect == Expect::End {
                    Ok(None)
                } else {
                    Err(self.broken("the document ends in the middle"))
                };
            };
            match self.expect {
                Expect::End => return Err(self.broken("something follows the document")),
                Expect::CommaOrEnd => {
                    let object = self.open.last().copied().unwrap_or_default();
                    match (byte, object) {
                        (b',', true) => {
                            self.at += 1;
                            self.blank();
                            let at = self.at;
                            return self.key().map(|key| Some((at, key)));
                        }
                        (b',', false) => {
                            self.at += 1;
                            self.expect = Expect::Value;
                        }
                        (b'}', true) | (b']', false) => return Ok(Some((start, self.close(object)))),
                        _ => return Err(self.broken("a comma or an end is missing")),
                    }
                }
                Expect::FirstKey if byte == b'}' => return Ok(Some((start, self.close(true)))),
                Expect::FirstKey => return self.key().map(|key| Some((start, key))),
                Expect::FirstItem if byte == b']' => return Ok(Some((start, self.close(false)))),
                Expect::FirstItem | Expect::Value => return self.value(byte).map(|value| Some((start, value))),
            }
        }
    }

    fn value(&mut self, byte: u8) -> Scanned<Event<'a>> {
        match byte {
            b'{' | b'[' => {
                self.at += 1;
                // Nobody has to follow a million brackets that the rest is too short to close.
                if self.open.len() > DEEP && self.open.len() >= self.text.len().saturating_sub(self.at) {
                    return Err(self.broken("the document ends in the middle"));
                }
                self.open.push(byte == b'{');
                self.expect = if byte == b'{' { Expect::FirstKey } else { Expect::FirstItem };
                return Ok(if byte == b'{' { Event::BeginObject } else { Event::BeginArray });
            }
            b'"' => {
                let text = self.string()?;
                self.after_value();
                return Ok(Event::String(text));
            }
            _ => {}
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        let word = match byte {
            b't' => Some(("true", Event::Bool(true))),
            b'f' => Some(("false", Event::Bool(false))),
            b'n' => Some(("null", Event::Null)),
            b'N' => Some(("NaN", Event::Number("NaN"))),
            b'I' => Some(("Infinity", Event::Number("Infinity"))),
            b'-' => Some(("-Infinity", Event::Number("-Infinity"))),
            _ => None,
        };
        if let Some((word, event)) = word.filter(|(word, _)| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            self.after_value();
            return Ok(event);
        }
        let length = rest.iter().take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count();
        let number = rest.get(..length).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default();
        let plain = number.trim_start_matches('-');
        let leading_zero =
            plain.len() > 1 && plain.starts_with('0') && plain.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        if number.is_empty() || leading_zero || number.starts_with('+') || number.parse::<f64>().is_err() {
            return Err(self.broken("a value is missing"));
        }
        self.at += length;
        self.after_value();
        Ok(Event::Number(number))
    }

    fn key(&mut self) -> Scanned<Event<'a>> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(self.broken("a key is missing"));
        }
        let key = self.string()?;
        self.blank();
        if self.text.get(self.at) != Some(&b':') {
            return Err(self.broken("a colon is missing"));
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(Event::Key(key))
    }

    fn close(&mut self, object: bool) -> Event<'a> {
        self.at += 1;
        self.open.pop();
        self.after_value();
        if object { Event::EndObject } else { Event::EndArray }
    }

    fn after_value(&mut self) {
        self.expect = if self.open.is_empty() { Expect::End } else { Expect::CommaOrEnd };
    }

    fn blank(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Scanned<Cow<'a, str>> {
        self.at += 1;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(end) = memchr::memchr2(b'"', b'\\', rest) else { return Err(self.broken("a string has no end")) };
        let plain = rest.get(..end).unwrap_or_default();
        if rest.get(end) == Some(&b'"') {
            self.at += end + 1;
            return Ok(String::from_utf8_lossy(plain));
        }
        let mut out: Vec<u8> = plain.to_vec();
        self.at += end;
        loop {
            let Some(&byte) = self.text.get(self.at) else { return Err(self.broken("a string has no end")) };
            self.at += 1;
            match byte {
                b'"' => return Ok(Cow::Owned(String::from_utf8_lossy(&out).into_owned())),
                b'\\' => {
                    let c = self.escape()?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                byte => out.push(byte),
            }
        }
    }

    fn escape(&mut self) -> Scanned<char> {
        let byte = self.text.get(self.at).copied();
        self.at += 1;
        Ok(match byte {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'u') => {
                let high = self.hex()?;
                if (0xd800..0xdc00).contains(&high) && self.text.get(self.at..self.at + 2) == Some(b"\\u") {
                    let back = self.at;
                    self.at += 2;
                    let low = self.hex()?;
                    if (0xdc00..0xe000).contains(&low) {
                        return Ok(
                            char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)).unwrap_or('\u{fffd}')
                        );
                    }
                    self.at = back;
                }
                char::from_u32(high).unwrap_or('\u{fffd}')
            }
            _ => return Err(self.broken("an escape does not exist")),
        })
    }

    fn hex(&mut self) -> Scanned<u32> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|d| std::str::from_utf8(d).ok()).unwrap_or_default();
        let plain = digits.bytes().all(|b| b.is_ascii_hexdigit()) && digits.len() == 4;
        let value = if plain { u32::from_str_radix(digits, 16).ok() } else { None };
        self.at += 4;
        value.ok_or_else(|| self.broken("an escape does not exist"))
    }

    fn broken(&self, what: &str) -> Stop {
        Stop::broken(self.at as u64, format!("the JSON is invalid: {what}"))
    }
}

/// A whole document, its values in one list.
pub(crate) struct Tree {
    values: Vec<Value>,
}

/// One value of a [`Tree`].
pub(crate) struct Value {
    /// The byte where it begins.
    pub(crate) at: u64,
    pub(crate) kind: Kind,
}

/// What a value is. Containers name their values by their place in the list.
pub(crate) enum Kind {
    /// Every entry in order, duplicates too.
    Object(Vec<(String, usize)>),
    Array(Vec<usize>),
    String(String),
    Number,
    Bool(bool),
    Null,
}

impl Value {
    /// Puts the value `inner` into this one, under `key` where it is an object.
    pub(crate) fn hold(&mut self, key: &mut Option<String>, inner: usize) {
        match &mut self.kind {
            Kind::Object(entries) => entries.push((key.take().unwrap_or_default(), inner)),
            Kind::Array(items) => items.push(inner),
            _ => {}
        }
    }
}

impl Kind {
    /// What an event begins, or the key that it is. An end begins nothing.
    pub(crate) fn of(event: Event<'_>) -> Result<Self, String> {
        Ok(match event {
            Event::Key(name) => return Err(name.into_owned()),
            Event::BeginObject => Kind::Object(Vec::new()),
            Event::BeginArray => Kind::Array(Vec::new()),
            Event::String(text) => Kind::String(text.into_owned()),
            Event::Number(_) => Kind::Number,
            Event::Bool(is) => Kind::Bool(is),
            Event::Null | Event::EndObject | Event::EndArray => Kind::Null,
        })
    }
}

impl Tree {
    /// Reads a document of at most `most` values.
    pub(crate) fn parse(text: &[u8], most: usize) -> Scanned<Self> {
        let mut json = Json::new(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text));
        let mut values: Vec<Value> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut key: Option<String> = None;
        while let Some((at, event)) = json.next()? {
            if values.len() >= most {
                return Err(Stop::Spent(format!("more than {most} JSON values")));
            }
            if matches!(event, Event::EndObject | Event::EndArray) {
                open.pop();
                continue;
            }
            let kind = match Kind::of(event) {
                Ok(kind) => kind,
                Err(name) => {
                    key = Some(name);
                    continue;
                }
            };
            let here = values.len();
            if let Some(parent) = open.last().and_then(|parent| values.get_mut(*parent)) {
                parent.hold(&mut key, here);
            }
            if matches!(kind, Kind::Object(_) | Kind::Array(_)) {
                open.push(here);
            }
            values.push(Value { at: at as u64, kind });
        }
        Ok(Self { values })
    }

    /// A tree that another reader built: YAML, TOML. The first value is the outermost.
    pub(crate) fn of(values: Vec<Value>) -> Self {
        Self { values }
    }

    /// The outermost value.
    #[expect(clippy::unused_self, reason = "a question about this tree, like the others")]
    pub(crate) fn root(&self) -> usize {
        0
    }

    pub(crate) fn value(&self, id: usize) -> Option<&Value> {
        self.values.get(id)
    }

    /// Every value, containers before what they hold, with its number.
    pub(crate) fn all(&self) -> impl Iterator<Item = (usize, &Value)> {
        self.values.iter().enumerate()
    }

    /// The entries of an object, duplicates too; nothing for other values.
    pub(crate) fn entries(&self, id: usize) -> &[(String, usize)] {
        match self.value(id).map(|value| &value.kind) {
            Some(Kind::Object(entries)) => entries,
            _ => &[],
        }
    }

    /// The items of an array; nothing for other values.
    pub(crate) fn items(&self, id: usize) -> &[usize] {
        match self.value(id).map(|value| &value.kind) {
            Some(Kind::Array(items)) => items,
            _ => &[],
        }
    }

    /// Every value that `key` has in this object: more than one where it is there twice.
    pub(crate) fn get_all<'a>(&'a self, id: usize, key: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.entries(id).iter().filter(move |(name, _)| name == key).map(|(_, value)| *value)
    }

    /// The value of `key` as most readers see it: the last.
    pub(crate) fn get(&self, id: usize, key: &str) -> Option<usize> {
        self.get_all(id, key).last()
    }

    pub(crate) fn text(&self, id: usize) -> Option<&str> {
        match self.value(id).map(|value| &value.kind) {
            Some(Kind::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn at(&self, id: usize) -> u64 {
        self.value(id).map_or(0, |value| value.at)
    }

    /// The first key that an object names twice, if any.
    pub(crate) fn duplicate(&self, id: usize) -> Option<&str> {
        let mut names: Vec<&str> = self.entries(id).iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.windows(2).find_map(|pair| match pair {
            [a, b] if a == b => Some(*a),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

    use super::*;

    #[test]
    fn duplicates_escapes_and_places_are_kept() {
        let text = br#" {"a": 1, "\u0061": [true, null, -1.5e3, "\ud83d\ude00\n"], "b": {}} "#;
        let tree = Tree::parse(text, 100).unwrap();
        assert_eq!(tree.duplicate(0), Some("a"));
        assert_eq!(tree.get_all(0, "a").count(), 2);
        let list = tree.get(0, "a").unwrap();
        assert_eq!(tree.text(tree.items(list)[3]), Some("😀\n"));
        assert_eq!(tree.at(list), 20);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "[1 2]",
            "{1:2}",
            "\"",
            "\"\\x\"",
            "01",
            "[}",
            "1 1",
            "tru",
            "\"\\u12\"",
            "+1",
        ] {
            assert!(Tree::parse(bad.as_bytes(), 100).is_err(), "{bad}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(Tree::parse(deep.as_bytes(), 2_000_000).unwrap().all().count(), 1_000_000);
        assert!(matches!(Tree::parse(deep.as_bytes(), 100), Err(Stop::Spent(_))));
    }
}
