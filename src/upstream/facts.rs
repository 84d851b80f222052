//! What the hub says, read into our own words.
//!
//! Names, commits, paths and digests are parsed or refused; everything else is bounded. Never trusts that a list is
//! complete or a word is harmless: it only says what was said.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::trouble::{Trouble, visible};
use crate::domain::{
    digest::FileId,
    file::{FilePath, deceptive},
    name::{RepoKind, RepoName},
    rev::{Commit, Rev},
    time::Micros,
};

/// A repository, or one of its revisions, as the hub describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct RepoFacts {
    /// The hub's own spelling; after a rename, the new name.
    pub name: RepoName,
    /// The hub's id: it changes when a name is registered anew.
    pub upstream_id: Option<String>,
    /// Of the revision that was asked for, or of the newest on main.
    pub commit: Option<Commit>,
    pub private: bool,
    /// `auto` or `manual`: how access is granted.
    pub gated: Option<String>,
    pub disabled: bool,
    pub author: Option<String>,
    pub last_modified: Option<Micros>,
    pub created_at: Option<Micros>,
    /// Tags, licence, counts and the like, bounded in depth and length.
    pub facts: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeFile {
    pub path: FilePath,
    pub size: u64,
    pub id: FileId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefKind {
    Branch,
    Tag,
    Convert,
    /// A proposal by anybody at all: its publisher is unknown.
    Pull,
}

impl RefKind {
    /// The word our rows keep it under.
    pub fn word(self) -> &'static str {
        match self {
            Self::Branch => "branch",
            Self::Tag => "tag",
            Self::Convert => "convert",
            Self::Pull => "pull",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefFact {
    pub kind: RefKind,
    /// As the hub shows it: `main`, `v1.0`.
    pub name: Rev,
    /// In full: `refs/heads/main`, `refs/pr/1`.
    pub reference: Rev,
    pub commit: Commit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitFact {
    pub commit: Commit,
    pub title: String,
    pub at: Option<Micros>,
    pub authors: Vec<String>,
}

/// One line of a search: that a repository exists, and nothing that its publisher wrote about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchHit {
    pub name: RepoName,
    pub last_modified: Option<Micros>,
    pub created_at: Option<Micros>,
    pub downloads: u64,
    pub likes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawRepo {
    id: String,
    #[serde(rename = "_id")]
    upstream_id: Option<String>,
    sha: Option<String>,
    private: Option<bool>,
    gated: Option<Value>,
    disabled: Option<bool>,
    author: Option<String>,
    last_modified: Option<String>,
    created_at: Option<String>,
    downloads: Option<u64>,
    downloads_all_time: Option<u64>,
    likes: Option<u64>,
    used_storage: Option<u64>,
    tags: Option<Value>,
    #[serde(rename = "pipeline_tag")]
    pipeline_tag: Option<Value>,
    #[serde(rename = "library_name")]
    library_name: Option<Value>,
    sdk: Option<Value>,
    card_data: Option<Value>,
    security_repo_status: Option<Value>,
    /// What the hub itself has read in the headers of files.
    #[serde(default)]
    safetensors: Value,
    #[serde(default)]
    gguf: Value,
}

impl RawRepo {
    pub(super) fn read(self, kind: RepoKind) -> Result<RepoFacts, Trouble> {
        let name = RepoName::new(kind, &self.id).ok_or_else(|| unreadable("a repository's name", &self.id))?;
        let commit = match &self.sha {
            Some(sha) => Some(sha.parse().map_err(|_| unreadable("a commit", sha))?),
            None => None,
        };
        let gated = match &self.gated {
            None | Some(Value::Null | Value::Bool(false)) => None,
            Some(Value::String(how)) => Some(visible(how, 40)),
            Some(_) => Some("yes".to_owned()),
        };
        Ok(RepoFacts {
            name,
            upstream_id: self.upstream_id.as_deref().map(|id| visible(id, 64)),
            commit,
            private: self.private.unwrap_or(false),
            gated,
            disabled: self.disabled.unwrap_or(false),
            author: self.author.as_deref().map(|a| line(a, 100)),
            last_modified: moment(self.last_modified.as_deref()),
            created_at: moment(self.created_at.as_deref()),
            facts: self.facts(),
        })
    }

    fn facts(self) -> Value {
        let count = |n: Option<u64>| n.map(Value::from);
        let total = |header: &Value| header["total"].as_u64();
        let parameters = total(&self.safetensors).or_else(|| total(&self.gguf));
        let architecture = self.gguf["architecture"].as_str().map(Value::from);
        let said = [
            ("downloads", count(self.downloads)),
            ("downloads_all_time", count(self.downloads_all_time)),
            ("likes", count(self.likes)),
            ("used_storage", count(self.used_storage)),
            ("pipeline_tag", self.pipeline_tag),
            ("library_name", self.library_name),
            ("sdk", self.sdk),
            ("tags", self.tags),
            ("security_repo_status", self.security_repo_status),
            ("parameters", count(parameters)),
            ("context_length", count(self.gguf["context_length"].as_u64())),
            ("architecture", architecture),
            ("card", self.card_data),
        ];
        let mut room = Room { left: FACTS_ROOM, cut: false };
        let mut facts = Map::new();
        for (key, value) in said {
            if let Some(value) = value.filter(|v| !v.is_null()) {
                facts.insert(key.to_owned(), bounded(value, 6, &mut room));
            }
        }
        // Whoever reads a missing licence here must be able to tell that it may only be missing here.
        facts.insert("cut".to_owned(), room.cut.into());
        Value::Object(facts)
    }
}

#[derive(Deserialize)]
pub(super) struct RawEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    oid: Option<String>,
    lfs: Option<RawLfs>,
}

#[derive(Deserialize)]
struct RawLfs {
    oid: String,
    size: Option<u64>,
}

impl RawEntry {
    /// `None` for a folder. Whatever else we cannot hold exactly fails the list: a file left out would be a file
    /// that nobody looked at.
    pub(super) fn read(self) -> Result<Option<TreeFile>, Trouble> {
        if self.kind == "directory" {
            return Ok(None);
        }
        let bad = |what: &str| Trouble::Unexpected(format!("The hub lists {what}: {}.", visible(&self.path, 200)));
        if self.kind != "file" {
            return Err(bad("something that is neither a file nor a folder"));
        }
        let path = FilePath::new(&self.path).ok_or_else(|| bad("a file whose name cannot be handled safely"))?;
        let git = self.oid.as_deref().and_then(|oid| oid.parse().ok()).ok_or_else(|| bad("a file without a git id"))?;
        let lfs = match &self.lfs {
            Some(lfs) => Some(lfs.oid.parse().map_err(|_| bad("a file with an unreadable sha256"))?),
            None => None,
        };
        let size = self.lfs.as_ref().and_then(|l| l.size).unwrap_or(self.size);
        Ok(Some(TreeFile { path, size, id: FileId { git, lfs } }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawRefs {
    #[serde(default)]
    branches: Vec<RawRef>,
    #[serde(default)]
    tags: Vec<RawRef>,
    #[serde(default)]
    converts: Vec<RawRef>,
    #[serde(default)]
    pull_requests: Option<Vec<RawRef>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRef {
    name: String,
    #[serde(rename = "ref")]
    reference: String,
    target_commit: String,
}

impl RawRefs {
    /// Leaves out what nobody could ask us for. Fewer refs make a commit less trusted, never more.
    pub(super) fn read(self) -> Vec<RefFact> {
        let all = [
            (RefKind::Branch, self.branches),
            (RefKind::Tag, self.tags),
            (RefKind::Convert, self.converts),
            (RefKind::Pull, self.pull_requests.unwrap_or_default()),
        ];
        let one = |kind: RefKind, raw: &RawRef| {
            let (name, reference) = (Rev::new(&raw.name)?, Rev::new(&raw.reference)?);
            Some(RefFact { kind, name, reference, commit: raw.target_commit.parse().ok()? })
        };
        let mut refs = Vec::new();
        for (kind, raws) in all {
            for raw in raws {
                if let Some(fact) = one(kind, &raw) {
                    refs.push(fact);
                } else {
                    tracing::warn!(name = visible(&raw.name, 100), "left out a ref that the hub lists");
                }
            }
        }
        refs
    }
}

#[derive(Deserialize)]
pub(super) struct RawCommit {
    id: String,
    #[serde(default)]
    title: String,
    date: Option<String>,
    #[serde(default)]
    authors: Vec<RawAuthor>,
}

#[derive(Deserialize)]
struct RawAuthor {
    user: Option<String>,
}

impl RawCommit {
    pub(super) fn read(self) -> Result<CommitFact, Trouble> {
        let commit = self.id.parse().map_err(|_| unreadable("a commit", &self.id))?;
        let authors = self.authors.into_iter().filter_map(|a| a.user).take(20).map(|user| line(&user, 100)).collect();
        Ok(CommitFact { commit, title: line(&self.title, 300), at: moment(self.date.as_deref()), authors })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawHit {
    id: String,
    last_modified: Option<String>,
    created_at: Option<String>,
    #[serde(default)]
    downloads: u64,
    #[serde(default)]
    likes: u64,
    #[serde(default)]
    private: bool,
}

impl RawHit {
    /// What our token alone can see is not told to whoever searches.
    pub(super) fn read(self, kind: RepoKind) -> Option<SearchHit> {
        if self.private {
            return None;
        }
        let (last_modified, created_at) = (moment(self.last_modified.as_deref()), moment(self.created_at.as_deref()));
        let name = RepoName::new(kind, &self.id)?;
        Some(SearchHit { name, last_modified, created_at, downloads: self.downloads, likes: self.likes })
    }
}

fn moment(text: Option<&str>) -> Option<Micros> {
    text.and_then(Micros::parse)
}

/// One line in its own script, without what would make it read as another.
pub(super) fn line(text: &str, most: usize) -> String {
    text.chars().map(|c| if c.is_control() || deceptive(c) { ' ' } else { c }).take(most).collect()
}

fn unreadable(what: &str, text: &str) -> Trouble {
    Trouble::Unexpected(format!("The hub names {what} that cannot be handled safely: {}.", visible(text, 100)))
}

struct Room {
    left: usize,
    cut: bool,
}

/// Cuts a value to `depth` levels and what is left of the room; what does not fit becomes null.
fn bounded(value: Value, depth: usize, room: &mut Room) -> Value {
    let length = if let Value::String(text) = &value { text.len() } else { 0 };
    let cost = length.min(4 * LONGEST_TEXT) + 8;
    if depth == 0 || room.left < cost {
        room.cut = true;
        return Value::Null;
    }
    room.left -= cost;
    match value {
        Value::String(text) => {
            room.cut |= text.chars().nth(LONGEST_TEXT).is_some();
            Value::String(text.chars().take(LONGEST_TEXT).collect())
        }
        Value::Array(items) => {
            room.cut |= items.len() > MOST_ITEMS;
            items.into_iter().take(MOST_ITEMS).map(|item| bounded(item, depth - 1, room)).collect()
        }
        Value::Object(map) => {
            room.cut |= map.len() > MOST_ITEMS;
            let mut kept = Map::new();
            for (key, value) in map.into_iter().take(MOST_ITEMS) {
                room.left = room.left.saturating_sub(key.len().min(LONGEST_KEY));
                if key.len() <= LONGEST_KEY {
                    kept.insert(key, bounded(value, depth - 1, room));
                } else {
                    room.cut = true;
                }
            }
            Value::Object(kept)
        }
        plain => plain,
    }
}

const LONGEST_TEXT: usize = 500;
const LONGEST_KEY: usize = 100;
const MOST_ITEMS: usize = 500;
/// About this many bytes of facts are kept of one repository.
const FACTS_ROOM: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(value: Value) -> Result<Option<TreeFile>, Trouble> {
        serde_json::from_value::<RawEntry>(value).unwrap().read()
    }

    #[test]
    fn facts_of_a_repository_are_parsed_or_refused_and_bounded() {
        let read = |value: Value| serde_json::from_value::<RawRepo>(value).unwrap().read(RepoKind::Model);
        let facts = read(json!({
            "_id": "65f", "id": "acme/tiny", "sha": "a".repeat(40), "gated": "manual", "private": true, "likes": 3,
            "lastModified": "2026-11-20T20:00:00.000Z", "tags": ["x".repeat(9000), "license:mit"], "siblings": [{}],
            "pipeline_tag": "text-generation", "cardData": {"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}},
        }))
        .unwrap();
        assert_eq!((facts.name.to_string().as_str(), facts.private, facts.disabled), ("acme/tiny", true, false));
        assert_eq!((facts.gated.as_deref(), facts.upstream_id.as_deref()), (Some("manual"), Some("65f")));
        assert!(facts.last_modified.is_some() && facts.created_at.is_none());
        assert_eq!(facts.facts["tags"][1], "license:mit");
        assert_eq!(facts.facts["tags"][0].as_str().map(str::len), Some(500));
        assert!(facts.facts.get("siblings").is_none());
        assert!(facts.facts.to_string().contains(r#"{"f":null}"#), "{}", facts.facts);
        assert_eq!(facts.facts["cut"], true);
        assert!(read(json!({ "id": "../../etc" })).is_err());
        assert!(read(json!({ "id": "a/b", "sha": "main" })).is_err());
        let large = read(json!({ "id": "a/b", "cardData": vec!["é".repeat(2_000); 100_000] })).unwrap();
        assert!(large.facts.to_string().len() < 200_000 && large.facts["cut"] == true);
        assert_eq!(read(json!({ "id": "a/b", "cardData": { "license": "mit" } })).unwrap().facts["cut"], false);
    }

    #[test]
    fn a_tree_has_only_files_that_can_be_named_and_checked() {
        let (git, sha) = ("b".repeat(40), "c".repeat(64));
        let file = entry(
            json!({ "type": "file", "path": "a/b.bin", "size": 9, "oid": git, "lfs": { "oid": sha, "size": 9 } }),
        );
        let file = file.unwrap().unwrap();
        assert_eq!((file.path.as_str(), file.size, file.id.etag()), ("a/b.bin", 9, sha.clone()));
        assert_eq!(entry(json!({ "type": "directory", "path": "a", "oid": git })), Ok(None));
        for (bad, named) in [
            (json!({ "type": "file", "path": "a/../b", "oid": git }), "a/../b"),
            (json!({ "type": "file", "path": "a\u{202e}b", "oid": git }), "a\\u{202e}b"),
            (json!({ "type": "file", "path": "x", "oid": "0" }), "x"),
            (json!({ "type": "file", "path": "x" }), "x"),
            (json!({ "type": "file", "path": "x", "oid": git, "lfs": { "oid": "zz" } }), "x"),
            (json!({ "type": "submodule", "path": "x", "oid": git }), "x"),
        ] {
            let sentence = entry(bad).unwrap_err().to_string();
            assert!(sentence.contains(named) && sentence.is_ascii(), "{sentence}");
        }
    }

    #[test]
    fn refs_that_nobody_can_ask_for_are_left_out() {
        let commit = "d".repeat(40);
        let one = |name: &str| json!({ "name": name, "ref": format!("refs/heads/{name}"), "targetCommit": commit });
        let pull = json!([{ "name": "refs/pr/1", "ref": "refs/pr/1", "targetCommit": commit }]);
        let raw = json!({ "branches": [one("main"), one("a b")], "tags": [], "pullRequests": pull });
        let refs = serde_json::from_value::<RawRefs>(raw).unwrap().read();
        assert_eq!(
            refs.iter().map(|r| (r.kind, r.name.as_str())).collect::<Vec<_>>(),
            [(RefKind::Branch, "main"), (RefKind::Pull, "refs/pr/1")]
        );
    }
}
