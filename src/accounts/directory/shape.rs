//! What resources look like: the schemas that are published, and the one spelling in which things are kept.
//!
//! Unknown attributes are kept and given back; passwords are dropped before anything sees them. Never asks the database.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{Trouble, bad, path::same};

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub const SCHEMAS_OF_RESOURCES: [&str; 3] = [ENTERPRISE, USER, GROUP];

/// The schemas, as they are published.
pub fn schemas() -> &'static [Value] {
    &SCHEMAS
}

static SCHEMAS: LazyLock<Vec<Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("schemas.json")).unwrap_or_default());

/// How an attribute of a user or of the extension is defined.
pub fn definition(extension: Option<&str>, name: &str) -> Option<&'static Value> {
    match extension {
        Some(urn) => attribute(&attributes(urn), name),
        None => attribute(&attributes(USER), name).or_else(|| attribute(&attributes(GROUP), name)),
    }
}

fn attributes(urn: &str) -> Vec<&'static Value> {
    let schema = SCHEMAS.iter().find(|schema| schema["id"] == urn);
    schema.and_then(|schema| schema["attributes"].as_array()).into_iter().flatten().collect()
}

fn attribute(list: &[&'static Value], name: &str) -> Option<&'static Value> {
    list.iter().find(|one| one["name"].as_str().is_some_and(|known| same(known, name))).copied()
}

/// A resource in the one spelling, without what is ours to say and without what is empty.
pub fn clean(given: &Value, urn: &'static str) -> Result<Map<String, Value>, Trouble> {
    let Some(given) = given.as_object() else { return Err(bad("invalidSyntax", "A resource is an object.")) };
    let mut kept = Map::new();
    let known = attributes(urn);
    for (name, value) in given {
        if DROPPED.iter().any(|dropped| same(dropped, name)) {
            continue;
        }
        if same(name, "externalId") {
            keep(&mut kept, "externalId", text(name, value)?);
        } else if same(name, ENTERPRISE) {
            let parts = value.as_object().ok_or_else(|| bad("invalidValue", "an extension is an object"))?;
            let inner = parts_of(parts, &attributes(ENTERPRISE))?;
            keep(&mut kept, ENTERPRISE, Value::Object(inner));
        } else {
            one_of(&mut kept, name, value, &known)?;
        }
    }
    let size = Value::Object(kept.clone()).to_string().len();
    if urn == USER && size > LARGEST {
        return Err(bad("invalidValue", format!("A user has at most {LARGEST} bytes.")));
    }
    Ok(kept)
}

fn parts_of(given: &Map<String, Value>, known: &[&'static Value]) -> Result<Map<String, Value>, Trouble> {
    let mut kept = Map::new();
    for (name, value) in given {
        if !same(name, "password") {
            one_of(&mut kept, name, value, known)?;
        }
    }
    Ok(kept)
}

fn one_of(kept: &mut Map<String, Value>, name: &str, value: &Value, known: &[&'static Value]) -> Result<(), Trouble> {
    let Some(definition) = attribute(known, name) else {
        if name.len() > 200 {
            return Err(bad("invalidSyntax", "A name has at most 200 letters."));
        }
        keep(kept, name, value.clone());
        return Ok(());
    };
    let proper = definition["name"].as_str().unwrap_or(name);
    if definition["mutability"] == "readOnly" || value.is_null() {
        return Ok(());
    }
    if definition["multiValued"] == true {
        let list = match value {
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        let list = list.iter().filter(|one| !one.is_null()).map(|one| single(name, one, definition));
        keep(kept, proper, Value::Array(list.collect::<Result<_, _>>()?));
    } else {
        keep(kept, proper, single(name, value, definition)?);
    }
    Ok(())
}

fn single(name: &str, value: &Value, definition: &'static Value) -> Result<Value, Trouble> {
    match definition["type"].as_str() {
        Some("complex") => {
            let known: Vec<&'static Value> =
                definition["subAttributes"].as_array().map(|list| list.iter().collect()).unwrap_or_default();
            match value {
                Value::Object(parts) => Ok(Value::Object(parts_of(parts, &known)?)),
                // A manager, or an address, as its bare value.
                Value::String(_) => Ok(serde_json::json!({"value": value})),
                _ => Err(bad("invalidValue", format!("{} is an object", short(name)))),
            }
        }
        Some("boolean") => truth(value)
            .map(Value::Bool)
            .ok_or_else(|| bad("invalidValue", format!("{} is true or false", short(name)))),
        Some("string" | "reference" | "binary" | "dateTime") => text(name, value),
        _ => Ok(value.clone()),
    }
}

/// Also as text, in any capitals: what one directory sends.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(word) if word.eq_ignore_ascii_case("true") => Some(true),
        Value::String(word) if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn text(name: &str, value: &Value) -> Result<Value, Trouble> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::String(text) if !text.chars().any(char::is_control) => Ok(value.clone()),
        Value::String(text)
            if text.contains('\n') && !text.chars().any(|c| c.is_control() && !"\r\n\t".contains(c)) =>
        {
            Ok(value.clone())
        }
        _ => Err(bad("invalidValue", format!("{} is text", short(name)))),
    }
}

fn keep(kept: &mut Map<String, Value>, name: &str, value: Value) {
    let empty = match &value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    if !empty {
        kept.insert(name.to_owned(), value);
    }
}

/// What of a resource is shown: `attributes` names what is, `excludedAttributes` what is not.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    only: Option<Vec<String>>,
    without: Vec<String>,
}

impl Shown {
    pub fn of(attributes: Option<&str>, excluded: Option<&str>) -> Self {
        let words = |text: &str| {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            words.take(200).map(bare).collect::<Vec<_>>()
        };
        Self {
            only: attributes.map(words).filter(|list| !list.is_empty()),
            without: excluded.map(words).unwrap_or_default(),
        }
    }

    /// Whether an attribute is not shown at all, so that nobody has to look it up.
    pub fn hides(&self, name: &str) -> bool {
        let begins = |word: &String| same(word, name) || same(word.split('.').next().unwrap_or_default(), name);
        self.without.iter().any(|word| same(word, name))
            || self.only.as_ref().is_some_and(|only| !only.iter().any(begins))
    }

    pub fn apply(&self, resource: Value) -> Value {
        let Value::Object(map) = resource else { return resource };
        let mut kept = Map::new();
        for (name, value) in map {
            let always = name == "id" || name == "schemas";
            if always {
                kept.insert(name, value);
            } else if let Some(value) = self.of_value(&name, value) {
                kept.insert(name, value);
            }
        }
        Value::Object(kept)
    }

    fn of_value(&self, name: &str, mut value: Value) -> Option<Value> {
        let part = |sub: &str| format!("{name}.{sub}");
        if let Some(only) = &self.only {
            if !only.iter().any(|word| same(word, name)) {
                let wanted = |sub: &str| only.iter().any(|word| same(word, &part(sub)) || deeper(word, &part(sub)));
                value = trim(value, &wanted)?;
            }
        } else {
            if self.without.iter().any(|word| same(word, name)) {
                return None;
            }
            let wanted = |sub: &str| !self.without.iter().any(|word| same(word, &part(sub)));
            value = trim(value, &wanted)?;
        }
        Some(value)
    }
}

/// Whether a word names a part of this.
fn deeper(word: &str, name: &str) -> bool {
    word.len() > name.len()
        && word.as_bytes().get(name.len()) == Some(&b'.')
        && word.get(..name.len()).is_some_and(|w| same(w, name))
}

fn trim(value: Value, wanted: &impl Fn(&str) -> bool) -> Option<Value> {
    match value {
        Value::Object(map) => {
            let kept: Map<String, Value> = map.into_iter().filter(|(name, _)| wanted(name)).collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(list) => {
            let kept: Vec<Value> = list.into_iter().filter_map(|one| trim(one, wanted)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        // A plain value has no parts: it is there when nothing was named, and asked for by its own name.
        plain => wanted("\u{0}").then_some(plain),
    }
}

/// Without the schema that it belongs to; of the extension, `urn.attribute`.
fn bare(word: &str) -> String {
    for urn in SCHEMAS_OF_RESOURCES {
        if word.get(..urn.len()).is_some_and(|start| same(start, urn)) {
            let rest = word[urn.len()..].trim_start_matches(':');
            return match (urn == ENTERPRISE, rest.is_empty()) {
                (true, true) => ENTERPRISE.to_owned(),
                (true, false) => format!("{ENTERPRISE}.{rest}"),
                (false, _) => rest.to_owned(),
            };
        }
    }
    word.to_owned()
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// What is ours to say, and what nobody may keep.
const DROPPED: [&str; 5] = ["id", "meta", "schemas", "groups", "password"];
/// Bytes of one user.
const LARGEST: usize = 64 << 10;
