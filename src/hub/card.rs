//! The front matter of a model card, as JSON: what clients read a model's task, library and licence from.
//!
//! Hostile input: small, flat, without anchors, or nothing at all. Never believed for a decision.

use serde_json::{Map, Number, Value};
use yaml_rust2::{Yaml, YamlLoader};

/// The front matter of a card, when it has one that can be read safely.
pub fn front_matter(card: &str) -> Option<Map<String, Value>> {
    let body = card.strip_prefix("---\n").or_else(|| card.strip_prefix("---\r\n"))?;
    let end = body.find("\n---")?;
    let text = body.get(..end).filter(|text| text.len() <= MOST && !has_anchors(text))?;
    let documents = YamlLoader::load_from_str(text).ok()?;
    match json(documents.first()?, 0)? {
        Value::Object(object) => Some(object),
        _ => None,
    }
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

/// An alias repeats what its anchor names, and ten lines of them fill the memory.
fn has_anchors(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(2).enumerate().any(|(at, pair)| {
        let starts = at == 0 || bytes.get(at - 1).is_some_and(|b| b" \t\n-:[,{".contains(b));
        starts && matches!(pair[0], b'&' | b'*') && pair[1].is_ascii_alphanumeric()
    })
}

fn json(yaml: &Yaml, depth: usize) -> Option<Value> {
    if depth > 32 {
        return None;
    }
    Some(match yaml {
        Yaml::Real(text) => {
            text.parse().ok().and_then(Number::from_f64).map_or_else(|| Value::String(text.clone()), Value::Number)
        }
        Yaml::Integer(number) => Value::Number((*number).into()),
        Yaml::String(text) => Value::String(text.clone()),
        Yaml::Boolean(truth) => Value::Bool(*truth),
        Yaml::Array(list) => Value::Array(list.iter().map(|v| json(v, depth + 1)).collect::<Option<_>>()?),
        Yaml::Hash(hash) => {
            let pairs = hash.iter().map(|(key, value)| Some((key.as_str()?.to_owned(), json(value, depth + 1)?)));
            Value::Object(pairs.collect::<Option<_>>()?)
        }
        Yaml::Null => Value::Null,
        Yaml::Alias(_) | Yaml::BadValue => return None,
    })
}

const MOST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_read_and_a_trick_is_not() {
        let card = front_matter("---\nlicense: apache-2.0\npipeline_tag: fill-mask\ntags:\n- a\n- b\n---\n# Hello")
            .unwrap_or_default();
        assert_eq!(tags(&card), ["fill-mask", "a", "b", "license:apache-2.0"]);
        assert!(front_matter("# no front matter").is_none());
        assert!(front_matter("---\na: &a [x,x]\nb: &b [*a,*a]\n---\n").is_none());
        assert!(front_matter("---\n- a list\n---\n").is_none());
        let deep = format!("---\na: {}{}\n---\n", "[".repeat(40), "]".repeat(40));
        assert!(front_matter(&deep).is_none());
        assert!(front_matter("---\na: {{{{\n---\n").is_none());
    }
}
