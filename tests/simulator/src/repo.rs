//! The handle by which a test fills and changes one repository.
//!
//! Changes are visible to the next request. Never answers a request itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::content::Content;
use crate::dates;
use crate::hub::Handle;
use crate::store::{Commit, FileEntry, Gated, Kind, LastCommit, Meta, RepoCell, sha1_of};

/// One repository of the hub; clones lead to the same one, and a rename does not lose it.
#[derive(Clone)]
pub struct Repo {
    pub(crate) hub: Handle,
    pub(crate) cell: Arc<RepoCell>,
}

impl Repo {
    pub fn kind(&self) -> Kind {
        self.cell.snapshot().kind
    }

    /// The current name.
    pub fn id(&self) -> String {
        self.cell.snapshot().id.clone()
    }

    /// The hub's own id, 24 hex digits: it survives a rename and not a re-registration.
    pub fn internal_id(&self) -> String {
        self.cell.snapshot().meta.internal_id.clone()
    }

    /// The commit a branch, tag or other ref points to.
    pub fn head(&self, rev: &str) -> Option<String> {
        self.cell.snapshot().find_commit(rev).map(|commit| commit.sha.clone())
    }

    pub fn private(&self, private: bool) -> &Self {
        self.set(|meta| meta.private = private)
    }

    pub fn gated(&self, gated: Gated) -> &Self {
        self.set(|meta| meta.gated = gated)
    }

    pub fn disabled(&self, disabled: bool) -> &Self {
        self.set(|meta| meta.disabled = disabled)
    }

    pub fn tags(&self, tags: impl IntoIterator<Item = impl Into<String>>) -> &Self {
        self.set(|meta| meta.tags = tags.into_iter().map(Into::into).collect())
    }

    /// The front matter of the model card, as the API tells it.
    pub fn card(&self, card: Value) -> &Self {
        self.set(|meta| meta.card = card)
    }

    pub fn popularity(&self, downloads: u64, likes: u64) -> &Self {
        self.set(|meta| (meta.downloads, meta.likes) = (downloads, likes))
    }

    pub fn created_at(&self, date: impl Into<String>) -> &Self {
        self.set(|meta| meta.created_at = date.into())
    }

    pub fn library_name(&self, name: impl Into<String>) -> &Self {
        self.set(|meta| meta.library_name = Some(name.into()))
    }

    pub fn pipeline_tag(&self, tag: impl Into<String>) -> &Self {
        self.set(|meta| meta.pipeline_tag = Some(tag.into()))
    }

    /// Offer no Xet hashes, like repositories older than that storage.
    pub fn without_xet(&self) -> &Self {
        self.set(|meta| meta.xet = false)
    }

    /// Whether the hub's own scanners are through.
    pub fn scans_done(&self, done: bool) -> &Self {
        self.set(|meta| meta.scans_done = done)
    }

    /// What the hub's own scanners say of a file: `suspicious`, `unsafe`.
    pub fn security_issue(&self, path: impl Into<String>, level: impl Into<String>) -> &Self {
        self.set(|meta| drop(meta.issues.insert(path.into(), level.into())))
    }

    /// A commit to be; nothing happens until `push`.
    pub fn commit(&self, title: impl Into<String>) -> Push {
        Push { repo: self.clone(), branch: "main".into(), title: title.into(), ..Push::new(self) }
    }

    /// One commit of one file on main; returns the commit id.
    pub fn push_file(&self, path: &str, content: impl Into<Content>) -> String {
        self.commit(format!("Upload {path}")).file(path, content).push()
    }

    /// Make or move a branch.
    pub fn branch(&self, name: &str, sha: &str) -> &Self {
        self.set_ref(&format!("refs/heads/{name}"), sha)
    }

    pub fn tag(&self, name: &str, sha: &str) -> &Self {
        self.set_ref(&format!("refs/tags/{name}"), sha)
    }

    pub fn pull_request(&self, number: u64, sha: &str) -> &Self {
        self.set_ref(&format!("refs/pr/{number}"), sha)
    }

    pub fn convert(&self, name: &str, sha: &str) -> &Self {
        self.set_ref(&format!("refs/convert/{name}"), sha)
    }

    /// Point a full ref name (`refs/…`) at a commit.
    pub fn set_ref(&self, full_name: &str, sha: &str) -> &Self {
        self.cell.lock().refs.insert(full_name.to_owned(), sha.to_owned());
        self
    }

    pub fn delete_ref(&self, full_name: &str) -> &Self {
        self.cell.lock().refs.remove(full_name);
        self
    }

    /// Move to another name of the same kind; the old one redirects. False when the name is taken.
    pub fn rename(&self, to: &str) -> bool {
        self.hub.store().rename(&self.cell, to)
    }

    pub fn delete(&self) {
        self.hub.store().delete(&self.cell);
    }

    /// Somebody else takes the name: the repository is deleted, and an empty one with another `_id` stands there.
    pub fn reregister(&self) -> Self {
        let state = self.cell.snapshot();
        self.delete();
        self.hub.repo(state.kind, &state.id)
    }

    fn set(&self, change: impl FnOnce(&mut Meta)) -> &Self {
        change(&mut self.cell.lock().meta);
        self
    }
}

/// A commit being put together.
pub struct Push {
    repo: Repo,
    branch: String,
    title: String,
    author: String,
    date: Option<String>,
    sha: Option<String>,
    changes: BTreeMap<String, Option<Draft>>,
}

/// A file before its commit has a name.
struct Draft {
    content: Content,
    lfs: bool,
    claimed_sha256: Option<String>,
}

impl Push {
    fn new(repo: &Repo) -> Self {
        Self {
            repo: repo.clone(),
            branch: String::new(),
            title: String::new(),
            author: repo.cell.snapshot().owner().unwrap_or("hub").to_owned(),
            date: None,
            sha: None,
            changes: BTreeMap::new(),
        }
    }

    /// A file, in LFS when the hub would put it there: weights by their name, and whatever is over 10 MiB.
    pub fn file(self, path: impl Into<String>, content: impl Into<Content>) -> Self {
        let (path, content) = (path.into(), content.into());
        let lfs = content.len() > PLAIN_LIMIT || LFS_NAMES.iter().any(|suffix| path.ends_with(suffix));
        self.put(path, Draft { content, lfs, claimed_sha256: None })
    }

    /// A file kept in git itself, whatever its name and size.
    pub fn plain(self, path: impl Into<String>, content: impl Into<Content>) -> Self {
        self.put(path.into(), Draft { content: content.into(), lfs: false, claimed_sha256: None })
    }

    /// A file kept in LFS, whatever its name and size.
    pub fn lfs(self, path: impl Into<String>, content: impl Into<Content>) -> Self {
        self.put(path.into(), Draft { content: content.into(), lfs: true, claimed_sha256: None })
    }

    /// An LFS file of which the hub claims another SHA-256 than the true one.
    pub fn lfs_claiming(self, path: impl Into<String>, content: impl Into<Content>, sha256: &str) -> Self {
        self.put(path.into(), Draft { content: content.into(), lfs: true, claimed_sha256: Some(sha256.into()) })
    }

    pub fn remove(mut self, path: impl Into<String>) -> Self {
        self.changes.insert(path.into(), None);
        self
    }

    /// The branch to push to; made from main if it is not there. A full `refs/…` name goes as it is.
    pub fn on(mut self, branch: impl Into<String>) -> Self {
        self.branch = branch.into();
        self
    }

    pub fn author(mut self, author: impl Into<String>) -> Self {
        self.author = author.into();
        self
    }

    /// Like `2026-01-01T00:00:00.000Z`.
    pub fn date(mut self, date: impl Into<String>) -> Self {
        self.date = Some(date.into());
        self
    }

    /// A commit id to use instead of the derived one; 40 hex digits.
    pub fn sha(mut self, sha: impl Into<String>) -> Self {
        self.sha = Some(sha.into());
        self
    }

    /// Adds the commit to its branch and returns its id.
    pub fn push(self) -> String {
        let Self { repo, branch, title, author, date, sha, changes } = self;
        let mut state = repo.cell.lock();
        let full_ref = if branch.starts_with("refs/") { branch } else { format!("refs/heads/{branch}") };
        let parent = state.find_commit(&full_ref).or_else(|| state.find_commit("main")).cloned();
        let nth = state.commits.len() as u64;
        let date = date.unwrap_or_else(|| dates::iso(dates::FIRST_COMMIT + 60 * nth));
        let sha = sha.unwrap_or_else(|| {
            let mut parts: Vec<&[u8]> = vec![state.meta.internal_id.as_bytes(), title.as_bytes(), date.as_bytes()];
            parts.extend(parent.iter().map(|parent| parent.sha.as_bytes()));
            for (path, draft) in &changes {
                parts.push(path.as_bytes());
                parts.extend(draft.iter().map(|draft| draft.content.fingerprint()));
            }
            let nth = nth.to_le_bytes();
            parts.push(&nth);
            sha1_of(parts)
        });
        let last_commit = Arc::new(LastCommit { id: sha.clone(), title: title.clone(), date: date.clone() });
        let mut files = parent.as_ref().map(|parent| parent.files.clone()).unwrap_or_default();
        for (path, draft) in changes {
            match draft {
                Some(Draft { content, lfs, claimed_sha256 }) => {
                    let last_commit = Arc::clone(&last_commit);
                    files.insert(path, FileEntry { content, lfs, claimed_sha256, last_commit });
                }
                None => drop(files.remove(&path)),
            }
        }
        // A commit that is pushed again under its own name takes its old place: a history must not lead into itself.
        let parent = match parent {
            Some(old) if old.sha == sha => old.parent.clone(),
            parent => parent.map(|parent| parent.sha.clone()),
        };
        let commit = Commit { sha: sha.clone(), parent, title, date, author, files };
        state.commits.insert(sha.clone(), Arc::new(commit));
        state.refs.insert(full_ref, sha.clone());
        sha
    }

    fn put(mut self, path: String, draft: Draft) -> Self {
        self.changes.insert(path, Some(draft));
        self
    }
}

const PLAIN_LIMIT: u64 = 10 << 20;

const LFS_NAMES: [&str; 23] = [
    ".safetensors",
    ".bin",
    ".gguf",
    ".pt",
    ".pth",
    ".ckpt",
    ".onnx",
    ".h5",
    ".msgpack",
    ".pkl",
    ".pickle",
    ".joblib",
    ".npy",
    ".npz",
    ".parquet",
    ".arrow",
    ".zip",
    ".tar",
    ".gz",
    ".7z",
    ".model",
    ".tflite",
    ".ot",
];
