//! TOML, INI and files like them into the same tree as JSON: sections are objects, everything else is text.
//!
//! Lenient: a line that is none of these is left out of the tree, and holds nothing that a loader would take.

use crate::{
    read::json::{Kind, Tree, Value},
    scan::{Scanned, Stop},
};

pub(crate) fn read(text: &str, most: usize) -> Scanned<Tree> {
    let mut values = vec![Value { at: 0, kind: Kind::Object(Vec::new()) }];
    let mut section = 0;
    let mut at = 0_usize;
    let mut unfinished: Option<usize> = None;
    while at < text.len() {
        if values.len() + 64 > most {
            return Err(Stop::Spent(format!("more than {most} values")));
        }
        let rest = text.get(at..).unwrap_or_default();
        let line = rest.split_inclusive('\n').next().unwrap_or(rest);
        let start = at;
        at += line.len();
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        if bare.starts_with('[') && bare.ends_with(']') && !bare.contains('=') {
            let name = bare.trim_matches(['[', ']', ' ']).replace('"', "");
            section = push(&mut values, 0, name, start, Kind::Object(Vec::new()));
            unfinished = None;
            continue;
        }
        let indented = line.starts_with([' ', '\t']);
        let split = bare.find(['=', ':']).filter(|_| !(indented && unfinished.is_some() && !bare.contains('=')));
        let Some(split) = split else {
            // A value that goes on: one item a line.
            if let Some(list) = unfinished {
                item(&mut values, list, start, bare);
            }
            continue;
        };
        let key = bare.get(..split).unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned();
        let mut value = bare.get(split + 1..).unwrap_or_default().trim().to_owned();
        let fence = ["\"\"\"", "'''"].into_iter().find(|fence| value.starts_with(fence));
        if let Some(fence) = fence {
            let body = text.get(start..).unwrap_or_default();
            let open = body.find(fence).map_or(0, |found| found + 3);
            let inner = body.get(open..).unwrap_or_default();
            let end = inner.find(fence).unwrap_or(inner.len());
            inner.get(..end).unwrap_or_default().clone_into(&mut value);
            at = at.max((start + open + end + 3).min(text.len()));
            while !text.is_char_boundary(at) {
                at += 1;
            }
        } else if value.starts_with(['[', '{']) {
            // An array or a table: over lines until its brackets are closed.
            let mut depth = balance(&value);
            while depth > 0 && at < text.len() && value.len() < 1 << 20 {
                let more = text.get(at..).unwrap_or_default();
                let more = more.split_inclusive('\n').next().unwrap_or(more);
                at += more.len();
                depth += balance(more);
                value.push_str(more);
            }
            let list = push(&mut values, section, key, start, Kind::Array(Vec::new()));
            for entry in quoted(&value) {
                if values.len() >= most {
                    return Err(Stop::Spent(format!("more than {most} values")));
                }
                item(&mut values, list, start, &entry);
            }
            unfinished = None;
            continue;
        }
        let id = if value.is_empty() {
            push(&mut values, section, key, start, Kind::Array(Vec::new()))
        } else {
            push(&mut values, section, key, start, Kind::String(unquote(&value)))
        };
        unfinished = value.is_empty().then_some(id);
    }
    Ok(Tree::of(values))
}

fn push(values: &mut Vec<Value>, parent: usize, key: String, at: usize, kind: Kind) -> usize {
    let id = values.len();
    if let Some(Kind::Object(entries)) = values.get_mut(parent).map(|value| &mut value.kind) {
        entries.push((key, id));
    }
    values.push(Value { at: at as u64, kind });
    id
}

fn item(values: &mut Vec<Value>, list: usize, at: usize, text: &str) {
    let id = values.len();
    if let Some(Kind::Array(items)) = values.get_mut(list).map(|value| &mut value.kind) {
        items.push(id);
    }
    values.push(Value { at: at as u64, kind: Kind::String(text.to_owned()) });
}

fn balance(text: &str) -> i64 {
    let mut depth = 0;
    let mut quote: Option<char> = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') => return depth,
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            _ => {}
        }
    }
    depth
}

/// The quoted texts of an array, with the keys of inline tables before theirs: `url = "…"` gives `url=…`.
fn quoted(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['"', '\'']) {
        let quote = rest.get(open..=open).unwrap_or("\"");
        let before = rest.get(..open).unwrap_or_default().trim_end();
        let key: String = before
            .strip_suffix('=')
            .map(|before| {
                before.trim_end().chars().rev().take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
            })
            .unwrap_or_default();
        let inner = rest.get(open + 1..).unwrap_or_default();
        let end = inner.find(quote).unwrap_or(inner.len());
        let value = inner.get(..end).unwrap_or_default();
        let key: String = key.chars().rev().collect();
        out.push(if key.is_empty() { value.to_owned() } else { format!("{key}={value}") });
        rest = inner.get(end + 1..).unwrap_or_default();
    }
    out
}

fn unquote(value: &str) -> String {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    match quote {
        Some(quote) => {
            let inner = value.get(1..).unwrap_or_default();
            inner.split(quote).next().unwrap_or(inner).replace("\\\\", "\\")
        }
        None => value.split(" #").next().unwrap_or(value).split(" ;").next().unwrap_or(value).trim().to_owned(),
    }
}
