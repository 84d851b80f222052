//! Listings of a commit: `tree` page by page, `paths-info` for chosen paths.
//!
//! Never fetches a file's bytes, but for the hash of a file that nobody has asked for before.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::reply::{Refusal, Reply};
use crate::route::{flag, pairs, quote_whole, value};
use crate::store::{Commit, FileEntry, LastCommit, RepoState, directories, sha1_of};

/// What one listing is about.
pub(crate) struct Listing<'a> {
    pub(crate) repo: &'a RepoState,
    pub(crate) commit: &'a Commit,
    pub(crate) expand: bool,
}

/// Where the answer's next page is found, and how long pages are.
pub(crate) struct Pages<'a> {
    /// The absolute address of this request without its query.
    pub(crate) address: String,
    pub(crate) query: &'a str,
    pub(crate) default_size: usize,
}

impl Pages<'_> {
    /// The wanted stretch of a list, and the Link header to the next one.
    pub(crate) fn cut<T>(&self, items: Vec<T>) -> (Vec<T>, Option<String>) {
        let size = value(self.query, "limit").and_then(|text| text.parse().ok()).unwrap_or(self.default_size);
        let size = size.clamp(1, 1000);
        let start = value(self.query, "cursor").and_then(|text| usize::from_str_radix(&text, 16).ok()).unwrap_or(0);
        let end = start.saturating_add(size);
        let link = (items.len() > end).then(|| {
            let kept = pairs(self.query).into_iter().filter(|(name, _)| name != "cursor");
            let mut query: Vec<String> =
                kept.map(|(name, value)| format!("{}={}", quote_whole(&name), quote_whole(&value))).collect();
            query.push(format!("cursor={end:08x}"));
            format!("<{}?{}>; rel=\"next\"", self.address, query.join("&"))
        });
        (items.into_iter().skip(start).take(size).collect(), link)
    }
}

impl Listing<'_> {
    pub(crate) fn tree(&self, path: &str, rev: &str, pages: &Pages<'_>) -> Result<Reply, Refusal> {
        let path = path.trim_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let recursive = flag(pages.query, "recursive");
        let below =
            |other: &str| other.strip_prefix(prefix.as_str()).is_some_and(|rest| recursive || !rest.contains('/'));
        let folders = directories(self.commit.files.keys());
        if !path.is_empty() && !folders.contains(path) {
            let message = format!("{path} does not exist on \"{rev}\"");
            return Err(Refusal::EntryNotFound { commit: self.commit.sha.clone(), message });
        }
        let mut entries: BTreeMap<&str, Option<&FileEntry>> =
            folders.into_iter().filter(|folder| below(folder)).map(|folder| (folder, None)).collect();
        entries
            .extend(self.commit.files.iter().filter(|(name, _)| below(name)).map(|(name, f)| (name.as_str(), Some(f))));
        let (page, link) = pages.cut(entries.into_iter().collect());
        let told = page.into_iter().map(|(path, file)| match file {
            Some(file) => self.file(path, file),
            None => self.folder(path),
        });
        let reply = Reply::json(&told.collect());
        Ok(match link {
            Some(link) => reply.with("link", link),
            None => reply,
        })
    }

    /// Paths that are not there are left out.
    pub(crate) fn paths_info(&self, paths: &[String]) -> Reply {
        let folders = directories(self.commit.files.keys());
        let told = paths.iter().filter_map(|path| {
            let path = path.trim_matches('/');
            let file = self.commit.files.get(path).map(|file| self.file(path, file));
            file.or_else(|| folders.contains(path).then(|| self.folder(path)))
        });
        Reply::json(&told.collect())
    }

    /// The bytes of everything at or below a path.
    pub(crate) fn size(&self, path: &str) -> Reply {
        let path = path.trim_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let counted = self.commit.files.iter().filter(|(name, _)| *name == path || name.starts_with(&prefix));
        let size: u64 = counted.map(|(_, file)| file.content.len()).sum();
        Reply::json(&json!({ "path": format!("/{path}"), "size": size }))
    }

    fn file(&self, path: &str, file: &FileEntry) -> Value {
        let size = file.content.len();
        let mut told = json!({ "type": "file", "oid": file.blob_id(), "size": size, "path": path });
        if file.lfs {
            told["lfs"] = json!({ "oid": file.sha256(), "size": size, "pointerSize": file.pointer().len() });
            if self.repo.meta.xet {
                told["xetHash"] = json!(file.xet_hash());
            }
        }
        if self.expand {
            told["lastCommit"] = last_commit(&file.last_commit);
            let status = self.repo.meta.issues.get(path).map_or("safe", String::as_str);
            let scan = json!({ "status": status, "message": null });
            told["securityFileStatus"] =
                json!({ "status": status, "avScan": scan, "pickleImportScan": null, "jFrogScan": null });
        }
        told
    }

    fn folder(&self, path: &str) -> Value {
        let prefix = format!("{path}/");
        let inside = || self.commit.files.iter().filter(|(name, _)| name.starts_with(&prefix));
        let oid = sha1_of(inside().flat_map(|(name, file)| [name.as_bytes(), file.content.fingerprint()]));
        let mut told = json!({ "type": "directory", "oid": oid, "size": 0, "path": path });
        if self.expand {
            let last = inside().map(|(_, file)| &file.last_commit).max_by(|a, b| a.date.cmp(&b.date));
            told["lastCommit"] = last.map_or(Value::Null, |last| last_commit(last));
        }
        told
    }
}

fn last_commit(commit: &LastCommit) -> Value {
    json!({ "id": commit.id, "title": commit.title, "date": commit.date })
}
