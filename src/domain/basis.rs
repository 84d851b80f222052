//! What decisions rest on besides the facts: the scanner with its rules, the policy, and the configuration that facts are
//! drawn with; and which of two scanners is the newer one.
//!
//! Pure: compares words, and never says who works on what.

use aws_lc_rs::digest;
use serde_json::{Map, Value};

use super::{digest::Sha256, evidence::canonical};

/// A basis in words, each a version or a digest. Two gateways with the same words decide alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The scanner's version with its rules in one hash.
    pub scanner: String,
    /// The admission policy: model, rows and profile.
    pub policy: String,
    /// What facts are drawn with: this program's own version and its lists.
    pub knowledge: String,
    pub publishers: String,
    pub environments: String,
}

impl Words {
    pub fn to_json(&self) -> Value {
        let named = [
            ("scanner", &self.scanner),
            ("policy", &self.policy),
            ("knowledge", &self.knowledge),
            ("publishers", &self.publishers),
            ("environments", &self.environments),
        ];
        Value::Object(named.map(|(name, word)| (name.to_owned(), Value::from(word.as_str()))).into_iter().collect())
    }

    pub fn digest(&self) -> String {
        hash(&self.to_json())
    }
}

/// One hash over a value, however its keys are ordered.
pub fn hash(value: &Value) -> String {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, &canonical(value)).as_ref());
    Sha256(bytes).to_string()
}

/// The words that differ, from what to what: for the ledger.
pub fn difference(from: &Value, to: &Value) -> Value {
    let empty = Map::new();
    let (from, to) = (from.as_object().unwrap_or(&empty), to.as_object().unwrap_or(&empty));
    let changed = to.iter().filter(|(name, word)| from.get(*name) != Some(word));
    let pair =
        |(name, word): (&String, &Value)| (name.clone(), serde_json::json!({"from": from.get(name), "to": word}));
    Value::Object(changed.map(pair).collect())
}

/// Whether one scanner's version is above another's. The hash behind the `+` has no order: of two builds of one version
/// neither is newer by itself.
pub fn is_newer(scanner: &str, than: &str) -> bool {
    version(scanner) > version(than)
}

/// Digits between dots; what is no number counts as none.
fn version(scanner: &str) -> Vec<u64> {
    let text = scanner.split(['+', '-']).next().unwrap_or_default();
    text.split('.').map(|part| part.parse().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(
            is_newer("0.10.0+aa", "0.9.9+ff") && is_newer("1.0.0", "0.99.0+x") && is_newer("99.0.0+new", "0.1.0+x")
        );
        assert!(!is_newer("0.1.0+aa", "0.1.0+bb") && !is_newer("0.1.0+bb", "0.1.0+aa"));
        assert!(!is_newer("", "0.1.0+aa") && is_newer("0.1.0+aa", "") && is_newer("0.1.0+aa", "made up"));
    }

    #[test]
    fn every_word_counts_and_the_difference_names_it() {
        let one = Words { scanner: "a".to_owned(), policy: "b".to_owned(), ..Words::default() };
        for change in [
            |words: &mut Words| words.scanner.push('x'),
            |words: &mut Words| words.policy.push('x'),
            |words: &mut Words| words.knowledge.push('x'),
            |words: &mut Words| words.publishers.push('x'),
            |words: &mut Words| words.environments.push('x'),
        ] {
            let mut other = one.clone();
            change(&mut other);
            assert_ne!(one.digest(), other.digest());
            assert_eq!(difference(&one.to_json(), &other.to_json()).as_object().map(serde_json::Map::len), Some(1));
        }
        let other = Words { policy: "c".to_owned(), ..one.clone() };
        assert_eq!(difference(&one.to_json(), &other.to_json()), json!({"policy": {"from": "b", "to": "c"}}));
    }
}
