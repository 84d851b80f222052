//! The hub's JSON, composed from our own facts.
//!
//! Never copies an upstream answer; what comes from a file's content is read from the served commit's own files by the
//! handler and passed in. Never a Xet field.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use serde_json::{Map, Value, json};

use super::{card, sql::Listed};
use crate::{
    domain::{digest::Sha256, name::RepoKind, time::Micros},
    gate::object::Revision,
    store::tables::{file, pointer, repository, revision},
};

/// What is read from files of the served commit itself.
#[derive(Default)]
pub struct Content {
    pub config: Option<Value>,
    pub card: Option<Map<String, Value>>,
}

/// How much of each file an info answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail {
    pub blobs: bool,
    pub security: bool,
}

pub fn info(
    repository: &repository::Model,
    at: &Revision,
    row: Option<&revision::Model>,
    files: &[file::Model],
    detail: Detail,
    content: Content,
) -> Value {
    let mut object = head(repository, at.repo.name.kind(), at.commit.as_str(), row.and_then(|r| r.committed_at));
    let siblings = files.iter().map(|f| sibling(f, detail.blobs)).collect();
    object.insert("siblings".into(), Value::Array(siblings));
    object.insert("usedStorage".into(), json!(files.iter().map(|f| f.size).sum::<i64>()));
    if let Some(config) = content.config {
        let known = |key: &str| config.get(key).map(|value| (key.to_owned(), value.clone()));
        let config: Map<_, _> =
            ["architectures", "model_type", "auto_map", "quantization_config"].into_iter().filter_map(known).collect();
        object.insert("config".into(), Value::Object(config));
    }
    if let Some(card) = content.card {
        object.insert("tags".into(), json!(card::tags(&card)));
        for key in ["pipeline_tag", "library_name"] {
            if let Some(value) = card.get(key).filter(|v| v.is_string()) {
                object.insert(key.into(), value.clone());
            }
        }
        object.insert("cardData".into(), Value::Object(card));
    }
    if detail.security {
        object.insert("securityRepoStatus".into(), json!({"scansDone": false, "filesWithIssues": []}));
    }
    Value::Object(object)
}

pub fn listed(kind: RepoKind, one: &Listed) -> Value {
    Value::Object(head(&one.repository, kind, &one.commit, one.committed_at))
}

fn head(repository: &repository::Model, kind: RepoKind, commit: &str, committed_at: Option<i64>) -> Map<String, Value> {
    let facts: Value = serde_json::from_str(&repository.facts).unwrap_or_default();
    let hub = facts.get("hub").cloned().unwrap_or_default();
    let time = |at: Option<i64>| at.map(|at| Micros(at).to_millis_text());
    let owner = repository.name.split_once('/').map(|(owner, _)| owner);
    let mut object = Map::new();
    object.insert("_id".into(), json!(repository.id));
    object.insert("id".into(), json!(repository.name));
    if kind == RepoKind::Model {
        object.insert("modelId".into(), json!(repository.name));
    }
    object.insert("author".into(), json!(facts.get("author").and_then(Value::as_str).or(owner)));
    object.insert("sha".into(), json!(commit));
    object.insert("lastModified".into(), json!(time(committed_at).or_else(|| time(Some(repository.seen_at)))));
    let created = facts.get("created_at").and_then(Value::as_i64).or(Some(repository.first_seen_at));
    object.insert("createdAt".into(), json!(time(created)));
    object.insert("private".into(), json!(false));
    // Gating is settled before approval; a client that saw it here would ask its user for terms nobody shows.
    object.insert("gated".into(), json!(false));
    object.insert("disabled".into(), json!(false));
    object.insert("downloads".into(), hub.get("downloads").cloned().unwrap_or(json!(0)));
    object.insert("likes".into(), hub.get("likes").cloned().unwrap_or(json!(0)));
    object.insert("tags".into(), json!([]));
    object
}

fn sibling(row: &file::Model, blobs: bool) -> Value {
    let mut object = Map::new();
    object.insert("rfilename".into(), json!(row.path));
    if blobs {
        object.insert("size".into(), json!(row.size));
        object.insert("blobId".into(), json!(row.git_id));
        if let Some(lfs) = lfs(row) {
            object.insert("lfs".into(), json!({"sha256": row.lfs, "size": row.size, "pointerSize": lfs}));
        }
    }
    Value::Object(object)
}

/// The size of the pointer that git holds for an LFS file.
fn lfs(row: &file::Model) -> Option<usize> {
    row.lfs.as_ref().map(|sha| pointer_text(sha, row.size).len())
}

pub fn pointer_text(sha256: &str, size: i64) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n")
}

/// Entries of a folder: files, and the folders above them, in the order of their paths.
pub fn tree(files: &[file::Model], folder: &str, recursive: bool) -> Vec<Entry> {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for row in files {
        let Some(rest) = row.path.strip_prefix(&prefix) else { continue };
        let mut end = 0;
        let mut segments = rest.split('/').peekable();
        while let Some(segment) = segments.next() {
            end += segment.len();
            let path = format!("{prefix}{}", rest.get(..end).unwrap_or(rest));
            end += 1;
            if segments.peek().is_none() {
                entries.insert(path, Entry::File(row.clone()));
            } else {
                entries.entry(path.clone()).or_insert(Entry::Folder(path));
            }
            if !recursive {
                break;
            }
        }
    }
    entries.into_values().collect()
}

/// A file or a folder of a tree.
pub enum Entry {
    File(file::Model),
    Folder(String),
}

impl Entry {
    pub fn path(&self) -> &str {
        match self {
            Self::File(row) => &row.path,
            Self::Folder(path) => path,
        }
    }

    pub fn to_json(&self, at: &Revision, row: Option<&revision::Model>, expand: bool) -> Value {
        let mut object = Map::new();
        match self {
            Self::File(file) => {
                object.insert("type".into(), json!("file"));
                object.insert("oid".into(), json!(file.git_id));
                object.insert("size".into(), json!(file.size));
                object.insert("path".into(), json!(file.path));
                if let Some(pointer) = lfs(file) {
                    object.insert("lfs".into(), json!({"oid": file.lfs, "size": file.size, "pointerSize": pointer}));
                }
            }
            Self::Folder(path) => {
                object.insert("type".into(), json!("directory"));
                object.insert("oid".into(), json!(folder_id(at.commit.as_str(), path)));
                object.insert("size".into(), json!(0));
                object.insert("path".into(), json!(path));
            }
        }
        if expand {
            let date = row.and_then(|r| r.committed_at.or(Some(r.listed_at))).map(|at| Micros(at).to_millis_text());
            let title = row.map(|r| r.title.as_str()).unwrap_or_default();
            object.insert("lastCommit".into(), json!({"id": at.commit.as_str(), "title": title, "date": date}));
            if matches!(self, Self::File(_)) {
                object.insert("securityFileStatus".into(), unscanned());
            }
        }
        Value::Object(object)
    }
}

fn unscanned() -> Value {
    json!({"status": "unscanned", "jFrogScan": null, "protectAiScan": null, "avScan": null, "pickleImportScan": null, "virusTotalScan": null})
}

/// We keep no git trees; a folder's id only has to be 40 digits and the same each time.
fn folder_id(commit: &str, path: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("{commit}:{path}").as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.as_ref());
    Sha256(bytes).to_string().chars().take(40).collect()
}

pub fn refs(pointers: &[pointer::Model], with_pulls: bool) -> Value {
    let of = |prefix: &str| -> Vec<Value> {
        let rows = pointers.iter().filter_map(|row| Some((row.name.strip_prefix(prefix)?, row)));
        rows.map(|(name, row)| json!({"name": name, "ref": row.name, "targetCommit": row.commit_id})).collect()
    };
    let mut object =
        json!({"branches": of("refs/heads/"), "tags": of("refs/tags/"), "converts": of("refs/convert/")});
    if let (true, Some(object)) = (with_pulls, object.as_object_mut()) {
        object.insert("pullRequests".into(), Value::Array(of("refs/pr/")));
    }
    object
}

pub fn commit(row: &revision::Model, author: Option<&str>) -> Value {
    let date = Micros(row.committed_at.unwrap_or(row.listed_at)).to_millis_text();
    json!({
        "id": row.commit_id, "title": row.title, "message": "", "date": date,
        "authors": [{"user": author.unwrap_or("unknown")}],
    })
}
