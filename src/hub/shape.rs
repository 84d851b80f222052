//! The hub's JSON, composed from our own facts.
//!
//! Never copies an upstream answer; what comes from a file's content is read from the served commit's own files by the
//! handler and passed in. Never a Xet field.

use std::{collections::HashSet, ops::Bound};

use aws_lc_rs::digest;
use serde_json::{Map, Value, json};

use super::{
    card,
    sql::{Listed, Offered, Stretch, after_folder},
};
use crate::{
    domain::{digest::Sha256, name::RepoKind, time::Micros},
    gate::object::Revision,
    store::tables::{pointer, repository, revision},
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
    files: &[Listed],
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

pub fn listed(kind: RepoKind, one: &Offered) -> Value {
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

fn sibling(row: &Listed, blobs: bool) -> Value {
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
fn lfs(row: &Listed) -> Option<usize> {
    row.lfs.as_ref().map(|sha| pointer_text(sha, row.size).len())
}

pub fn pointer_text(sha256: &str, size: i64) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n")
}

/// A walk over a page of a tree, a stretch of files at a time.
///
/// Files come in the order of their paths' bytes, and a folder just before its first file: what lies below one folder
/// stands together in that order, so a page needs to know nothing but the last file of the page before.
pub struct Walk<'a> {
    prefix: String,
    recursive: bool,
    limit: usize,
    revoked: &'a HashSet<String>,
    ahead: Option<Stretch>,
    /// The last file that was told of, or the last folder with a `/` after it: where the next page goes on.
    last: String,
    entries: Vec<Entry>,
    more: bool,
}

impl<'a> Walk<'a> {
    pub fn new(folder: &str, recursive: bool, cursor: &str, limit: usize, revoked: &'a HashSet<String>) -> Self {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut ahead = Stretch::below(folder);
        if cursor > prefix.as_str() {
            ahead.from = match cursor.strip_suffix('/') {
                Some(done) => Bound::Included(after_folder(done)),
                None => Bound::Excluded(cursor.to_owned()),
            };
        }
        let (ahead, last) = (Some(ahead), cursor.to_owned());
        Self { prefix, recursive, limit, revoked, ahead, last, entries: Vec::new(), more: false }
    }

    /// The files to look at next; `None` when the page is whole.
    pub fn ahead(&self) -> Option<&Stretch> {
        self.ahead.as_ref()
    }

    /// Takes the first files of the stretch ahead; it is at its end when there were fewer than asked for.
    pub fn take(&mut self, files: Vec<Listed>, at_end: bool) {
        let Some(mut ahead) = self.ahead.take() else { return };
        for file in files {
            ahead.from = Bound::Excluded(file.path.clone());
            if self.revoked.contains(&file.path) || self.is_told(&file.path) {
                continue;
            }
            let new = self.entries_of(file);
            // A page ends with a file, so it may be a little longer when one lies deep.
            if self.entries.len() + new.len() > self.limit && !self.entries.is_empty() {
                self.more = true;
                return;
            }
            if let Some(last) = new.last() {
                self.last = last.cursor(self.recursive);
            }
            self.entries.extend(new);
        }
        if at_end {
            return;
        }
        // Past the rest of a folder that is told of already.
        if let (false, Some(done)) = (self.recursive, self.last.strip_suffix('/')) {
            let past = after_folder(done);
            if matches!(&ahead.from, Bound::Excluded(path) if *path < past) {
                ahead.from = Bound::Included(past);
            }
        }
        self.ahead = Some(ahead);
    }

    /// The page, and the cursor of the next one.
    pub fn page(self) -> (Vec<Entry>, Option<String>) {
        (self.entries, self.more.then_some(self.last))
    }

    /// Whether it lies below a folder that stands for all of it.
    fn is_told(&self, path: &str) -> bool {
        !self.recursive && self.last.ends_with('/') && path.starts_with(&self.last)
    }

    /// A file, behind those of its folders that begin with it; or only the first of them.
    fn entries_of(&self, file: Listed) -> Vec<Entry> {
        let rest = file.path.get(self.prefix.len()..).unwrap_or_default();
        let mut new = Vec::new();
        for (end, _) in rest.match_indices('/') {
            let Some(folder) = file.path.get(..self.prefix.len() + end) else { continue };
            let begun = self.last.strip_prefix(folder).is_some_and(|below| below.starts_with('/'));
            if !begun {
                new.push(Entry::Folder(folder.to_owned()));
            }
            if !self.recursive {
                return new;
            }
        }
        new.push(Entry::File(file));
        new
    }
}

/// A file or a folder of a tree.
pub enum Entry {
    File(Listed),
    Folder(String),
}

impl Entry {
    /// Where a listing goes on after it.
    fn cursor(&self, recursive: bool) -> String {
        match self {
            Self::Folder(path) if !recursive => format!("{path}/"),
            other => other.path().to_owned(),
        }
    }

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
    let mut object = json!({"branches": of("refs/heads/"), "tags": of("refs/tags/"), "converts": of("refs/convert/")});
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

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Listed {
        Listed { path: path.to_owned(), size: 1, git_id: "0".repeat(40), lfs: None }
    }

    /// Every page of a listing, read as the handler reads it, with so many files a query.
    fn pages(
        files: &[&str],
        (folder, recursive): (&str, bool),
        limit: usize,
        read: usize,
        revoked: &HashSet<String>,
    ) -> Vec<Vec<String>> {
        let mut sorted = files.to_vec();
        sorted.sort_unstable();
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut walk = Walk::new(folder, recursive, &cursor, limit, revoked);
            while let Some(ahead) = walk.ahead() {
                let fits = |path: &&&str| {
                    let from = match &ahead.from {
                        Bound::Included(from) => **path >= from.as_str(),
                        Bound::Excluded(from) => **path > from.as_str(),
                        Bound::Unbounded => true,
                    };
                    from && ahead.until.as_ref().is_none_or(|until| **path < until.as_str())
                };
                let some: Vec<Listed> = sorted.iter().filter(fits).take(read).map(|path| file(path)).collect();
                let at_end = some.len() < read;
                walk.take(some, at_end);
            }
            let (page, next) = walk.page();
            pages.push(page.iter().map(|entry| entry.path().to_owned()).collect());
            match next {
                Some(next) => cursor = next,
                None => return pages,
            }
        }
    }

    const FILES: [&str; 9] = ["a-b", "a/0", "a/x/1", "a/x/2", "a/y", "a0", "b/c/d/e", "z", "é/1"];

    #[test]
    fn pages_hold_every_entry_once_whatever_their_length() {
        let (none, all) =
            (HashSet::new(), ["a-b", "a", "a/0", "a/x", "a/x/1", "a/x/2", "a/y", "a0", "b", "b/c", "b/c/d"]);
        let all: Vec<&str> = all.into_iter().chain(["b/c/d/e", "z", "é", "é/1"]).collect();
        for read in 1..12 {
            for limit in 1..20 {
                let told = pages(&FILES, ("", true), limit, read, &none);
                assert_eq!(told.concat(), all, "{limit} at a time, {read} read");
                assert!(told.iter().all(|page| page.len() <= limit.max(4)), "{told:?}");
                let top = pages(&FILES, ("", false), limit, read, &none).concat();
                assert_eq!(top, ["a-b", "a", "a0", "b", "z", "é"], "{limit} at a time, {read} read");
                assert_eq!(pages(&FILES, ("a", false), limit, read, &none).concat(), ["a/0", "a/x", "a/y"]);
                let below = pages(&FILES, ("b", true), limit, read, &none).concat();
                assert_eq!(below, ["b/c", "b/c/d", "b/c/d/e"]);
                assert!(pages(&FILES, ("a-b", true), limit, read, &none).concat().is_empty(), "a file is no folder");
            }
        }
        assert_eq!(pages(&FILES, ("", false), 3, 100, &none).len(), 2, "the last page says that it is the last");
    }

    #[test]
    fn what_is_revoked_stands_in_no_page_and_empties_its_folder() {
        let revoked = ["b/c/d/e", "a/0", "z"].map(str::to_owned).into();
        for read in 1..12 {
            let told = pages(&FILES, ("", true), 3, read, &revoked).concat();
            assert_eq!(told, ["a-b", "a", "a/x", "a/x/1", "a/x/2", "a/y", "a0", "é", "é/1"]);
        }
    }
}
