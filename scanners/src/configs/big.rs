//! JSON into a tree that leaves out vocabularies, so that a tokenizer of a quarter of a million words costs little.
//!
//! What is left out cannot name code: numbers in objects of a large document, and what follows the first items of a long
//! list of plain values. Text under a key is always kept.

use crate::{
    read::json::{Event, Json, Kind, Tree, Value},
    scan::{Scanned, Stop},
};

/// Documents below this are kept whole.
const SMALL: usize = 1 << 20;

/// Items of a list of plain values that are kept, of a large document.
const ITEMS: usize = 64;

pub(crate) fn read(text: &str, most: usize) -> Scanned<Tree> {
    if text.len() <= SMALL {
        return Tree::parse(text.as_bytes(), most);
    }
    let mut json = Json::new(text.as_bytes());
    let mut values: Vec<Value> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut key: Option<String> = None;
    let mut number_key = false;
    while let Some((at, event)) = json.next()? {
        if values.len() >= most {
            return Err(Stop::Spent(format!("more than {most} JSON values")));
        }
        match &event {
            Event::Key(_) => {
                // Keys whose value is a plain number are most of a vocabulary; they are not copied.
                number_key = text.as_bytes().get(json.position()..).is_some_and(begins_number);
                if number_key {
                    key = None;
                    continue;
                }
            }
            Event::EndObject | Event::EndArray => {
                close(&mut values, &mut open);
                continue;
            }
            Event::Number(_) | Event::Bool(_) | Event::Null if number_key || in_list(&open) => {
                number_key = false;
                if let Some(last) = open.last_mut() {
                    last.items += 1;
                }
                continue;
            }
            Event::String(_) if in_list(&open) && open.last().is_some_and(|last| last.items >= ITEMS) => continue,
            _ => {}
        }
        let kind = match Kind::of(event) {
            Ok(kind) => kind,
            Err(name) => {
                key = Some(name);
                continue;
            }
        };
        let here = values.len();
        let container = matches!(kind, Kind::Object(_) | Kind::Array(_));
        if let Some(parent) = open.last_mut() {
            parent.items += 1;
            parent.plain &= !container;
            if let Some(value) = values.get_mut(parent.id) {
                value.hold(&mut key, here);
            }
        }
        if container {
            let list = matches!(kind, Kind::Array(_));
            open.push(Open { id: here, items: 0, list, plain: true });
        }
        values.push(Value { at: at as u64, kind });
    }
    Ok(Tree::of(values))
}

struct Open {
    id: usize,
    items: usize,
    list: bool,
    /// It holds no other container.
    plain: bool,
}

fn in_list(open: &[Open]) -> bool {
    open.last().is_some_and(|last| last.list)
}

/// A short list of plain values within a long list (a merge, a scored word) is forgotten when it ends.
fn close(values: &mut Vec<Value>, open: &mut Vec<Open>) {
    let Some(closed) = open.pop() else { return };
    let Some(parent) = open.last() else { return };
    if closed.list && closed.plain && parent.list && parent.items > ITEMS {
        values.truncate(closed.id);
        if let Some(Kind::Array(items)) = values.get_mut(parent.id).map(|value| &mut value.kind) {
            items.pop();
        }
    }
}

fn begins_number(rest: &[u8]) -> bool {
    let first = rest.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, Some(b'0'..=b'9' | b'-'))
}
