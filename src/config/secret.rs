//! What is never shown: not in logs, not in `config check`, not in a panic.

use std::fmt;

use serde::Deserialize;
use url::Url;

/// A text that prints as `(hidden)`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// An address without its password, and without the values of parameters that sound like secrets.
pub(super) fn hide_in_url(text: &str) -> String {
    let Ok(url) = Url::parse(text) else {
        // What cannot be taken apart could hide anything before an `@` or behind a `?`.
        return if text.contains(['@', '?']) { HIDDEN.to_owned() } else { text.to_owned() };
    };
    let mut shown = text.to_owned();
    if let Some(password) = url.password() {
        shown = shown.replacen(&format!(":{password}@"), &format!(":{HIDDEN}@"), 1);
        // Url spells some characters otherwise than they were written: then the whole address is kept back.
        if !shown.contains(HIDDEN) {
            return HIDDEN.to_owned();
        }
    }
    let Some((base, query)) = shown.split_once('?') else { return shown };
    let parameter = |part: &str| match part.split_once('=') {
        Some((name, _)) if sounds_secret(name) => format!("{name}={HIDDEN}"),
        _ => part.to_owned(),
    };
    let query: Vec<String> = query.split('&').map(parameter).collect();
    format!("{base}?{}", query.join("&"))
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", "token", "key"].iter().any(|word| name.contains(word))
}

pub(super) const HIDDEN: &str = "(hidden)";
