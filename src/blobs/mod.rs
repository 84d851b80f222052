//! The blob store: bytes under the name of their sha256, on a local disk or in an S3 bucket.
//!
//! A fetch fills a `Spool` on the local disk; only when its bytes hash to what was expected do they get a name. What
//! is stored carries a `Seal`, and a read that finds another seal than the recorded one refuses. Never decides who may
//! read, never asks the database, and never makes a path out of anything but a hash.

mod bucket;
mod disk;
mod filling;
mod hash;
mod keep;
mod open;
mod pool;
mod read;
mod seal;
mod spool;
mod trouble;

#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::domain::{digest::Sha256, refusal::Fault};

use self::{
    bucket::Bucket, disk::Disk, filling::Offers, hash::Hasher, keep::Keeping, open::OpenBlobs, pool::Pool,
    trouble::blocking,
};
pub use self::{
    filling::{Fetched, Filling, HELD_BACK, Offer},
    keep::{Copies, Kept},
    read::BlobReader,
    seal::Seal,
    spool::{Expected, Spool, Stored},
    trouble::{ReadTrouble, SpoolTrouble},
};

/// The store that the configuration names. Cheap to clone.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

struct Inner {
    store: Store,
    /// Half-fetched files, on the local disk whatever the store is.
    spools: PathBuf,
    pool: Arc<Pool>,
    open: OpenBlobs,
    offers: Offers,
    keeping: Keeping,
}

/// How much more fits on the local disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    pub bytes: u64,
    /// Whether the blobs lie there too.
    pub of_blobs: bool,
}

/// What reading a whole blob has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rehash {
    /// Its bytes have the hash it is named after; as it is sealed now.
    Intact(Seal),
    /// They have another one, and nobody wrote to it meanwhile.
    Different,
    /// It is not there, or somebody touched it while it was read: nothing is known of its bytes.
    Unsure,
}

impl Rehash {
    pub fn intact(self) -> Option<Seal> {
        match self {
            Self::Intact(seal) => Some(seal),
            Self::Different | Self::Unsure => None,
        }
    }
}

enum Store {
    Disk(Disk),
    Bucket(Bucket),
}

impl Blobs {
    /// `file://<folder>` (taken as it is written, relative or not) or `s3://bucket/prefix?endpoint=…&region=…`, with
    /// credentials from the environment. Fails when the store cannot be written: better now than at the first fetch.
    pub async fn open(url: &str, data_dir: &Path) -> Result<Self, Fault> {
        let spools = data_dir.join("spool");
        let folder = spools.clone();
        blocking("making the spool folder", move || disk::make_private(&folder)).await?;
        let (store, spools) = if let Some(root) = url.strip_prefix("file://").filter(|root| !root.is_empty()) {
            let root = PathBuf::from(root);
            let (disk, spools) = blocking("opening the blob folder", move || Disk::open(root, spools)).await?;
            (Store::Disk(disk), spools)
        } else if url.starts_with("s3://") {
            (Store::Bucket(Bucket::open(url).await?), spools)
        } else {
            return Err(Fault::new(
                "opening the blob store: its url must be file://<folder> or s3://<bucket>/<prefix>",
            ));
        };
        let (offers, keeping, open) = (Offers::default(), Keeping::default(), OpenBlobs::default());
        Ok(Self(Arc::new(Inner { store, spools, pool: Arc::default(), offers, keeping, open })))
    }

    /// Opens the spool of this fetch, or takes up what an earlier one left: what is there is hashed again and
    /// `Spool::len` says where to go on. One holder at a time, over all processes; a second gets a passing fault.
    pub async fn spool(&self, key: &str, expected: Expected) -> Result<Spool, Fault> {
        Spool::open(self.clone(), spool::path(&self.0.spools, key), expected, self.0.offers.find(key)).await
    }

    /// How much of this fetch lies in its spool on our disk, whether somebody goes on with it or not.
    pub async fn spooled(&self, key: &str) -> Result<u64, Fault> {
        let path = spool::path(&self.0.spools, key);
        blocking("looking at a spool", move || spool::length(&path)).await
    }

    /// Bytes that may still be written where files arrive.
    pub async fn room(&self) -> Result<u64, Fault> {
        let folder = self.0.spools.clone();
        blocking("asking how much room the disk has", move || {
            let doing = || format!("asking how much room {} has", folder.display());
            let told = rustix::fs::statvfs(&folder).map_err(|e| Fault::because(doing(), std::io::Error::from(e)))?;
            Ok(told.f_bavail.saturating_mul(told.f_frsize))
        })
        .await
    }

    /// What is stored now, `None` when absent. Says nothing about the bytes: that is `rehash`.
    pub async fn seal(&self, sha: Sha256) -> Result<Option<Seal>, Fault> {
        match &self.0.store {
            Store::Disk(disk) => {
                let disk = disk.clone();
                blocking("looking at a blob", move || disk.seal(sha)).await
            }
            Store::Bucket(bucket) => bucket.seal(sha).await,
        }
    }

    /// The bytes `start..end` (end exclusive) of the blob that was sealed as `seal`, and of no other.
    pub async fn read(&self, sha: Sha256, seal: &Seal, start: u64, end: u64) -> Result<BlobReader, ReadTrouble> {
        if start > end || end > seal.size() {
            return Err(Fault::new(format!("reading {start}..{end} of a blob of {} bytes", seal.size())).into());
        }
        let opened = self.0.open.begin(sha);
        let reader = match &self.0.store {
            Store::Disk(disk) => BlobReader::disk(disk, sha, seal, start..end, Arc::clone(&self.0.pool)).await,
            Store::Bucket(bucket) => BlobReader::bucket(bucket, sha, seal, start..end).await,
        };
        reader.map(|reader| reader.counted(opened))
    }

    /// The blobs that somebody in this process reads now.
    pub fn open_now(&self) -> Vec<Sha256> {
        self.0.open.list()
    }

    /// What is free on the local disk that fetches fill, and whether removing blobs frees more of it.
    pub async fn free(&self) -> Result<Free, Fault> {
        let (spools, of_blobs) = (self.0.spools.clone(), matches!(self.0.store, Store::Disk(_)));
        let folder = match &self.0.store {
            Store::Disk(disk) => disk.root().to_owned(),
            Store::Bucket(_) => spools,
        };
        blocking("looking how full the disk is", move || {
            let free = rustix::fs::statvfs(&folder)
                .map_err(|e| Fault::because(format!("looking how full the disk of {} is", folder.display()), e))?;
            Ok(Free { bytes: free.f_bavail.saturating_mul(free.f_frsize), of_blobs })
        })
        .await
    }

    /// Reads the whole blob. An answer about its bytes only when nothing touched it meanwhile.
    pub async fn rehash(&self, sha: Sha256) -> Result<Rehash, Fault> {
        let Some(seal) = self.seal(sha).await? else { return Ok(Rehash::Unsure) };
        let mut reader = match self.read(sha, &seal, 0, seal.size()).await {
            Ok(reader) => reader,
            Err(ReadTrouble::Absent | ReadTrouble::Changed) => return Ok(Rehash::Unsure),
            Err(ReadTrouble::Fault(fault)) => return Err(fault),
        };
        let mut hasher = Hasher::new(None);
        while let Some(chunk) = reader.next().await {
            let chunk = chunk?;
            hasher = blocking("hashing a blob", move || {
                hasher.update(&chunk);
                Ok(hasher)
            })
            .await?;
        }
        let same = hasher.finish().sha256 == sha;
        Ok(match self.seal(sha).await? {
            Some(now) if now == seal && same => Rehash::Intact(seal),
            Some(now) if now == seal => Rehash::Different,
            _ => Rehash::Unsure,
        })
    }

    /// Takes the name away. What was absent already is no fault; streams that have begun may end.
    pub async fn remove(&self, sha: Sha256) -> Result<(), Fault> {
        match &self.0.store {
            Store::Disk(disk) => {
                let disk = disk.clone();
                blocking("removing a blob", move || disk.remove(sha)).await
            }
            Store::Bucket(bucket) => bucket.remove(sha).await,
        }
    }

    /// Removes the spools of fetches that ended or were given up, and says how many. Those in `keep`, those written to
    /// since, and those somebody holds stay.
    pub async fn sweep_spools(&self, older_than: Duration, keep: &[String]) -> Result<usize, Fault> {
        let spools = self.0.spools.clone();
        let keep: HashSet<PathBuf> = keep.iter().map(|key| spool::path(&spools, key)).collect();
        blocking("sweeping spools", move || spool::sweep(&spools, older_than, &keep)).await
    }
}
