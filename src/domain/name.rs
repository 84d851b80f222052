//! Names of repositories: their kind and their one or two segments.
//!
//! Never looks a name up: whether it exists, and under which spelling, is the gate's question.

use std::fmt;

/// What a repository holds, as the hub divides them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RepoKind {
    Model,
    Dataset,
    Space,
}

impl RepoKind {
    pub const ALL: [Self; 3] = [Self::Model, Self::Dataset, Self::Space];

    /// The word in API paths: `/api/models/…`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
            Self::Space => "spaces",
        }
    }

    /// The word for one of them, as events and sentences use it.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Dataset => "dataset",
            Self::Space => "space",
        }
    }

    /// What stands before a name in download URLs and on the command line: nothing for models.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Model => "",
            Self::Dataset => "datasets/",
            Self::Space => "spaces/",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// A repository as somebody names it: spelling and case are theirs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepoName {
    kind: RepoKind,
    path: String,
}

impl RepoName {
    /// `path` is `name` or `org/name`.
    pub fn new(kind: RepoKind, path: &str) -> Option<Self> {
        let mut segments = path.split('/');
        let first = segments.next()?;
        let second = segments.next();
        if segments.next().is_some() || !good_segment(first) || second.is_some_and(|s| !good_segment(s)) {
            return None;
        }
        // `_` stands for "no owner" in policy paths, so nobody may be called so.
        if second.is_some() && first == "_" {
            return None;
        }
        if RESERVED.contains(&first.to_ascii_lowercase().as_str()) {
            return None;
        }
        Some(Self { kind, path: path.to_owned() })
    }

    /// `org/name`, `datasets/org/name` or `spaces/org/name`, as on the command line.
    pub fn parse(text: &str) -> Option<Self> {
        for kind in [RepoKind::Dataset, RepoKind::Space] {
            if let Some(rest) = text.strip_prefix(kind.prefix()) {
                return Self::new(kind, rest);
            }
        }
        Self::new(RepoKind::Model, text.strip_prefix("models/").unwrap_or(text))
    }

    pub fn kind(&self) -> RepoKind {
        self.kind
    }

    /// `org/name` without the kind.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The namespace, when there is one: `gpt2` has none.
    pub fn owner(&self) -> Option<&str> {
        self.path.split_once('/').map(|(owner, _)| owner)
    }

    /// Equal for two spellings that differ only in case.
    pub fn key(&self) -> String {
        self.path.to_ascii_lowercase()
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.prefix(), self.path)
    }
}

/// First words of the hub's own paths and of ours: no repository can be called so, or a path would have two readings.
pub const RESERVED: [&str; 13] = [
    "api", "models", "datasets", "spaces", "kernels", "oauth", "-", "v2", "resolve", "raw", "tree", "buckets",
    "settings",
];

fn good_segment(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=96).contains(&bytes.len())
        && bytes.iter().all(plain)
        && bytes.first().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
        && !segment.contains("..")
        && !segment.to_ascii_lowercase().ends_with(".git")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_or_two_plain_segments() {
        for good in ["gpt2", "org/name", "Org-1/na.me_2", "_x/y"] {
            assert!(RepoName::new(RepoKind::Model, good).is_some(), "{good}");
        }
        for bad in [
            "",
            "/",
            "a/b/c",
            "a//b",
            "../x",
            "a/..",
            "a/b.git",
            "api/x",
            "-/x",
            "_/gpt2",
            "a b/c",
            "é/x",
            ".hidden/x",
            "a/b\n",
        ] {
            assert!(RepoName::new(RepoKind::Model, bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn the_command_line_form_round_trips() {
        for text in ["gpt2", "org/name", "datasets/org/name", "datasets/squad", "spaces/org/app"] {
            assert_eq!(RepoName::parse(text).map(|n| n.to_string()).as_deref(), Some(text));
        }
    }
}
