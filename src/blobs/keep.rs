//! Copies of the ranges that the scanner judged, so that exactly these bytes can be sent while the rest is fetched.
//!
//! Under the hash of their bytes, on the local disk, and no more than a bound: the oldest go first. They are only ever a
//! shortcut: a copy that is missing or wrong means that the whole file is verified first. Never a blob, and never asked
//! for by a name from outside.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    ops::Range,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::domain::{digest::Sha256, refusal::Fault};

use super::{
    Blobs,
    disk::{hash_file, make_private, remove_if_there},
    hash::Hasher,
    trouble::{blocking, io_fault},
};

/// A range that was read over the network, by its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub start: u64,
    pub end: u64,
    pub sha256: String,
    /// Only numbers were compared in it: the stored file is held against it too, and its verdict does not rest on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compared: bool,
}

impl Kept {
    pub fn of(start: u64, bytes: &Bytes) -> Self {
        Self { start, end: start + bytes.len() as u64, sha256: hash(bytes).to_string(), compared: false }
    }

    /// Whether these bytes, read from elsewhere, are the same.
    pub fn agrees(&self, bytes: &Bytes) -> bool {
        hash(bytes).to_string() == self.sha256
    }
}

fn hash(bytes: &[u8]) -> Sha256 {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Sha256(sum)
}

/// The copies of one file's judged ranges, open and compared with their hashes.
#[derive(Debug)]
pub struct Copies(Vec<(Range<u64>, Arc<File>)>);

impl Copies {
    /// The copy that holds this place: where it ends in the file, itself, and where it begins.
    pub(super) fn at(&self, place: u64) -> Option<(u64, (Arc<File>, u64))> {
        let (range, file) = self.0.iter().find(|(range, _)| range.contains(&place))?;
        Some((range.end, (Arc::clone(file), range.start)))
    }

    /// Where the next copy begins, for a place that none holds.
    pub(super) fn next_after(&self, place: u64) -> u64 {
        self.0.iter().map(|(range, _)| range.start).filter(|start| *start > place).min().unwrap_or(u64::MAX)
    }
}

/// What is kept and what of it is open.
#[derive(Default)]
pub(super) struct Keeping {
    /// How much is kept, once somebody has counted.
    total: Mutex<Option<u64>>,
    open: Opened,
}

/// The copies that somebody holds, by what they are copies of: of all who wait for one file, one opens and hashes them.
#[derive(Default)]
struct Opened(Mutex<HashMap<Sha256, Arc<Place>>>);

/// Held while they are opened.
type Place = tokio::sync::Mutex<Weak<Copies>>;

impl Opened {
    fn at(&self, of: Sha256) -> Arc<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SWEPT_AT && !all.contains_key(&of) {
            // One that somebody is about to use has two holders, one that is in use has copies that live.
            all.retain(|_, place| {
                let unused = place.try_lock().is_ok_and(|copies| copies.strong_count() == 0);
                Arc::strong_count(place) > 1 || !unused
            });
        }
        Arc::clone(all.entry(of).or_default())
    }
}

impl Blobs {
    /// Keeps a copy of a judged range. A disk that will not have it is no failure: then the file is verified first.
    pub async fn keep(&self, kept: &Kept, bytes: Bytes) {
        let Ok(sha256) = kept.sha256.parse::<Sha256>() else { return };
        let inner = Arc::clone(&self.0);
        let saved = blocking("keeping a copy of a judged range", move || {
            let folder = folder(&inner.spools);
            make_private(&folder)?;
            save(&folder, sha256, &bytes, &inner.keeping, MOST)
                .map_err(|e| io_fault("keeping a copy of a judged range", e))
        });
        if let Err(fault) = saved.await {
            tracing::warn!(%fault, "no copy of a judged range is kept, so its file is verified before it is sent");
        }
    }

    /// The copies of all these ranges that were judged; `None` when one is missing or is not what it was.
    pub async fn copies(&self, kept: &[Kept]) -> Result<Option<Arc<Copies>>, Fault> {
        let kept: Vec<Kept> = kept.iter().filter(|one| !one.compared).cloned().collect();
        if kept.is_empty() || kept.len() > MOST_RANGES {
            return Ok(None);
        }
        let folder = folder(&self.0.spools);
        let place = self.0.keeping.open.at(name(&kept));
        let mut copies = place.lock().await;
        if let Some(open) = copies.upgrade() {
            return Ok(Some(open));
        }
        let opened = blocking("opening copies of judged ranges", move || {
            let opened: Option<Vec<_>> = kept.iter().map(|one| open(&folder, one)).collect();
            Ok(opened.map(|copies| Arc::new(Copies(copies))))
        });
        let opened = opened.await?;
        *copies = opened.as_ref().map(Arc::downgrade).unwrap_or_default();
        Ok(opened)
    }
}

/// One name for all these ranges with their places.
fn name(kept: &[Kept]) -> Sha256 {
    hash(
        kept.iter()
            .fold(String::new(), |all, one| format!("{all}{} {} {}\n", one.start, one.end, one.sha256))
            .as_bytes(),
    )
}

fn folder(spools: &Path) -> PathBuf {
    spools.join("kept")
}

fn open(folder: &Path, one: &Kept) -> Option<(Range<u64>, Arc<File>)> {
    let sha256 = one.sha256.parse::<Sha256>().ok()?;
    let file = File::open(folder.join(sha256.to_string())).ok()?;
    let mut hasher = Hasher::new(None);
    let len = hash_file(&file, &mut hasher).ok()?;
    let same = hasher.finish().sha256 == sha256 && one.start.checked_add(len) == Some(one.end);
    same.then(|| (one.start..one.end, Arc::new(file)))
}

fn save(folder: &Path, sha256: Sha256, bytes: &[u8], keeping: &Keeping, most: u64) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let path = folder.join(sha256.to_string());
    if path.exists() {
        return Ok(());
    }
    let new = folder.join(format!("{sha256}.{}.new", NEXT.fetch_add(1, Ordering::Relaxed)));
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    let written = written.and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        remove_if_there(&new)?;
        return written;
    }
    let mut total = keeping.total.lock().unwrap_or_else(PoisonError::into_inner);
    let now = match *total {
        Some(before) => before + bytes.len() as u64,
        None => list(folder)?.iter().map(|(_, size, _)| size).sum(),
    };
    *total = Some(if now > most { thin(folder, most / 4 * 3)? } else { now });
    Ok(())
}

/// Removes the oldest until no more than this is left, and says how much is.
fn thin(folder: &Path, most: u64) -> io::Result<u64> {
    let mut all = list(folder)?;
    all.sort();
    let mut left: u64 = all.iter().map(|(_, size, _)| size).sum();
    for (_, size, path) in all {
        if left <= most {
            break;
        }
        remove_if_there(&path)?;
        left -= size;
    }
    Ok(left)
}

fn list(folder: &Path) -> io::Result<Vec<(SystemTime, u64, PathBuf)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // One that vanished meanwhile counts for nothing.
        if let Ok(meta) = entry.metadata() {
            all.push((meta.modified()?, meta.len(), entry.path()));
        }
    }
    Ok(all)
}

/// What all copies together may take of the disk.
const MOST: u64 = 1 << 30;
/// Names of copies that nobody holds are forgotten when there are so many.
const SWEPT_AT: usize = 256;
/// A file of which more pieces were judged is verified first.
const MOST_RANGES: usize = 512;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_oldest_copies_go_when_there_are_too_many() {
        let folder = std::env::temp_dir().join(format!("weighbridge-kept-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let keeping = Keeping::default();
        let bytes = |n: u8| vec![n; 1000];
        for n in 0..20 {
            save(&folder, hash(&bytes(n)), &bytes(n), &keeping, 8000).unwrap();
        }
        let left = list(&folder).unwrap();
        assert!((6..=8).contains(&left.len()), "{}", left.len());
        assert!(folder.join(hash(&bytes(19)).to_string()).exists(), "the newest stays");
        fs::remove_dir_all(folder).unwrap();
    }
}
