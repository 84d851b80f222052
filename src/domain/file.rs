//! Names of files inside a revision.
//!
//! Never touches a disk: blobs are stored by hash, so no name from outside ever becomes a path of ours.

use std::fmt;

/// A file's path inside its revision: segments joined by `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilePath(String);

impl FilePath {
    pub fn new(text: &str) -> Option<Self> {
        let bad = |c: char| c.is_control() || c == '\\' || deceptive(c);
        let fine = (1..=1024).contains(&text.len())
            && !text.chars().any(bad)
            && text.split('/').all(|s| !s.is_empty() && s != "." && s != "..");
        fine.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters that make a name read as another one: direction marks, invisible joiners, line and paragraph separators.
pub fn deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_no_way_up_and_no_hidden_characters() {
        for good in ["a", "config.json", "onnx/a b.json", "naïve/模型.txt", ".gitattributes", "100% real+#.txt"] {
            assert!(FilePath::new(good).is_some(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "a\0b", "a\nb", "a\u{202e}txt"] {
            assert!(FilePath::new(bad).is_none(), "{bad:?}");
        }
    }
}
