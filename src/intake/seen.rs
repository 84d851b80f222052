//! What the scanner saw in one file, as it is kept: bounded, and in the words that policy reads.
//!
//! The child that saw it may have been owned by the file: its answer is read as data and cut to size. Never decides.

use std::sync::LazyLock;

use aws_lc_rs::digest::{self, SHA256};
use serde_json::{Map, Value, json};

use super::tensors;
use crate::domain::{digest::Sha256, refusal::Fault};

/// The scanner that a report holds for: its version, and its rules in one hash.
pub static SCANNER: LazyLock<String> = LazyLock::new(|| {
    let rules: Vec<String> = weighbridge_scanners::rules::ALL
        .iter()
        .map(|rule| format!("{} {:?} {:?} {}", rule.id, rule.severity, rule.weight, rule.title))
        .collect();
    let digest = hash(rules.join("\n").as_bytes());
    format!("{}+{}", weighbridge_scanners::VERSION, digest.get(..16).unwrap_or(&digest))
});

pub fn hash(bytes: &[u8]) -> String {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&SHA256, bytes).as_ref());
    Sha256(sum).to_string()
}

/// One file's report, cut to size.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub format: String,
    pub verdict: String,
    pub coverage: String,
    /// The list of its tensors, as it is kept for comparisons.
    pub tensors: Option<String>,
    body: Value,
}

impl Seen {
    /// Reads a report. What is not one is a file that was not judged.
    pub fn of(report: &Value) -> Self {
        let word = |value: &Value, among: &[&str], otherwise: &str| {
            let word = value.as_str().filter(|word| among.contains(word));
            word.unwrap_or(otherwise).to_owned()
        };
        let verdict = word(&report["verdict"], &["clean", "unjudged", "suspicious", "malicious"], "unjudged");
        let coverage = word(&report["coverage"]["state"], &["complete", "incomplete", "unsupported"], "incomplete");
        // Clean is a word for files of which every byte was looked at.
        let verdict = if verdict == "clean" && coverage != "complete" { "unjudged".to_owned() } else { verdict };
        // Nobody imports so much; what is cut off would not be judged.
        let many = report["facts"]["imports"].as_array().is_some_and(|imports| imports.len() > MOST_IMPORTS);
        let coverage = if many { "incomplete".to_owned() } else { coverage };
        let format: String = report["format"].as_str().unwrap_or("unknown").chars().take(60).collect();
        let mut kept = Map::new();
        kept.insert("findings".to_owned(), findings(&report["findings"]));
        kept.insert("coverage".to_owned(), cut(&report["coverage"], 3));
        kept.insert("facts".to_owned(), facts(&report["facts"]));
        Self { format, verdict, coverage, tensors: None, body: Value::Object(kept) }
    }

    /// What the scanner of this process says.
    pub fn of_report(report: &weighbridge_scanners::Report) -> Result<Self, Fault> {
        let seen = Self::of(&serde_json::to_value(report).map_err(|e| Fault::because("reading a report", e))?);
        Ok(Self { tensors: tensors::text(report), ..seen })
    }

    /// A file of which nothing is known, and why.
    pub fn of_nothing(path: &str, why: &str) -> Result<Self, Fault> {
        Self::of_report(&weighbridge_scanners::unread(path, why))
    }

    pub fn body(&self) -> String {
        self.body.to_string()
    }
}

fn findings(all: &Value) -> Value {
    let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
    let kept: Vec<Value> = all.iter().take(MOST_FINDINGS).map(|one| cut(one, 2)).collect();
    Value::Array(kept)
}

/// Lists are cut. Of tensors, which may be a million, it is kept how many there are; the list itself is kept apart.
fn facts(all: &Value) -> Value {
    let Some(all) = all.as_object() else { return json!({}) };
    let mut kept = Map::new();
    for (key, value) in all {
        if key == "tensors" {
            kept.insert(key.clone(), json!({"count": value.as_array().map_or(0, Vec::len)}));
        } else if key == "imports" {
            let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
            kept.insert(key.clone(), all.iter().take(MOST_IMPORTS).map(|one| cut(one, 1)).collect());
        } else {
            kept.insert(key.clone(), cut(value, 4));
        }
    }
    Value::Object(kept)
}

fn cut(value: &Value, depth: usize) -> Value {
    match value {
        Value::String(text) => Value::String(text.chars().take(LONGEST).collect()),
        Value::Array(_) | Value::Object(_) if depth == 0 => Value::Null,
        Value::Array(items) => items.iter().take(MOST_ITEMS).map(|item| cut(item, depth - 1)).collect(),
        Value::Object(map) => map
            .iter()
            .take(MOST_ITEMS)
            .map(|(key, value)| (key.chars().take(80).collect::<String>(), cut(value, depth - 1)))
            .collect(),
        plain => plain.clone(),
    }
}

const MOST_FINDINGS: usize = 100;
const MOST_IMPORTS: usize = 5000;
const MOST_ITEMS: usize = 200;
const LONGEST: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_report_is_a_file_that_was_not_judged() {
        for odd in [json!(null), json!([]), json!({"verdict": "fine", "coverage": {"state": "all"}})] {
            let seen = Seen::of(&odd);
            assert_eq!((seen.verdict.as_str(), seen.coverage.as_str()), ("unjudged", "incomplete"));
        }
        let seen = Seen::of(&json!({"verdict": "clean", "coverage": {"state": "incomplete"}, "format": "zip"}));
        assert_eq!((seen.verdict.as_str(), seen.format.as_str()), ("unjudged", "zip"));
    }

    #[test]
    fn a_report_is_cut_to_size() {
        let tensors: Vec<Value> = (0..5000).map(|n| json!({"name": format!("t{n}"), "shape": [1]})).collect();
        let findings: Vec<Value> = (0..900).map(|_| json!({"rule": "WB-X", "message": "m".repeat(9000)})).collect();
        let seen = Seen::of(&json!({
            "verdict": "malicious", "coverage": {"state": "complete"}, "findings": findings, "facts": {"tensors": tensors},
        }));
        assert!(seen.body().len() < 100_000, "{}", seen.body().len());
        assert_eq!(seen.body["facts"]["tensors"]["count"], 5000);
    }
}
