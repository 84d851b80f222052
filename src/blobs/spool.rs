//! A spool: the bytes of one fetch on the local disk, hashed as they arrive, until they have a name.
//!
//! It is local for both kinds of store: the state of a half-done sha256 cannot be kept in the parts of an upload, so a
//! resumed fetch must read again what it has. Bytes are written in order, so whatever a crash leaves is a start of the
//! file. Never gives a name to bytes that are not exactly what was expected, and never keeps more than was expected.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, ErrorKind, IoSlice, Seek, SeekFrom, Write},
    mem,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::task::JoinHandle;

use crate::domain::{
    digest::{GitId, Sha256},
    refusal::Fault,
};

use super::{
    Blobs, Store,
    disk::{hash_file, remove_if_there},
    filling::{Fill, Offered},
    hash::{Hasher, Hashes},
    seal::Seal,
    trouble::{SpoolTrouble, blocking, io_fault},
};

/// What the source promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub size: u64,
    /// Of the file itself, or of its pointer when `lfs` is there.
    pub git: GitId,
    pub lfs: Option<Sha256>,
}

/// A blob that has its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub sha256: Sha256,
    pub size: u64,
    pub seal: Seal,
}

/// Holds the lock of its file as long as it lives. Dropping it keeps what has been written, for the next holder.
pub struct Spool {
    blobs: Blobs,
    path: PathBuf,
    file: Arc<File>,
    expected: Expected,
    work: Work,
    batch: Vec<Bytes>,
    batch_len: usize,
    len: u64,
    excess: bool,
    resumed: bool,
    /// Whoever reads along.
    fill: Fill,
    handed: Instant,
    back: WriteBack,
}

enum Work {
    Idle(Hasher),
    /// A batch is being written and hashed.
    Busy(BoxFuture<'static, Result<Hasher, Fault>>),
    /// A write failed: what the file holds now is known only by reading it.
    Lost,
}

impl Spool {
    pub(super) async fn open(
        blobs: Blobs,
        path: PathBuf,
        expected: Expected,
        offered: Option<Arc<Offered>>,
    ) -> Result<Self, Fault> {
        let file = lock(&path).await?;
        let (size, git_size) = (expected.size, expected.git_size());
        let (file, hasher, len) = blocking("taking up a spool", move || {
            let doing = |e| io_fault("taking up a spool", e);
            if file.metadata().map_err(doing)?.len() > size {
                file.set_len(0).map_err(doing)?;
            }
            let mut hasher = Hasher::new(git_size);
            let len = hash_file(&file, &mut hasher).map_err(doing)?;
            (&file).seek(SeekFrom::Start(len)).map_err(doing)?;
            Ok((Arc::new(file), hasher, len))
        })
        .await?;
        let work = Work::Idle(hasher);
        let resumed = len > 0;
        let readers = Fill::of(offered.and_then(|offered| offered.begin(&path, len)));
        Ok(Self {
            blobs,
            path,
            file,
            expected,
            work,
            batch: vec![],
            batch_len: 0,
            len,
            excess: false,
            resumed,
            fill: readers,
            handed: Instant::now(),
            back: WriteBack { from: len, under_way: None },
        })
    }

    /// How much of the file is here: where a resumed fetch goes on.
    #[allow(clippy::len_without_is_empty, reason = "a position in the file, not a collection")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Takes the next bytes. Returns while the batch before is still being written, so a fault may come one call late.
    /// What goes past the expected size is not kept; `finish` says so.
    pub async fn append(&mut self, bytes: Bytes) -> Result<(), Fault> {
        if self.excess || bytes.is_empty() {
            return Ok(());
        }
        if bytes.len() as u64 > self.expected.size.saturating_sub(self.len) {
            self.excess = true;
            return Ok(());
        }
        self.len += bytes.len() as u64;
        self.batch_len += bytes.len();
        self.batch.push(bytes);
        if self.batch_len >= BATCH || self.is_due() { self.hand_over().await } else { Ok(()) }
    }

    /// Everything taken so far is in the file: for a fetch that breaks off and may be resumed by somebody else.
    pub async fn flush(&mut self) -> Result<(), Fault> {
        self.hand_over().await?;
        self.settle().await
    }

    /// The source has this file, as far as it says: where the fetch is offered, others may now read along. True when
    /// they could not before.
    pub fn let_read(&self) -> bool {
        self.fill.open()
    }

    /// When what has been taken should reach those who read along: `None` when all of it does.
    pub fn due(&self) -> Option<Duration> {
        (!self.batch.is_empty()).then(|| LONGEST.saturating_sub(self.handed.elapsed()))
    }

    fn is_due(&self) -> bool {
        self.due() == Some(Duration::ZERO)
    }

    /// Forgets everything: the source cannot resume, or sent something else than before.
    pub async fn restart(&mut self) -> Result<(), Fault> {
        // What a batch under way comes to does not matter any more, but it must not write after us.
        let _ = self.settle().await;
        // Before the first byte changes: what somebody reads from here on must not be taken for the old bytes.
        self.fill = Fill::of(None);
        self.work = Work::Lost;
        let file = Arc::clone(&self.file);
        blocking("restarting a spool", move || {
            file.set_len(0).and_then(|()| (&*file).rewind()).map_err(|e| io_fault("restarting a spool", e))
        })
        .await?;
        self.work = Work::Idle(Hasher::new(self.expected.git_size()));
        (self.batch, self.batch_len) = (vec![], 0);
        (self.len, self.excess, self.resumed, self.back.from) = (0, false, false, 0);
        Ok(())
    }

    /// Gives the bytes their name, when they are exactly what was expected.
    pub async fn finish(mut self) -> Result<Stored, SpoolTrouble> {
        self.flush().await?;
        let Work::Idle(hasher) = mem::replace(&mut self.work, Work::Lost) else { return Err(lost().into()) };
        let is = hasher.finish();
        if let Some(what) = self.mismatch(&is) {
            let path = self.path.clone();
            blocking("removing a wrong spool", move || {
                remove_if_there(&path).map_err(|e| io_fault("removing a wrong spool", e))
            })
            .await?;
            // Bytes from before a crash may be wrong because our own disk lost them: a file grows before its bytes
            // are safe. The source is accused only of bytes that were fetched in one go.
            return Err(if self.resumed {
                Fault::because("finishing a resumed spool, which starts over", io::Error::other(what)).passing().into()
            } else {
                SpoolTrouble::Mismatch { what }
            });
        }
        let (sha256, size) = (is.sha256, self.len);
        let mut fill = mem::replace(&mut self.fill, Fill::of(None));
        self.back.end().await?;
        let seal = self.place(sha256).await?;
        fill.whole();
        Ok(Stored { sha256, size, seal })
    }

    async fn place(self, sha: Sha256) -> Result<Seal, Fault> {
        let (file, path) = (self.file, self.path);
        match &self.blobs.0.store {
            Store::Disk(disk) => {
                let disk = disk.clone();
                blocking("naming a blob", move || disk.place(&file, &path, sha)).await
            }
            Store::Bucket(bucket) => {
                let seal = match self.blobs.rehash(sha).await?.intact() {
                    Some(seal) => seal,
                    None => bucket.upload(sha, file, self.len).await?,
                };
                // No fsync before: the spool only has to outlive a failed upload, not a lost disk.
                blocking("removing an uploaded spool", move || {
                    remove_if_there(&path).map_err(|e| io_fault("removing an uploaded spool", e))
                })
                .await?;
                Ok(seal)
            }
        }
    }

    fn mismatch(&self, is: &Hashes) -> Option<String> {
        let Expected { size, git, lfs } = &self.expected;
        if self.excess {
            return Some(format!("more than the {size} bytes that were promised"));
        }
        if self.len != *size {
            return Some(format!("{} bytes where {size} were promised", self.len));
        }
        match (lfs, is.git) {
            (Some(lfs), _) if *lfs == is.sha256 => None,
            (Some(lfs), _) => Some(format!("sha256 {} where {lfs} was promised", is.sha256)),
            (None, Some(id)) if id == *git => None,
            (None, Some(id)) => Some(format!("git id {id} where {git} was promised")),
            (None, None) => Some("a file whose git id was not taken".to_owned()),
        }
    }

    async fn hand_over(&mut self) -> Result<(), Fault> {
        self.settle().await?;
        if self.batch.is_empty() {
            return Ok(());
        }
        let Work::Idle(mut hasher) = mem::replace(&mut self.work, Work::Lost) else { return Err(lost()) };
        let (file, batch) = (Arc::clone(&self.file), mem::take(&mut self.batch));
        (self.batch_len, self.handed) = (0, Instant::now());
        let (filling, written) = (self.fill.filling(), self.len);
        if matches!(self.blobs.0.store, Store::Disk(_)) {
            self.back.go_on(&self.file, &self.path, self.len).await?;
        }
        // Side by side, since each takes about as long as the other.
        let same = batch.clone();
        let writing = blocking("writing a spool", move || {
            write_all(&file, &same).map_err(|e| io_fault("writing a spool", e))?;
            if let Some(filling) = filling {
                filling.advance(written);
            }
            Ok(())
        });
        let hashing = blocking("hashing a spool", move || {
            for bytes in batch {
                hasher.update(&bytes);
            }
            Ok(hasher)
        });
        let both = async move {
            let (written, state) = tokio::join!(writing, hashing);
            written.and(state)
        };
        self.work = Work::Busy(both.boxed());
        Ok(())
    }

    /// Waits for the batch under way. May be dropped while it waits: the batch goes on and is found here again.
    async fn settle(&mut self) -> Result<(), Fault> {
        let done = match &mut self.work {
            Work::Idle(_) => return Ok(()),
            Work::Lost => return Err(lost()),
            Work::Busy(job) => job.await,
        };
        self.work = Work::Lost;
        self.work = Work::Idle(done?);
        Ok(())
    }
}

/// Asks the disk for what has been written so far, while more comes: the last fsync then finds little left to do.
struct WriteBack {
    from: u64,
    under_way: Option<JoinHandle<io::Result<()>>>,
}

impl WriteBack {
    /// `written` is what the file will soon hold; what is not there yet is the next one's.
    async fn go_on(&mut self, file: &Arc<File>, path: &Path, written: u64) -> Result<(), Fault> {
        if written < self.from + STRETCH || self.under_way.as_ref().is_some_and(|job| !job.is_finished()) {
            return Ok(());
        }
        self.end().await?;
        self.from = written;
        let (file, path) = (Arc::clone(file), path.to_owned());
        self.under_way = Some(tokio::task::spawn_blocking(move || {
            // After a failed fsync only fetching again helps, also for whoever comes after us.
            file.sync_data().inspect_err(|_| drop(remove_if_there(&path)))
        }));
        Ok(())
    }

    /// The kernel tells of a failed fsync once, so nobody may miss it.
    async fn end(&mut self) -> Result<(), Fault> {
        let Some(job) = &mut self.under_way else { return Ok(()) };
        let ended = job.await;
        self.under_way = None;
        let doing = "writing a spool to the disk";
        ended.map_err(|e| Fault::because(doing, e).passing())?.map_err(|e| io_fault(doing, e).passing())
    }
}

impl Expected {
    /// The git id of an LFS file is that of its pointer, so it is not taken.
    fn git_size(&self) -> Option<u64> {
        self.lfs.is_none().then_some(self.size)
    }
}

/// Where a fetch spools: its key may be anything, so only the hash of it becomes a path.
pub(super) fn path(spools: &Path, key: &str) -> PathBuf {
    let mut name = [0; 32];
    name.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    spools.join(Sha256(name).to_string())
}

/// How much of it is on the disk; nothing when there is no such spool.
pub(super) fn length(path: &Path) -> Result<u64, Fault> {
    match fs::metadata(path) {
        Ok(meta) => Ok(meta.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(io_fault("looking at a spool", error)),
    }
}

pub(super) fn sweep(spools: &Path, older_than: Duration, keep: &HashSet<PathBuf>) -> Result<usize, Fault> {
    let doing = |e| io_fault("sweeping spools", e);
    let mut swept = 0;
    for entry in fs::read_dir(spools).map_err(doing)? {
        let path = entry.map_err(doing)?.path();
        let ours = path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.parse::<Sha256>().is_ok());
        if !ours || keep.contains(&path) || !is_older(&path, older_than) {
            continue;
        }
        if try_lock(&path, false).map_err(doing)?.is_some() {
            remove_if_there(&path).map_err(doing)?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// A file that vanished, or was written in what is the future for our clock, is not old.
fn is_older(path: &Path, than: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|meta| meta.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= than))
}

/// A spool that was just dropped may still be writing its last batch, so waits a little.
async fn lock(path: &Path) -> Result<File, Fault> {
    for _ in 0..LOCK_TRIES {
        let path = path.to_owned();
        let file =
            blocking("opening a spool", move || try_lock(&path, true).map_err(|e| io_fault("opening a spool", e)));
        if let Some(file) = file.await? {
            return Ok(file);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(Fault::new("opening a spool that another fetch holds").passing())
}

/// `None` while somebody holds it, or when it vanished and is not to be made. The lock is the kernel's, so it ends
/// with the process.
fn try_lock(path: &Path, make: bool) -> io::Result<Option<File>> {
    loop {
        let open = || OpenOptions::new().read(true).write(true).create(make).mode(0o600).open(path);
        let file = match open() {
            // A crash between the last rights and the rename leaves a spool that is read-only.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
                open()
            }
            opened => opened,
        };
        let file = match file {
            Err(error) if error.kind() == ErrorKind::NotFound && !make => return Ok(None),
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Between opening and locking, the file may have become a blob or been swept: then it is no spool any more.
        let same = fs::metadata(path).map(|there| there.ino());
        match same {
            Ok(inode) if inode == file.metadata()?.ino() => return Ok(Some(file)),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
}

fn write_all(mut file: &File, batch: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = batch.iter().map(|bytes| IoSlice::new(bytes)).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn lost() -> Fault {
    Fault::new("going on with a spool after a failed write; it must be opened again").passing()
}

/// What is written and hashed in one job; one more is being filled meanwhile.
const BATCH: usize = 1 << 20;
/// Bytes of a slow source wait no longer than this for a batch to fill.
const LONGEST: Duration = Duration::from_millis(300);
/// How much is written before the disk is asked for it.
const STRETCH: u64 = 64 << 20;
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
