//! Names of revisions: a commit id, or a branch, tag or ref that points to one.
//!
//! Never says which commit a name points to: pointers are ours and live in the store.

use std::{fmt, str::FromStr};

use super::name::RepoName;

/// A full git commit id: 40 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Commit(String);

impl Commit {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Commit {
    type Err = NotACommit;

    fn from_str(text: &str) -> Result<Self, NotACommit> {
        let hex = text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex { Ok(Self(text.to_owned())) } else { Err(NotACommit) }
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct NotACommit;

impl fmt::Display for NotACommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a commit is 40 lower-case hexadecimal digits")
    }
}

impl std::error::Error for NotACommit {}

/// A revision as somebody names it: `main`, `v1.0`, `refs/pr/1` or a commit id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rev(String);

impl Rev {
    /// Git's own rules for ref names, and no `%`: a name that still looks encoded would be decoded a second time upstream.
    pub fn new(text: &str) -> Option<Self> {
        let bad =
            |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\%\"<>".contains(c) || super::file::deceptive(c);
        let fine = (1..=250).contains(&text.len())
            && !text.chars().any(bad)
            && !text.contains("..")
            && !text.contains("@{")
            && text.split('/').all(|s| !s.is_empty() && !s.starts_with('.') && !s.starts_with('-'))
            && !text.to_ascii_lowercase().ends_with(LOCK);
        fine.then(|| Self(text.to_owned()))
    }

    pub fn main() -> Self {
        Self("main".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn as_commit(&self) -> Option<Commit> {
        self.0.parse().ok()
    }
}

impl From<&Commit> for Rev {
    fn from(commit: &Commit) -> Self {
        Self(commit.0.clone())
    }
}

impl fmt::Display for Rev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Git keeps this ending for itself.
const LOCK: &str = ".lock";

/// `org/name@rev` as it is written on the command line; without `@rev` it means `main`.
pub fn parse_revision(text: &str) -> Option<(RepoName, Rev)> {
    match text.split_once('@') {
        Some((repo, rev)) => Some((RepoName::parse(repo)?, Rev::new(rev)?)),
        None => Some((RepoName::parse(text)?, Rev::main())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_follow_gits_rules() {
        for good in ["main", "refs/pr/1", "v1.0", "feature/a-b", "8334a21b8334a21b8334a21b8334a21b8334a21b"] {
            assert!(Rev::new(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "a..b", "/a", "a/", "a//b", "%2e%2e", "a:b", "-x", "x.lock", "a\u{202e}b", "a\0b"] {
            assert!(Rev::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_commit_is_forty_lower_case_hex_digits() {
        assert!(Commit::from_str(&"a".repeat(40)).is_ok());
        assert!(Commit::from_str(&"A".repeat(40)).is_err());
        assert!(Commit::from_str(&"a".repeat(39)).is_err());
    }
}
