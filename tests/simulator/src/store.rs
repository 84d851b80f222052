//! What the hub holds: repositories, their commits, branches and tags, and the names they once had.
//!
//! A repository is read as a snapshot, so that a request sees one state from its first line to its last.
//! Never speaks HTTP.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha1::{Digest, Sha1};

use crate::content::{Content, hex};
use crate::dates;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Models,
    Datasets,
    Spaces,
}

impl Kind {
    /// As it stands in `/api/{kind}/…`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Datasets => "datasets",
            Self::Spaces => "spaces",
        }
    }

    /// As it stands before the id in download paths.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Models => "",
            Self::Datasets => "datasets/",
            Self::Spaces => "spaces/",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Models, Self::Datasets, Self::Spaces].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Who may download: everybody, everybody who asks, or those the author lets in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gated {
    #[default]
    No,
    Auto,
    Manual,
}

/// Everything about a repository but its commits, as the hub's API tells it.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools, reason = "the hub's own fields, each independent of the others")]
pub(crate) struct Meta {
    pub(crate) internal_id: String,
    pub(crate) private: bool,
    pub(crate) gated: Gated,
    pub(crate) disabled: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) card: Value,
    pub(crate) downloads: u64,
    pub(crate) likes: u64,
    pub(crate) created_at: String,
    pub(crate) library_name: Option<String>,
    pub(crate) pipeline_tag: Option<String>,
    /// Path and level of what the hub's own scanners complain about.
    pub(crate) issues: BTreeMap<String, String>,
    pub(crate) scans_done: bool,
    /// Old repositories keep their LFS files in plain buckets and offer no Xet hash.
    pub(crate) xet: bool,
}

#[derive(Clone)]
pub(crate) struct RepoState {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) deleted: bool,
    pub(crate) meta: Meta,
    /// Full ref name to commit: `refs/heads/main`, `refs/tags/v1.0`, `refs/pr/1`, `refs/convert/parquet`.
    pub(crate) refs: BTreeMap<String, String>,
    pub(crate) commits: HashMap<String, Arc<Commit>>,
}

impl RepoState {
    pub(crate) fn owner(&self) -> Option<&str> {
        self.id.split_once('/').map(|(owner, _)| owner)
    }

    /// `models/acme/tiny`: how faults and counters know the repository.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.id)
    }

    /// A branch, a tag, a full ref, a commit id, or the first seven or more characters of one.
    pub(crate) fn find_commit(&self, rev: &str) -> Option<&Arc<Commit>> {
        let names = [format!("refs/heads/{rev}"), format!("refs/tags/{rev}"), rev.to_owned()];
        if let Some(sha) = names.iter().find_map(|name| self.refs.get(name)) {
            return self.commits.get(sha);
        }
        match rev.len() {
            40 => self.commits.get(rev),
            7..40 => self.commits.values().find(|commit| commit.sha.starts_with(rev)),
            _ => None,
        }
    }
}

pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) parent: Option<String>,
    pub(crate) title: String,
    pub(crate) date: String,
    pub(crate) author: String,
    pub(crate) files: BTreeMap<String, FileEntry>,
}

/// One file of a commit.
#[derive(Clone)]
pub(crate) struct FileEntry {
    pub(crate) content: Content,
    pub(crate) lfs: bool,
    /// A SHA-256 the hub claims instead of the true one.
    pub(crate) claimed_sha256: Option<String>,
    pub(crate) last_commit: Arc<LastCommit>,
}

pub(crate) struct LastCommit {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) date: String,
}

impl FileEntry {
    pub(crate) fn sha256(&self) -> &str {
        self.claimed_sha256.as_deref().unwrap_or_else(|| self.content.sha256())
    }

    /// The text git keeps in place of an LFS file.
    pub(crate) fn pointer(&self) -> String {
        let (oid, size) = (self.sha256(), self.content.len());
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n")
    }

    /// The git blob id: of the pointer for an LFS file, of the file itself otherwise.
    pub(crate) fn blob_id(&self) -> String {
        if self.lfs { Content::from(self.pointer()).git_sha1().to_owned() } else { self.content.git_sha1().to_owned() }
    }

    /// What clients call the file by in their cache.
    pub(crate) fn etag(&self) -> &str {
        if self.lfs { self.sha256() } else { self.content.git_sha1() }
    }

    /// Stands in for the hash the Xet storage would give: 64 hex digits of its own.
    pub(crate) fn xet_hash(&self) -> String {
        Content::from(format!("xet {}", self.sha256())).sha256().to_owned()
    }
}

#[derive(Default)]
pub(crate) struct Store {
    live: HashMap<(Kind, String), Arc<RepoCell>>,
    /// By old name in lower case.
    moved: HashMap<(Kind, String), Arc<RepoCell>>,
    made: u64,
}

/// Where a name leads.
pub(crate) enum Found {
    Here(Arc<RepoState>),
    /// The name is an old one or in the wrong case; this is the canonical one.
    Elsewhere(String),
    Nowhere,
}

impl Store {
    pub(crate) fn find(&self, kind: Kind, id: &str) -> Found {
        if let Some(cell) = self.live.get(&(kind, id.to_owned())) {
            return Found::Here(cell.snapshot());
        }
        let other_case = self.live.iter().find(|((k, name), _)| *k == kind && name.eq_ignore_ascii_case(id));
        let cell = other_case.map(|(_, cell)| cell).or_else(|| self.moved.get(&(kind, id.to_ascii_lowercase())));
        match cell.map(|cell| cell.snapshot()) {
            Some(state) if !state.deleted => Found::Elsewhere(state.id.clone()),
            _ => Found::Nowhere,
        }
    }

    pub(crate) fn cell(&self, kind: Kind, id: &str) -> Option<Arc<RepoCell>> {
        self.live.get(&(kind, id.to_owned())).cloned()
    }

    /// The repository of that name; made empty if there is none.
    pub(crate) fn open(&mut self, kind: Kind, id: &str) -> Arc<RepoCell> {
        if let Some(cell) = self.cell(kind, id) {
            return cell;
        }
        self.made += 1;
        let cell = Arc::new(RepoCell(Mutex::new(Arc::new(new_repo(kind, id, self.made)))));
        self.moved.remove(&(kind, id.to_ascii_lowercase()));
        self.live.insert((kind, id.to_owned()), Arc::clone(&cell));
        cell
    }

    /// False when the new name is taken by another repository.
    pub(crate) fn rename(&mut self, cell: &Arc<RepoCell>, to: &str) -> bool {
        let state = cell.snapshot();
        if state.deleted || self.live.contains_key(&(state.kind, to.to_owned())) {
            return false;
        }
        self.live.remove(&(state.kind, state.id.clone()));
        self.moved.insert((state.kind, state.id.to_ascii_lowercase()), Arc::clone(cell));
        self.moved.remove(&(state.kind, to.to_ascii_lowercase()));
        self.live.insert((state.kind, to.to_owned()), Arc::clone(cell));
        to.clone_into(&mut cell.lock().id);
        true
    }

    pub(crate) fn delete(&mut self, cell: &Arc<RepoCell>) {
        let state = cell.snapshot();
        cell.lock().deleted = true;
        if !state.deleted {
            self.live.remove(&(state.kind, state.id.clone()));
        }
    }

    /// All repositories of a kind, by name.
    pub(crate) fn list(&self, kind: Kind) -> Vec<Arc<RepoState>> {
        let of_kind = self.live.iter().filter(|((k, _), _)| *k == kind);
        let sorted: BTreeMap<&str, Arc<RepoState>> =
            of_kind.map(|((_, id), cell)| (id.as_str(), cell.snapshot())).collect();
        sorted.into_values().collect()
    }
}

/// One repository; the state inside is replaced, never changed under a reader.
pub(crate) struct RepoCell(Mutex<Arc<RepoState>>);

impl RepoCell {
    pub(crate) fn snapshot(&self) -> Arc<RepoState> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn lock(&self) -> Writing<'_> {
        Writing(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Write access; readers keep the snapshot they took.
pub(crate) struct Writing<'a>(MutexGuard<'a, Arc<RepoState>>);

impl std::ops::Deref for Writing<'_> {
    type Target = RepoState;

    fn deref(&self) -> &RepoState {
        &self.0
    }
}

impl std::ops::DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut RepoState {
        Arc::make_mut(&mut self.0)
    }
}

/// The directories above these files, each once.
pub(crate) fn directories<'a>(paths: impl Iterator<Item = &'a String>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    for path in paths {
        for (at, _) in path.match_indices('/') {
            found.insert(&path[..at]);
        }
    }
    found
}

/// SHA-1 over parts, in hex; each part ends where the next begins.
pub(crate) fn sha1_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha1::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

fn new_repo(kind: Kind, id: &str, serial: u64) -> RepoState {
    let digest = sha1_of([kind.as_str().as_bytes(), id.as_bytes(), &serial.to_le_bytes()]);
    let meta = Meta {
        internal_id: digest[..24].to_owned(),
        private: false,
        gated: Gated::No,
        disabled: false,
        tags: Vec::new(),
        card: Value::Null,
        downloads: 0,
        likes: 0,
        created_at: dates::iso(dates::FIRST_COMMIT),
        library_name: None,
        pipeline_tag: None,
        issues: BTreeMap::new(),
        scans_done: true,
        xet: true,
    };
    RepoState { kind, id: id.to_owned(), deleted: false, meta, refs: BTreeMap::new(), commits: HashMap::new() }
}
