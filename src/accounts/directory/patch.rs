//! `PATCH`, RFC 7644 section 3.5.2: operations on a resource as JSON, one after the other, all or none.
//!
//! Takes what the large directories send beside the letter of it: operations with capitals, parts named in a value
//! without a path, and members to remove in a list of values. Never stores anything, and never decides whether the
//! result is a good one: that is `shape.rs`.

use serde_json::{Map, Value, json};

use super::{
    Trouble, bad,
    filter::{Filter, Reader},
    path::{AttrPath, same},
    shape,
};

/// Applies all operations, or says which cannot be.
pub fn apply(resource: &mut Value, body: &Value) -> Result<(), Trouble> {
    let list = body.as_object().and_then(|body| body.iter().find(|(key, _)| same(key, "Operations")));
    let Some(Value::Array(list)) = list.map(|(_, list)| list) else {
        return Err(bad("invalidSyntax", "A PATCH has a list of Operations."));
    };
    if list.is_empty() || list.len() > MOST {
        return Err(bad("invalidSyntax", format!("A PATCH has 1 to {MOST} operations.")));
    }
    for (number, one) in list.iter().enumerate() {
        operate(resource, one).map_err(|trouble| trouble.at(number + 1))?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Add,
    Replace,
    Remove,
}

/// An attribute, which of its elements, and which part of these.
struct Target {
    path: AttrPath,
    filter: Option<Filter>,
}

fn operate(resource: &mut Value, one: &Value) -> Result<(), Trouble> {
    let field = |name: &str| one.as_object()?.iter().find(|(key, _)| same(key, name)).map(|(_, value)| value);
    let op = match field("op").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
        Some("add") => Op::Add,
        Some("replace") => Op::Replace,
        Some("remove") => Op::Remove,
        _ => return Err(bad("invalidSyntax", "an operation is add, replace or remove")),
    };
    let path = match field("path") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => Some(target(text)?),
        Some(_) => return Err(bad("invalidPath", "a path is text")),
    };
    let value = field("value").cloned().unwrap_or(Value::Null);
    match (path, op) {
        (None, Op::Remove) => Err(bad("noTarget", "what is removed has a path")),
        (None, op) => {
            let Value::Object(parts) = value else {
                return Err(bad("invalidValue", "without a path the value names the attributes"));
            };
            for (name, value) in parts {
                // What is ours alone comes back with everything else, and is no wish.
                if ["id", "meta", "schemas", "groups"].iter().any(|own| same(own, &name)) {
                    continue;
                }
                change(resource, &target(&name)?, op, value)?;
            }
            Ok(())
        }
        (Some(target), Op::Remove) => remove(resource, &target, &value),
        (Some(target), op) => change(resource, &target, op, value),
    }
}

/// `emails[type eq "work"].value`
fn target(text: &str) -> Result<Target, Trouble> {
    let wrong = |why: String| bad("invalidPath", format!("`{}`: {why}", text.chars().take(80).collect::<String>()));
    if text.len() > 1000 {
        return Err(wrong("a path has at most 1000 letters".to_owned()));
    }
    let mut reader = Reader::new(text);
    let mut path = reader.path().map_err(wrong)?;
    let mut filter = None;
    if let Some(rest) = reader.rest.strip_prefix('[') {
        reader.rest = rest;
        filter = Some(reader.any().map_err(wrong)?);
        reader.space();
        let rest = reader.rest.strip_prefix(']').ok_or_else(|| wrong("a ] is missing".to_owned()))?;
        reader.rest = rest;
        if let Some(rest) = rest.strip_prefix('.') {
            reader.rest = rest;
            let sub = reader.path().map_err(wrong)?;
            if sub.sub.is_some() || sub.extension.is_some() || path.sub.is_some() {
                return Err(wrong("a part has no parts of its own".to_owned()));
            }
            path.sub = Some(sub.name);
        }
    }
    if !reader.rest.is_empty() {
        return Err(wrong(format!("`{}` is one too many", reader.rest.chars().take(40).collect::<String>())));
    }
    let own = ["id", "meta", "schemas", "groups"].iter().any(|own| path.extension.is_none() && same(own, &path.name));
    if own {
        return Err(bad("mutability", format!("{} is Weighbridge's own", path.name)));
    }
    Ok(Target { path, filter })
}

fn change(resource: &mut Value, target: &Target, op: Op, value: Value) -> Result<(), Trouble> {
    let path = &target.path;
    if value.is_null() {
        return remove(resource, target, &value);
    }
    if path.name.is_empty() {
        let Value::Object(parts) = value else {
            return Err(bad("invalidValue", "an extension is an object"));
        };
        for (name, value) in parts {
            let inner = AttrPath { extension: path.extension, name, sub: None };
            change(resource, &Target { path: inner, filter: None }, op, value)?;
        }
        return Ok(());
    }
    let definition = shape::definition(path.extension, &path.name);
    let is_list = definition.is_some_and(|one| one["multiValued"] == true);
    let Some(holder) = holder(resource, path.extension) else {
        return Err(bad("invalidPath", "the resource has no such place"));
    };
    let slot = slot(holder, &path.name, definition.and_then(|one| one["name"].as_str()));
    if let Some(filter) = &target.filter {
        return change_elements(slot, filter, path.sub.as_deref(), op, value);
    }
    match (&path.sub, slot) {
        (Some(sub), Value::Array(list)) => {
            for element in list.iter_mut().filter_map(Value::as_object_mut) {
                put(element, sub, value.clone());
            }
        }
        (Some(sub), slot) => {
            if !slot.is_object() {
                *slot = json!({});
            }
            if let Some(parts) = slot.as_object_mut() {
                put(parts, sub, value);
            }
        }
        (None, slot) if is_list || slot.is_array() => {
            let given = match value {
                Value::Array(list) => list,
                one => vec![one],
            };
            if op == Op::Replace || !slot.is_array() {
                *slot = Value::Array(given);
            } else if let Value::Array(list) = slot {
                extend(list, given);
            }
        }
        (None, Value::Object(parts)) if value.is_object() => {
            for (name, value) in value.as_object().into_iter().flatten() {
                put(parts, name, value.clone());
            }
        }
        (None, slot) => *slot = value,
    }
    Ok(())
}

fn change_elements(slot: &mut Value, filter: &Filter, sub: Option<&str>, op: Op, value: Value) -> Result<(), Trouble> {
    if !slot.is_array() {
        *slot = json!([]);
    }
    let Value::Array(list) = slot else { return Ok(()) };
    let mut met = false;
    for element in list.iter_mut().filter(|element| filter.fits(element)) {
        met = true;
        match (sub, element, &value) {
            (Some(sub), Value::Object(parts), value) => put(parts, sub, value.clone()),
            (None, Value::Object(parts), Value::Object(given)) => {
                given.iter().for_each(|(name, value)| put(parts, name, value.clone()));
            }
            (_, element, value) => *element = value.clone(),
        }
    }
    if met {
        return Ok(());
    }
    // What is added where nothing fits becomes what would fit; what is replaced must be there.
    let pairs = filter.pairs().filter(|_| op == Op::Add);
    let Some(pairs) = pairs else { return Err(bad("noTarget", "nothing fits the path")) };
    let mut parts: Map<String, Value> = pairs.into_iter().collect();
    match (sub, value) {
        (Some(sub), value) => put(&mut parts, sub, value),
        (None, Value::Object(given)) => given.into_iter().for_each(|(name, value)| put(&mut parts, &name, value)),
        (None, _) => return Err(bad("invalidValue", "an element is an object")),
    }
    extend(list, vec![Value::Object(parts)]);
    Ok(())
}

fn remove(resource: &mut Value, target: &Target, value: &Value) -> Result<(), Trouble> {
    let path = &target.path;
    let Some(all) = resource.as_object_mut() else { return Ok(()) };
    if path.name.is_empty() {
        all.retain(|key, _| path.extension.is_none_or(|urn| !same(key, urn)));
        return Ok(());
    }
    let holder = match path.extension {
        Some(urn) => all.iter_mut().find(|(key, _)| same(key, urn)).and_then(|(_, value)| value.as_object_mut()),
        None => Some(all),
    };
    let Some(holder) = holder else { return Ok(()) };
    let Some(key) = holder.keys().find(|key| same(key, &path.name)).cloned() else { return Ok(()) };
    let Some(slot) = holder.get_mut(&key) else { return Ok(()) };
    match (&target.filter, &path.sub, slot) {
        (Some(filter), None, Value::Array(list)) => {
            let before = list.len();
            list.retain(|element| !filter.fits(element));
            // One that is gone already is what was wanted.
            if list.len() == before && filter.pairs().is_none() {
                return Err(bad("noTarget", "nothing fits the path"));
            }
        }
        (filter, Some(sub), Value::Array(list)) => {
            let meant = |element: &Value| filter.as_ref().is_none_or(|filter| filter.fits(element));
            for element in list.iter_mut().filter(|element| meant(element)).filter_map(Value::as_object_mut) {
                element.retain(|key, _| !same(key, sub));
            }
        }
        (_, Some(sub), Value::Object(parts)) => parts.retain(|key, _| !same(key, sub)),
        // A list of those to remove, which the letter of it does not know.
        (None, None, Value::Array(list)) if value.as_array().is_some_and(|given| !given.is_empty()) => {
            let given = value.as_array().into_iter().flatten();
            let gone: Vec<&Value> = given.map(|one| one.get("value").unwrap_or(one)).collect();
            list.retain(|element| !gone.contains(&element.get("value").unwrap_or(element)));
        }
        _ => {
            holder.remove(&key);
        }
    }
    Ok(())
}

/// The object that an attribute stands in: the resource, or one of its extensions.
fn holder<'r>(resource: &'r mut Value, extension: Option<&str>) -> Option<&'r mut Map<String, Value>> {
    let all = resource.as_object_mut()?;
    let Some(urn) = extension else { return Some(all) };
    let inner = slot(all, urn, Some(urn));
    if !inner.is_object() {
        *inner = json!({});
    }
    inner.as_object_mut()
}

/// The place of a name, whatever its capitals; made if there is none.
fn slot<'m>(map: &'m mut Map<String, Value>, name: &str, proper: Option<&str>) -> &'m mut Value {
    let key = map.keys().find(|key| same(key, name)).cloned();
    map.entry(key.unwrap_or_else(|| proper.unwrap_or(name).to_owned())).or_insert(Value::Null)
}

fn put(map: &mut Map<String, Value>, name: &str, value: Value) {
    // `name.familyName` as one word of a value: what one directory sends.
    *slot(map, name, None) = value;
}

/// Adds what is not there yet. Of several that call themselves the first, the newest is.
fn extend(list: &mut Vec<Value>, given: Vec<Value>) {
    for one in given {
        let key = |value: &Value| value.get("value").cloned();
        let is_member = one.as_object().is_some_and(|parts| !parts.contains_key("type")) && one.get("value").is_some();
        let there = list.iter().any(|other| *other == one || (is_member && key(other) == key(&one)));
        if there {
            continue;
        }
        if one.get("primary") == Some(&Value::Bool(true)) {
            for other in list.iter_mut().filter_map(Value::as_object_mut) {
                if other.get("primary") == Some(&Value::Bool(true)) {
                    other.insert("primary".to_owned(), Value::Bool(false));
                }
            }
        }
        list.push(one);
    }
}

/// Operations in one request.
const MOST: usize = 1000;
