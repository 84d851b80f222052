//! The terms of a gated repository, as its card and the hub put them: the text that a person is shown, and its sha256.
//!
//! Drawn from what was listed at one commit. Never decides whether anybody accepted them.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use serde_json::Value;

use super::digest::Sha256;

/// What somebody accepts, word for word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub text: String,
    pub sha256: String,
}

/// The terms in what was listed of a revision; `None` when it is not gated, or when its card was too large to be kept
/// whole, so that nobody can be shown all of them.
pub fn of(listed: &Value) -> Option<Terms> {
    let gated = listed["gated"].as_str()?;
    let (hub, card) = (&listed["hub"], &listed["hub"]["card"]);
    if hub["cut"] == true {
        return None;
    }
    let mut text = format!("Gated at the hub: {gated}\n");
    for (key, title) in KEYS {
        match &card[key] {
            Value::Null => {}
            Value::String(said) => {
                let _ = writeln!(text, "\n{title}:\n{said}");
            }
            // Keys in the order of their letters, whatever order the card had them in.
            other => {
                let other = super::evidence::canonical(other);
                let _ = writeln!(text, "\n{title}:\n{}", String::from_utf8_lossy(&other));
            }
        }
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    Some(Terms { text, sha256: Sha256(bytes).to_string() })
}

const KEYS: [(&str, &str); 9] = [
    ("license", "Licence"),
    ("license_name", "Its name"),
    ("license_link", "Where it stands"),
    ("extra_gated_heading", "Heading"),
    ("extra_gated_prompt", "What is asked"),
    ("extra_gated_description", "Description"),
    ("extra_gated_fields", "What has to be filled in"),
    ("extra_gated_button_content", "Button"),
    ("extra_gated_eu_disallowed", "Not offered in the EU"),
];

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_says_everything_that_is_asked_and_every_change_of_it_is_another() {
        let listed = |prompt: &str, fields: &str| {
            let fields: Value = serde_json::from_str(fields).unwrap();
            json!({"gated": "manual", "hub": {"cut": false, "card": {
                "license": "llama3", "extra_gated_prompt": prompt, "extra_gated_fields": fields, "tags": ["x"]}}})
        };
        let first = of(&listed("Be good.", r#"{"Company": "text", "I agree": "checkbox"}"#)).unwrap();
        for part in ["manual", "llama3", "Be good.", "Company", "checkbox"] {
            assert!(first.text.contains(part), "{part}: {}", first.text);
        }
        assert_eq!(of(&listed("Be good.", r#"{"I agree": "checkbox", "Company": "text"}"#)).unwrap(), first);
        assert_ne!(
            of(&listed("Be better.", r#"{"Company": "text", "I agree": "checkbox"}"#)).unwrap().sha256,
            first.sha256
        );
        assert_ne!(of(&listed("Be good.", r#"{"Company": "text"}"#)).unwrap().sha256, first.sha256);
        assert_eq!(of(&json!({"gated": null, "hub": {"card": {}}})), None);
        assert_eq!(of(&json!({"gated": "auto", "hub": {"cut": true, "card": {}}})), None);
    }
}
