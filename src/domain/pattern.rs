//! URL patterns: one matcher for every path shape, decoded exactly once.
//!
//! `{kind}` is models, datasets or spaces, `{repo}` is an optional `datasets/` or `spaces/` and one or two segments, `{typed-repo}` the same behind a required
//! kind, `{rest..}` what is left, `{anything}` one segment. Two-segment names are tried first. Never decides anything
//! about what a path names; a path with `..`, an empty segment or bytes that are not UTF-8 matches nothing at all.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::name::{RepoKind, RepoName};

/// What a pattern found in a path, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    pub repo: Option<RepoName>,
    values: Vec<(&'static str, String)>,
}

impl Keys {
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.values.push((key, value.into()));
        self
    }

    pub fn of(repo: RepoName) -> Self {
        Self { repo: Some(repo), values: Vec::new() }
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.iter().find(|(k, _)| *k == key).map(|(_, v)| v.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(&'static str),
    One(&'static str),
    Rest(&'static str),
    /// `{kind}`: models, datasets or spaces, and nothing else.
    Kind,
    Repo,
    /// `{repo}.git`
    GitRepo,
    TypedRepo,
}

/// A parsed pattern such as `/{repo}/resolve/{rev}/{path..}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: &'static str,
    tokens: Vec<Token>,
}

impl Pattern {
    /// Patterns are written in our own source; a bad one is a bug that the first start and every test report.
    pub fn parse(text: &'static str) -> Result<Self, String> {
        let Some(body) = text.strip_prefix('/') else { return Err(format!("pattern {text}: must begin with /")) };
        let tokens = body.split('/').filter(|s| !s.is_empty()).map(token).collect::<Option<Vec<_>>>();
        let tokens = tokens.ok_or_else(|| format!("pattern {text}: unreadable"))?;
        let early_rest = tokens.iter().rev().skip(1).any(|t| matches!(t, Token::Rest(_)));
        if early_rest { Err(format!("pattern {text}: a rest must be last")) } else { Ok(Self { text, tokens }) }
    }

    pub fn text(&self) -> &'static str {
        self.text
    }

    /// The first literal: what the list of endpoints is bucketed by.
    pub fn first_literal(&self) -> Option<&'static str> {
        match self.tokens.first() {
            Some(Token::Literal(word)) => Some(word),
            _ => None,
        }
    }

    /// The keys this pattern finds, `repo` first when it has one.
    pub fn keys(&self) -> Vec<&'static str> {
        let key = |t: &Token| match t {
            Token::Literal(_) => None,
            Token::One(k) | Token::Rest(k) => Some(*k),
            Token::Kind => Some("kind"),
            Token::Repo | Token::GitRepo | Token::TypedRepo => Some("repo"),
        };
        self.tokens.iter().filter_map(key).collect()
    }

    pub fn find(&self, path: &Segments) -> Option<Keys> {
        let mut keys = Keys::default();
        find(&self.tokens, &path.0, &mut keys).then_some(keys)
    }

    /// The path that this pattern finds these keys in: the other direction, for tests and for URLs we hand out.
    pub fn fill(&self, keys: &Keys) -> Option<String> {
        let mut path = String::new();
        for token in &self.tokens {
            path.push('/');
            match token {
                Token::Literal(word) => path.push_str(word),
                Token::One(key) => path.push_str(&encode(keys.get(key)?, ONE)),
                Token::Kind => path.push_str(keys.get("kind")?),
                Token::Rest(key) => path.push_str(&encode(keys.get(key)?, REST)),
                Token::Repo => path.push_str(&keys.repo.as_ref()?.to_string()),
                Token::GitRepo => path.extend([keys.repo.as_ref()?.to_string().as_str(), ".git"]),
                Token::TypedRepo => {
                    let repo = keys.repo.as_ref()?;
                    path.extend([repo.kind().word(), "/", repo.path()]);
                }
            }
        }
        Some(if path.is_empty() { "/".to_owned() } else { path })
    }
}

/// A raw URL path, split first and decoded segment by segment after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments(Vec<String>);

impl Segments {
    /// `None` for what no client of ours sends and every smuggler does.
    pub fn read(raw_path: &str) -> Option<Self> {
        let body = raw_path.strip_prefix('/')?;
        if body.is_empty() {
            return Some(Self(Vec::new()));
        }
        body.split('/').map(decode).collect::<Option<Vec<_>>>().map(Self)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }
}

/// Encodes a path so that every client and server reads the same segments from it.
pub fn encode_path(path: &str) -> String {
    encode(path, REST)
}

/// Encodes a text as one segment: `refs/pr/1` becomes `refs%2Fpr%2F1`.
pub fn encode_segment(text: &str) -> String {
    encode(text, ONE)
}

fn decode(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok()?.into_owned();
    let good = !text.is_empty() && text != "." && text != ".." && !text.chars().any(char::is_control);
    good.then_some(text)
}

fn token(text: &'static str) -> Option<Token> {
    match text {
        "{kind}" => return Some(Token::Kind),
        "{repo}" => return Some(Token::Repo),
        "{repo}.git" => return Some(Token::GitRepo),
        "{typed-repo}" => return Some(Token::TypedRepo),
        _ => {}
    }
    match text.strip_prefix('{').map(|t| t.strip_suffix('}')) {
        None => (!text.contains(['{', '}'])).then_some(Token::Literal(text)),
        Some(None) => None,
        Some(Some(key)) => Some(key.strip_suffix("..").map_or(Token::One(key), Token::Rest)),
    }
}

fn find(tokens: &[Token], path: &[String], keys: &mut Keys) -> bool {
    let Some((token, tokens)) = tokens.split_first() else { return path.is_empty() };
    match token {
        Token::Literal(word) => path.split_first().is_some_and(|(s, path)| s == word && find(tokens, path, keys)),
        Token::One(key) => {
            let Some((segment, path)) = path.split_first() else { return false };
            with_value(keys, key, segment.clone(), |keys| find(tokens, path, keys))
        }
        Token::Kind => {
            let Some((segment, path)) = path.split_first() else { return false };
            let known = RepoKind::from_word(segment).is_some();
            known && with_value(keys, "kind", segment.clone(), |keys| find(tokens, path, keys))
        }
        Token::Rest(key) => !path.is_empty() && with_value(keys, key, path.join("/"), |keys| find(tokens, &[], keys)),
        Token::Repo | Token::GitRepo => {
            let kind = path.first().and_then(|s| RepoKind::from_word(s)).filter(|k| *k != RepoKind::Model);
            let path = if kind.is_some() { &path[1..] } else { path };
            find_repo(kind.unwrap_or(RepoKind::Model), *token == Token::GitRepo, tokens, path, keys)
        }
        Token::TypedRepo => {
            let Some(kind) = path.first().and_then(|s| RepoKind::from_word(s)) else { return false };
            find_repo(kind, false, tokens, &path[1..], keys)
        }
    }
}

fn find_repo(kind: RepoKind, git: bool, tokens: &[Token], path: &[String], keys: &mut Keys) -> bool {
    for length in [2, 1] {
        let Some((name, path)) = path.split_at_checked(length) else { continue };
        if name.iter().any(|s| s.contains('/')) {
            continue;
        }
        let name = name.join("/");
        let name = if git { name.strip_suffix(".git") } else { Some(name.as_str()) };
        let Some(repo) = name.and_then(|n| RepoName::new(kind, n)) else { continue };
        keys.repo = Some(repo);
        if find(tokens, path, keys) {
            return true;
        }
    }
    keys.repo = None;
    false
}

fn with_value(keys: &mut Keys, key: &'static str, value: String, rest: impl FnOnce(&mut Keys) -> bool) -> bool {
    keys.values.push((key, value));
    let found = rest(keys);
    if !found {
        keys.values.pop();
    }
    found
}

fn encode(text: &str, set: &'static AsciiSet) -> String {
    utf8_percent_encode(text, set).to_string()
}

const ONE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const REST: &AsciiSet = &ONE.remove(b'/');

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn find_in(pattern: &'static str, path: &str) -> Option<(String, Vec<String>)> {
        let pattern = Pattern::parse(pattern).ok()?;
        let keys = pattern.find(&Segments::read(path)?)?;
        let values = keys.values.iter().map(|(_, v)| v.clone()).collect();
        Some((keys.repo.map(|r| r.to_string()).unwrap_or_default(), values))
    }

    #[allow(clippy::unnecessary_wraps, reason = "it stands beside None in the table")]
    fn some(repo: &str, values: &[&str]) -> Option<(String, Vec<String>)> {
        Some((repo.to_owned(), values.iter().map(|v| (*v).to_owned()).collect()))
    }

    #[test]
    fn every_shape_of_a_hub_path_is_read_one_way() {
        let resolve = "/{repo}/resolve/{rev}/{path..}";
        for (path, want) in [
            ("/org/name/resolve/main/a.bin", some("org/name", &["main", "a.bin"])),
            ("/gpt2/resolve/main/a/b.bin", some("gpt2", &["main", "a/b.bin"])),
            ("/datasets/squad/resolve/main/a", some("datasets/squad", &["main", "a"])),
            ("/datasets/o/squad/resolve/main/a", some("datasets/o/squad", &["main", "a"])),
            ("/spaces/o/app/resolve/refs%2Fpr%2F1/app.py", some("spaces/o/app", &["refs/pr/1", "app.py"])),
            ("/org/resolve/resolve/main/f", some("org/resolve", &["main", "f"])),
            ("/org/name/resolve/main/na%C3%AFve/%E6%A8%A1.txt", some("org/name", &["main", "naïve/模.txt"])),
            ("/org/name/resolve/main/100%25%20real+%23.txt", some("org/name", &["main", "100% real+#.txt"])),
            ("/org/name/resolve/main/..", None),
            ("/org/name/resolve/main/%2e%2e/x", None),
            ("/org/name/resolve/main/a%00", None),
            ("/org/name/resolve/main//a", None),
            ("/org/name/resolve/main/a/", None),
            ("/org/name/resolve/main/%ff", None),
            ("/org%2Fname/resolve/main/a", None),
            ("/api/name/resolve/main/a", None),
            ("/org/name/resolve/main", None),
        ] {
            assert_eq!(find_in(resolve, path), want, "{path}");
        }
        assert_eq!(find_in("/api/{typed-repo}/tree/{rev}", "/api/models/gpt2/tree/main"), some("gpt2", &["main"]));
        assert_eq!(find_in("/api/{typed-repo}", "/api/models/org/name"), some("org/name", &[]));
        assert_eq!(find_in("/{repo}.git/info/refs", "/org/name.git/info/refs"), some("org/name", &[]));
        assert_eq!(find_in("/{repo}.git/info/refs", "/datasets/o/n.git/info/refs"), some("datasets/o/n", &[]));
        assert_eq!(find_in("/", "/"), some("", &[]));
        assert_eq!(find_in("/api/{kind}", "/api/datasets"), some("", &["datasets"]));
        assert_eq!(find_in("/api/{kind}", "/api/agent-harnesses"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_matched_or_refused_without_panic(path in "\\PC{0,60}|(/[a-z%./0-9]{0,12}){0,6}") {
            if let Some(segments) = Segments::read(&path) {
                for text in ["/{repo}/resolve/{rev}/{path..}", "/api/{typed-repo}/tree/{rev}/{path..}", "/{repo}.git/{rest..}"] {
                    let Ok(pattern) = Pattern::parse(text) else { continue };
                    if let Some(keys) = pattern.find(&segments) {
                        let filled = pattern.fill(&keys).and_then(|p| Segments::read(&p)).and_then(|s| pattern.find(&s));
                        prop_assert_eq!(filled, Some(keys));
                    }
                }
            }
        }

        #[test]
        fn what_is_filled_in_is_found_again(
            kind in 0..3_usize, name in "[a-z][a-z0-9_.-]{0,8}[a-z]", owner in proptest::option::of("[a-z]{1,6}"),
            rev in "[a-zA-Z0-9/ _.+é-]{1,12}", path in "[^/\\p{C}]{1,10}(/[^/\\p{C}]{1,10}){0,3}",
        ) {
            let full = owner.map_or(name.clone(), |o| format!("{o}/{name}"));
            if let Some(repo) = RepoName::new(RepoKind::ALL[kind], &full) {
                let pattern = Pattern::parse("/{repo}/resolve/{rev}/{path..}").map_err(TestCaseError::fail)?;
                let keys = Keys::of(repo).with("rev", rev.clone()).with("path", path.clone());
                let dots = path.split('/').chain([rev.as_str()]).any(|s| s == "." || s == "..");
                let found = pattern.fill(&keys).and_then(|p| Segments::read(&p)).and_then(|s| pattern.find(&s));
                if !dots {
                    prop_assert_eq!(found, Some(keys));
                }
            }
        }
    }
}
