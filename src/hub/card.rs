//! The front matter of a model card: what clients read a model's task, library, languages and licence from.
//!
//! Hostile input, so not YAML in full: only `key: value`, `key: [a, b]` and `key:` with `- item` lines under it, in one
//! pass without recursion. Whatever else stands there is left out. Never believed for a decision.

use serde_json::{Map, Value};

/// The front matter of a card, when it has any.
pub fn front_matter(card: &str) -> Option<Map<String, Value>> {
    let mut lines = card.lines().take(MOST_LINES);
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let mut found = Map::new();
    let mut open: Option<String> = None;
    for line in lines {
        if line.trim_end() == "---" {
            return Some(found);
        }
        if let Some(item) = line.trim_start().strip_prefix("- ") {
            let list = open.as_ref().and_then(|key| found.get_mut(key));
            if let (Some(Value::Array(list)), Some(value)) = (list, scalar(item)) {
                list.push(value);
            }
            continue;
        }
        // A deeper key belongs to something nested, which is left out.
        let key = line.split_once(':').filter(|(key, _)| is_key(key));
        let Some((key, rest)) = key else { continue };
        let key = key.to_owned();
        if rest.trim().is_empty() {
            found.insert(key.clone(), Value::Array(Vec::new()));
            open = Some(key);
        } else {
            open = None;
            if let Some(value) = inline(rest.trim()) {
                found.insert(key, value);
            }
        }
    }
    None
}

/// The tags that the hub makes of a card's own words.
pub fn tags(card: &Map<String, Value>) -> Vec<String> {
    let list = |key: &str| -> Vec<String> {
        match card.get(key) {
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(one)) => vec![one.clone()],
            _ => Vec::new(),
        }
    };
    let mut tags = list("library_name");
    tags.extend(list("pipeline_tag"));
    tags.extend(list("tags"));
    tags.extend(list("language"));
    for (key, prefix) in [("datasets", "dataset:"), ("base_model", "base_model:"), ("license", "license:")] {
        tags.extend(list(key).into_iter().map(|value| format!("{prefix}{value}")));
    }
    tags.dedup();
    tags
}

fn is_key(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

fn inline(text: &str) -> Option<Value> {
    match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(list) => Some(Value::Array(list.split(',').filter_map(scalar).collect())),
        None => scalar(text),
    }
}

/// A plain or quoted scalar. Anchors, tags, nested maps and block texts are none.
fn scalar(text: &str) -> Option<Value> {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)) {
            return Some(Value::String(inner.to_owned()));
        }
    }
    let text = text.split(" #").next().unwrap_or(text).trim_end();
    if text.is_empty() || text.starts_with(['&', '*', '!', '{', '[', '|', '>', '"', '\'']) || text.contains(": ") {
        return None;
    }
    Some(match (text, text.parse::<i64>()) {
        ("true", _) => Value::Bool(true),
        ("false", _) => Value::Bool(false),
        (_, Ok(number)) => number.into(),
        _ => Value::String(text.to_owned()),
    })
}

const MOST_LINES: usize = 5000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_card_is_read() {
        let text = "---\nlicense: apache-2.0 # ours\npipeline_tag: 'fill-mask'\ntags:\n- a\n  - b\nlanguage: [en, de]\n\
                    model-index:\n- name: x\n  results: 1\ninference: false\n---\n# Hello\nlicense: other";
        let card = front_matter(text).unwrap_or_default();
        assert_eq!(tags(&card), ["fill-mask", "a", "b", "en", "de", "license:apache-2.0"]);
        assert_eq!(card.get("inference"), Some(&json!(false)));
    }

    #[test]
    fn what_is_no_front_matter_is_none() {
        for text in ["", "# a card", "---\nnever: ended", "--- \n"] {
            assert_eq!(front_matter(text), None, "{text:?}");
        }
    }

    /// This one took the whole process down when a YAML parser read it.
    #[test]
    fn depth_and_aliases_cost_nothing() {
        let nested = format!("---\na:\n{}x\n---\n", "- ".repeat(100_000));
        assert!(front_matter(&nested).is_some());
        let aliases = "---\na: &a [x,x]\nb: *a\nc: {{{{{\n---\n";
        assert!(front_matter(aliases).is_some_and(|card| card.is_empty()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(---\n)?(\\PC|\n){0,200}") {
            let _ = front_matter(&text).map(|card| tags(&card));
        }
    }
}
