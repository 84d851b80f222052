//! Where in a resource something is: `userName`, `name.familyName`, `urn:…:User:manager.value`.
//!
//! Names are the same whatever their capitals. Never changes anything: `patch.rs` does.

use serde_json::Value;

use super::shape;

/// An attribute, of a schema when it is not the resource's own, and perhaps one part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttrPath {
    /// The extension that it belongs to.
    pub extension: Option<&'static str>,
    /// Empty where the whole extension is meant.
    pub name: String,
    pub sub: Option<String>,
}

/// Whether two names are one.
pub fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

impl AttrPath {
    pub fn read(text: &str) -> Option<Self> {
        let mut extension = None;
        let mut rest = text;
        if text.get(..4).is_some_and(|start| same(start, "urn:")) {
            let known = shape::SCHEMAS_OF_RESOURCES
                .iter()
                .find(|urn| text.get(..urn.len()).is_some_and(|start| same(start, urn)))?;
            rest = &text[known.len()..];
            extension = (*known == shape::ENTERPRISE).then_some(shape::ENTERPRISE);
            rest = match rest.strip_prefix(':') {
                Some(rest) => rest,
                None if rest.is_empty() && extension.is_some() => {
                    return Some(Self { extension, name: String::new(), sub: None });
                }
                None => return None,
            };
        }
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (rest, None),
        };
        let plain = |word: &str| {
            let word = word.strip_prefix('$').unwrap_or(word);
            let starts = word.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
            starts && word.len() <= 100 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        (plain(name) && sub.is_none_or(plain)).then(|| Self {
            extension,
            name: name.to_owned(),
            sub: sub.map(str::to_owned),
        })
    }

    /// Whether this is exactly that attribute of the resource itself.
    pub fn is(&self, name: &str) -> bool {
        self.extension.is_none() && self.sub.is_none() && same(&self.name, name)
    }

    /// Everything that stands there; a list is its elements.
    pub fn values<'v>(&self, resource: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![resource];
        if let Some(urn) = self.extension {
            found = inside(&found, urn);
        }
        if !self.name.is_empty() {
            found = inside(&found, &self.name);
        }
        if let Some(sub) = &self.sub {
            found = inside(&found, sub);
        }
        found
    }
}

fn inside<'v>(values: &[&'v Value], name: &str) -> Vec<&'v Value> {
    let mut found = Vec::new();
    for value in values.iter().filter_map(|value| value.as_object()) {
        for (_, value) in value.iter().filter(|(key, _)| same(key, name)) {
            match value {
                Value::Array(list) => found.extend(list),
                one => found.push(one),
            }
        }
    }
    found
}
