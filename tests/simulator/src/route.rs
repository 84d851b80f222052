//! What a raw path means. One parser for every path of the hub.
//!
//! Works on the path as it was sent: a revision is one segment, `refs%2Fpr%2F1`, and only whole segments are decoded.
//! Never asks the store: whether `gpt2` is a repository is not its business.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::store::Kind;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    WhoAmI,
    Harnesses,
    /// `/api/organizations/{name}/overview`, or of a person.
    Overview {
        person: bool,
        name: String,
    },
    Listing(Kind),
    /// `/api/{kind}/{id}`, and what is asked of the repository.
    Api(Named, Ask),
    /// `/api/resolve-cache/…`
    ResolveCache(Named, FileAt),
    Resolve(Named, FileAt),
    Raw(Named, FileAt),
    Cas,
    Unknown,
}

/// A repository as the client named it, and where that name stands in the path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// The raw path before and after the id.
    pub(crate) before: String,
    pub(crate) after: String,
}

impl Named {
    /// The same path with another id.
    pub(crate) fn path_with(&self, id: &str) -> String {
        format!("{}{id}{}", self.before, self.after)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileAt {
    pub(crate) rev: String,
    pub(crate) path: String,
}

/// What is asked of a repository under `/api`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Info { rev: String },
    Tree { rev: String, path: String },
    PathsInfo { rev: String },
    TreeSize { rev: String, path: String },
    Refs,
    Commits { rev: String },
    AuthCheck,
    XetToken { rev: String },
    Other,
}

pub(crate) fn parse(raw_path: &str) -> Route {
    let segments: Vec<&str> = raw_path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["cas", ..] => Route::Cas,
        ["api", "whoami-v2"] => Route::WhoAmI,
        ["api", "agent-harnesses"] => Route::Harnesses,
        ["api", "organizations", name, "overview"] => Route::Overview { person: false, name: decode(name) },
        ["api", "users", name, "overview"] => Route::Overview { person: true, name: decode(name) },
        ["api", "resolve-cache", kind, rest @ ..] => match Kind::parse(kind) {
            Some(kind) => resolve_cache(kind, rest, &format!("/api/resolve-cache/{}/", kind.as_str())),
            None => Route::Unknown,
        },
        ["api", kind] | ["api", kind, ""] => Kind::parse(kind).map_or(Route::Unknown, Route::Listing),
        ["api", kind, rest @ ..] => match Kind::parse(kind) {
            Some(kind) => api(kind, rest),
            None => Route::Unknown,
        },
        ["datasets", rest @ ..] => download(Kind::Datasets, rest, "/datasets/"),
        ["spaces", rest @ ..] => download(Kind::Spaces, rest, "/spaces/"),
        rest => download(Kind::Models, rest, "/"),
    }
}

fn api(kind: Kind, rest: &[&str]) -> Route {
    let one_segment = rest.len() == 1 || VERBS.contains(&rest[1]);
    let (named, tail) = name(kind, rest, one_segment, &format!("/api/{}/", kind.as_str()));
    let ask = match tail {
        [] => Ask::Info { rev: "main".into() },
        ["revision", rev @ ..] => Ask::Info { rev: joined(rev) },
        ["tree", rest @ ..] => {
            let at = file_at(rest);
            Ask::Tree { rev: at.rev, path: at.path }
        }
        ["treesize", rest @ ..] => {
            let at = file_at(rest);
            Ask::TreeSize { rev: at.rev, path: at.path }
        }
        ["paths-info", rev @ ..] => Ask::PathsInfo { rev: joined(rev) },
        ["refs"] => Ask::Refs,
        ["commits", rev @ ..] => Ask::Commits { rev: joined(rev) },
        ["auth-check", ..] => Ask::AuthCheck,
        ["xet-read-token", rev @ ..] => Ask::XetToken { rev: joined(rev) },
        _ => Ask::Other,
    };
    Route::Api(named, ask)
}

fn resolve_cache(kind: Kind, rest: &[&str], before: &str) -> Route {
    let is_sha = |text: &str| text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let one_segment = rest.get(1).is_some_and(|segment| is_sha(segment));
    let (named, tail) = name(kind, rest, one_segment, before);
    if tail.len() < 2 { Route::Unknown } else { Route::ResolveCache(named, file_at(tail)) }
}

fn download(kind: Kind, rest: &[&str], before: &str) -> Route {
    let is_verb = |at: usize| matches!(rest.get(at), Some(&"resolve" | &"raw"));
    if !is_verb(1) && !is_verb(2) {
        return Route::Unknown;
    }
    let (named, tail) = name(kind, rest, is_verb(1), before);
    match tail {
        ["resolve", tail @ ..] if tail.len() > 1 => Route::Resolve(named, file_at(tail)),
        ["raw", tail @ ..] if tail.len() > 1 => Route::Raw(named, file_at(tail)),
        _ => Route::Unknown,
    }
}

fn name<'a, 'b>(kind: Kind, rest: &'a [&'b str], one_segment: bool, before: &str) -> (Named, &'a [&'b str]) {
    let (id, tail) = rest.split_at(if one_segment { 1 } else { rest.len().min(2) });
    let after = if tail.is_empty() { String::new() } else { format!("/{}", tail.join("/")) };
    (Named { kind, id: decode(&id.join("/")), before: before.to_owned(), after }, tail)
}

/// A revision and a path below it. Browsers write `refs/pr/1` as three segments; clients write one.
fn file_at(segments: &[&str]) -> FileAt {
    let of_rev = match segments {
        ["refs", "pr" | "convert" | "heads" | "tags", _, ..] => 3,
        _ => segments.len().min(1),
    };
    let (rev, path) = segments.split_at(of_rev);
    FileAt { rev: joined(rev), path: joined(path) }
}

fn joined(segments: &[&str]) -> String {
    decode(&segments.join("/"))
}

pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Quotes everything but unreserved characters, slashes too.
pub(crate) fn quote_whole(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The pairs of a query string or of a form.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// The value of one name in a query string.
pub(crate) fn value(query: &str, name: &str) -> Option<String> {
    pairs(query).into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

/// Python clients write `True`.
pub(crate) fn flag(query: &str, name: &str) -> bool {
    value(query, name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
}

/// What can follow an id; no repository has such a name.
const VERBS: [&str; 15] = [
    "revision",
    "tree",
    "treesize",
    "paths-info",
    "refs",
    "commits",
    "auth-check",
    "xet-read-token",
    "xet-write-token",
    "resolve",
    "discussions",
    "likers",
    "lfs-files",
    "leaderboard",
    "safetensors-metadata",
];

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str) -> (String, Ask) {
        match parse(path) {
            Route::Api(named, ask) => (named.id, ask),
            other => (format!("{other:?}"), Ask::Other),
        }
    }

    #[test]
    fn ids_of_one_and_two_segments() {
        assert_eq!(asked("/api/models/gpt2"), ("gpt2".into(), Ask::Info { rev: "main".into() }));
        assert_eq!(asked("/api/models/gpt2/refs"), ("gpt2".into(), Ask::Refs));
        assert_eq!(asked("/api/datasets/a/b/refs"), ("a/b".into(), Ask::Refs));
        let tree = Ask::Tree { rev: "refs/pr/1".into(), path: "onnx/a".into() };
        assert_eq!(asked("/api/models/a/b/tree/refs%2Fpr%2F1/onnx%2Fa"), ("a/b".into(), tree));
    }

    #[test]
    fn odd_file_names() {
        let Route::Resolve(named, at) = parse("/spaces/a/b/resolve/main/x%20y/%2B+%23%25.txt") else {
            unreachable!("a download path")
        };
        assert_eq!((named.kind, named.id.as_str()), (Kind::Spaces, "a/b"));
        assert_eq!(at, FileAt { rev: "main".into(), path: "x y/++#%.txt".into() });
        assert_eq!(named.path_with("c"), "/spaces/c/resolve/main/x%20y/%2B+%23%25.txt");
        assert_eq!(parse("/a/b.git/info/refs"), Route::Unknown);
    }
}
