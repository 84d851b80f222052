//! What the blob store promises, on a disk; `s3` says the same of a bucket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and drains nothing"
)]

mod early;
mod s3;

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use super::*;
use bytes::Bytes;

use crate::domain::digest::GitId;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("weighbridge-blobs-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    async fn blobs(&self) -> Blobs {
        Blobs::open(&format!("file://{}", self.0.join("blobs").display()), &self.0).await.unwrap()
    }

    /// Every file in it, but for probes.
    fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut folders) = (vec![], vec![self.0.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes that do not repeat within a chunk.
fn sample(len: usize) -> Bytes {
    let mut state = len as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        bytes.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    bytes.truncate(len);
    bytes.into()
}

fn ids(bytes: &[u8]) -> (Sha256, GitId) {
    let mut hasher = Hasher::new(Some(bytes.len() as u64));
    hasher.update(bytes);
    let is = hasher.finish();
    (is.sha256, is.git.unwrap())
}

fn lfs(bytes: &[u8]) -> Expected {
    Expected { size: bytes.len() as u64, git: GitId([7; 20]), lfs: Some(ids(bytes).0) }
}

fn plain(bytes: &[u8]) -> Expected {
    Expected { size: bytes.len() as u64, git: ids(bytes).1, lfs: None }
}

async fn fill(spool: &mut Spool, bytes: &Bytes) {
    for piece in bytes.chunks(70_000) {
        spool.append(bytes.slice_ref(piece)).await.unwrap();
    }
}

async fn store(blobs: &Blobs, bytes: &Bytes) -> Stored {
    let mut spool = blobs.spool("some/file", lfs(bytes)).await.unwrap();
    fill(&mut spool, bytes).await;
    spool.finish().await.unwrap()
}

async fn collect(reader: BlobReader) -> Result<Vec<u8>, Fault> {
    let mut reader = reader;
    let mut all = vec![];
    while let Some(chunk) = reader.next().await {
        let chunk = chunk?;
        assert!(!chunk.is_empty());
        all.extend_from_slice(&chunk);
    }
    assert_eq!(reader.remaining(), 0);
    Ok(all)
}

async fn read(blobs: &Blobs, stored: &Stored, start: u64, end: u64) -> Vec<u8> {
    collect(blobs.read(stored.sha256, &stored.seal, start, end).await.unwrap()).await.unwrap()
}

async fn is_changed(blobs: &Blobs, stored: &Stored) -> bool {
    matches!(blobs.read(stored.sha256, &stored.seal, 0, 1).await, Err(ReadTrouble::Changed))
}

fn mismatch(result: Result<Stored, SpoolTrouble>) -> String {
    match result {
        Err(SpoolTrouble::Mismatch { what }) => what,
        other => panic!("no mismatch but {other:?}"),
    }
}

fn path_of(folder: &Folder, sha: Sha256) -> PathBuf {
    let name = sha.to_string();
    folder.0.join("blobs").join(&name[..2]).join(&name[2..4]).join(&name)
}

type Change = fn(&Path);

fn make_writable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn git_ids_are_those_of_git() {
    let (sha, git) = ids(b"hello\n");
    assert_eq!(sha.to_string(), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    assert_eq!(git.to_string(), "ce013625030ba8dba906f756967f9e9ca394464a");
}

#[tokio::test]
async fn what_goes_in_comes_out_whole_and_in_parts() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let bytes = sample(3_500_001);
    let stored = store(&blobs, &bytes).await;
    assert_eq!((stored.sha256, stored.size, stored.seal.size()), (ids(&bytes).0, 3_500_001, 3_500_001));
    for (start, end) in [(0, 3_500_001), (0, 1), (3_500_000, 3_500_001), (1_048_575, 2_097_153), (5, 5)] {
        let part = &bytes[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
        assert!(read(&blobs, &stored, start, end).await == part, "{start}..{end}");
    }
    assert!(blobs.read(stored.sha256, &stored.seal, 0, 3_500_002).await.is_err());
    assert_eq!(blobs.seal(stored.sha256).await.unwrap(), Some(stored.seal.clone()));
    assert_eq!(blobs.rehash(stored.sha256).await.unwrap(), Rehash::Intact(stored.seal.clone()));

    assert_eq!(folder.files(), [path_of(&folder, stored.sha256)], "the spool is gone and no probe is left");
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    let path = path_of(&folder, stored.sha256);
    assert_eq!(mode(&path), 0o400);
    for above in path.ancestors().skip(1).take(3).chain([folder.0.join("spool").as_path()]) {
        assert_eq!(mode(above), 0o700, "{}", above.display());
    }

    blobs.remove(stored.sha256).await.unwrap();
    blobs.remove(stored.sha256).await.unwrap();
    assert_eq!(blobs.seal(stored.sha256).await.unwrap(), None);
    assert_eq!(blobs.rehash(stored.sha256).await.unwrap(), Rehash::Unsure, "what is absent is not wrong");
    assert!(matches!(blobs.read(stored.sha256, &stored.seal, 0, 1).await, Err(ReadTrouble::Absent)));
}

#[tokio::test]
async fn an_empty_file_is_a_blob_like_any_other() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let spool = blobs.spool("empty", plain(b"")).await.unwrap();
    let stored = spool.finish().await.unwrap();
    assert_eq!((stored.sha256, stored.size), (ids(b"").0, 0));
    assert!(read(&blobs, &stored, 0, 0).await.is_empty());
    assert_eq!(blobs.rehash(stored.sha256).await.unwrap(), Rehash::Intact(stored.seal));
}

#[tokio::test]
async fn wrong_bytes_never_get_a_name() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let (right, wrong) = (sample(100_000), sample(100_000).iter().map(|b| !b).collect::<Bytes>());
    let (long, short) = (sample(100_001), right.slice(..99_999));
    for (expected, sent, says) in [
        (lfs(&right), &wrong, "sha256"),
        (plain(&right), &wrong, "git id"),
        (lfs(&right), &long, "more than"),
        (lfs(&right), &short, "99999 bytes where 100000"),
        (plain(b""), &right, "more than"),
    ] {
        let mut spool = blobs.spool("a", expected).await.unwrap();
        fill(&mut spool, sent).await;
        let what = mismatch(spool.finish().await);
        assert!(what.contains(says), "{what}");
        assert_eq!(folder.files(), Vec::<PathBuf>::new(), "{what}");
    }
}

#[tokio::test]
async fn a_fetch_goes_on_where_it_broke() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let bytes = sample(5_000_000);
    for expected in [lfs(&bytes), plain(&bytes)] {
        let mut spool = blobs.spool("a", expected.clone()).await.unwrap();
        fill(&mut spool, &bytes.slice(..3_000_000)).await;
        // Nothing is flushed: what a killed process had written is what is there.
        drop(spool);
        let mut spool = folder.blobs().await.spool("a", expected.clone()).await.unwrap();
        let had = usize::try_from(spool.len()).unwrap();
        assert!((1_000_000..=3_000_000).contains(&had), "{had}");
        fill(&mut spool, &bytes.slice(had..4_000_000)).await;
        spool.flush().await.unwrap();
        drop(spool);
        let mut spool = folder.blobs().await.spool("a", expected).await.unwrap();
        assert_eq!(spool.len(), 4_000_000);
        fill(&mut spool, &bytes.slice(4_000_000..)).await;
        let stored = spool.finish().await.unwrap();
        assert!(read(&blobs, &stored, 0, stored.size).await == bytes);
        blobs.remove(stored.sha256).await.unwrap();
    }
}

#[tokio::test]
async fn bytes_from_before_a_crash_do_not_accuse_the_source() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let bytes = sample(200_000);
    let mut spool = blobs.spool("a", lfs(&bytes)).await.unwrap();
    // A disk that lost power may give back zeros.
    spool.append(vec![0; 50_000].into()).await.unwrap();
    spool.flush().await.unwrap();
    drop(spool);
    let mut spool = blobs.spool("a", lfs(&bytes)).await.unwrap();
    fill(&mut spool, &bytes.slice(50_000..)).await;
    assert!(matches!(spool.finish().await, Err(SpoolTrouble::Fault(fault)) if fault.passing));
    let mut spool = blobs.spool("a", lfs(&bytes)).await.unwrap();
    assert_eq!(spool.len(), 0, "it starts over");
    fill(&mut spool, &bytes).await;
    spool.finish().await.unwrap();

    // Longer than the file can be: also not from this source.
    let path = spool::path(&folder.0.join("spool"), "b");
    fs::write(path, [1; 300]).unwrap();
    assert_eq!(blobs.spool("b", lfs(&bytes.slice(..299))).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_restarted_spool_has_forgotten_everything() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let bytes = sample(2_500_000);
    let mut spool = blobs.spool("a", lfs(&bytes)).await.unwrap();
    fill(&mut spool, &sample(2_400_000)).await;
    spool.append(sample(2_000_000)).await.unwrap();
    spool.restart().await.unwrap();
    assert_eq!(spool.len(), 0);
    fill(&mut spool, &bytes).await;
    let stored = spool.finish().await.unwrap();
    assert!(read(&blobs, &stored, 0, stored.size).await == bytes);
}

#[tokio::test]
async fn a_spool_has_one_holder_and_two_may_bring_the_same_bytes() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let bytes = sample(1_200_000);
    let mut one = blobs.spool("a", lfs(&bytes)).await.unwrap();
    assert!(blobs.spool("a", lfs(&bytes)).await.is_err_and(|fault| fault.passing));
    let mut two = blobs.spool("b", plain(&bytes)).await.unwrap();
    fill(&mut one, &bytes).await;
    fill(&mut two, &bytes).await;
    let (one, two) = tokio::join!(tokio::spawn(one.finish()), tokio::spawn(two.finish()));
    let (one, two) = (one.unwrap().unwrap(), two.unwrap().unwrap());
    assert_eq!(one.sha256, two.sha256);
    assert_eq!(folder.files().len(), 1);

    let kept = blobs.seal(one.sha256).await.unwrap().unwrap();
    let again = store(&blobs, &bytes).await;
    assert_eq!(again.seal, kept, "what is right stays as it is");
}

#[tokio::test]
async fn a_damaged_blob_is_replaced_not_kept() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let bytes = sample(300_000);
    let stored = store(&blobs, &bytes).await;
    let path = path_of(&folder, stored.sha256);
    make_writable(&path);
    OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"!", 1000).unwrap();
    assert_eq!(blobs.rehash(stored.sha256).await.unwrap(), Rehash::Different);
    let again = store(&blobs, &bytes).await;
    assert!(read(&blobs, &again, 0, again.size).await == bytes);
}

/// Nobody may conclude that its bytes are wrong and delete it.
#[tokio::test]
async fn of_a_blob_that_is_touched_while_it_is_read_nothing_is_known() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let stored = store(&blobs, &sample(30_000_000)).await;
    let path = path_of(&folder, stored.sha256);
    make_writable(&path);
    let touch = async {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        // Only the change time moves, as it does when somebody sets rights: the reader itself goes on.
        make_writable(&path);
    };
    let (read, ()) = tokio::join!(blobs.rehash(stored.sha256), touch);
    assert_eq!(read.unwrap(), Rehash::Unsure);
    assert!(matches!(blobs.rehash(stored.sha256).await.unwrap(), Rehash::Intact(_)));
}

#[tokio::test]
async fn a_changed_blob_is_not_read() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let bytes = sample(300_000);
    let changes: [(&str, Change, bool); 4] = [
        ("append", |path| OpenOptions::new().append(true).open(path).unwrap().write_all(b"!").unwrap(), false),
        ("overwrite", |path| OpenOptions::new().write(true).open(path).unwrap().write_all_at(b"!", 9).unwrap(), false),
        (
            "replace by the same",
            |path| {
                let copy = path.with_extension("copy");
                fs::copy(path, &copy).unwrap();
                fs::rename(copy, path).unwrap();
            },
            true,
        ),
        (
            "touch back",
            |path| {
                let file = File::options().write(true).open(path).unwrap();
                file.set_modified(file.metadata().unwrap().modified().unwrap()).unwrap();
            },
            true,
        ),
    ];
    for (name, change, still_right) in changes {
        let stored = store(&blobs, &bytes).await;
        assert!(!is_changed(&blobs, &stored).await);
        let path = path_of(&folder, stored.sha256);
        // The clock of a file system ticks in milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        make_writable(&path);
        change(&path);
        assert!(is_changed(&blobs, &stored).await, "{name}");
        let fresh = blobs.rehash(stored.sha256).await.unwrap();
        assert_eq!(fresh != Rehash::Different, still_right, "{name}");
        if let Some(seal) = fresh.intact() {
            let renewed = Stored { seal, ..stored.clone() };
            assert!(read(&blobs, &renewed, 0, renewed.size).await == bytes, "{name}");
        }
        blobs.remove(stored.sha256).await.unwrap();
    }
}

#[tokio::test]
async fn a_blob_that_changes_under_a_stream_cuts_it() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let bytes = sample(8 << 20);
    let changes: [(&str, Change); 2] = [
        ("truncate", |path| OpenOptions::new().write(true).open(path).unwrap().set_len(4 << 20).unwrap()),
        ("overwrite", |path| {
            OpenOptions::new().write(true).open(path).unwrap().write_all_at(b"!", 7 << 20).unwrap();
        }),
    ];
    for (name, change) in changes {
        let stored = store(&blobs, &bytes).await;
        let mut reader = blobs.read(stored.sha256, &stored.seal, 0, stored.size).await.unwrap();
        reader.next().await.unwrap().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let path = path_of(&folder, stored.sha256);
        make_writable(&path);
        change(&path);
        assert!(collect(reader).await.is_err(), "{name}");
        blobs.remove(stored.sha256).await.unwrap();
    }

    let stored = store(&blobs, &bytes).await;
    let mut reader = blobs.read(stored.sha256, &stored.seal, 0, stored.size).await.unwrap();
    let first = reader.next().await.unwrap().unwrap();
    blobs.remove(stored.sha256).await.unwrap();
    let rest = collect(reader).await.unwrap();
    assert!([&first[..], &rest].concat() == bytes, "a removed blob flows to its end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_streams_stay_within_the_budget() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let bytes = sample(4 << 20);
    let stored = store(&blobs, &bytes).await;
    let mut readers = vec![];
    for _ in 0..200 {
        readers.push(blobs.read(stored.sha256, &stored.seal, 0, stored.size).await.unwrap());
    }
    // Slow clients: each holds the chunk that it is being sent, while the next is read ahead.
    let mut held: Vec<Option<Bytes>> = vec![None; readers.len()];
    let mut most = 0;
    let mut got = vec![0; readers.len()];
    for round in 0.. {
        let mut any = false;
        for (i, reader) in readers.iter_mut().enumerate() {
            held[i] = None;
            if let Some(chunk) = reader.next().await {
                let chunk = chunk.unwrap();
                assert!(bytes[got[i]..].starts_with(&chunk));
                got[i] += chunk.len();
                held[i] = Some(chunk);
                any = true;
            }
        }
        // The first chunks were asked for when few streams were there.
        if round > 2 {
            most = most.max(blobs.0.pool.live());
        }
        if !any {
            break;
        }
    }
    assert!(got.iter().all(|got| *got == bytes.len()));
    assert!(most > 0 && most <= pool::BUDGET, "{most}");
    drop((readers, held));
    assert_eq!(blobs.0.pool.live(), 0);
    assert!(blobs.0.pool.held() <= 64 << 20);
    read(&blobs, &stored, 0, 1).await;
    assert!(blobs.0.pool.held() <= 8 << 20, "the rush is over: {}", blobs.0.pool.held());
}

#[tokio::test]
async fn sweeping_takes_only_what_nobody_wants() {
    let folder = Folder::new();
    let blobs = folder.blobs().await;
    let bytes = sample(10_000);
    for key in ["held", "kept", "old"] {
        let mut spool = blobs.spool(key, lfs(&bytes)).await.unwrap();
        fill(&mut spool, &bytes).await;
        spool.flush().await.unwrap();
    }
    let strange = folder.0.join("spool/notes.txt");
    fs::write(&strange, "not ours").unwrap();
    let held = blobs.spool("held", lfs(&bytes)).await.unwrap();
    let keep = ["kept".to_owned()];
    assert_eq!(blobs.sweep_spools(Duration::from_hours(1), &keep).await.unwrap(), 0);
    assert_eq!(blobs.sweep_spools(Duration::ZERO, &keep).await.unwrap(), 1);
    assert_eq!(blobs.spool("kept", lfs(&bytes)).await.unwrap().len(), 10_000);
    assert_eq!(blobs.spool("old", lfs(&bytes)).await.unwrap().len(), 0);
    assert!(strange.exists());
    held.finish().await.unwrap();
}

#[tokio::test]
async fn a_store_that_cannot_be_written_does_not_open() {
    let folder = Folder::new();
    fs::write(folder.0.join("file"), "").unwrap();
    for url in [
        format!("file://{}/file/blobs", folder.0.display()),
        "file:///proc/blobs".to_owned(),
        "file://".to_owned(),
        "/somewhere".to_owned(),
        "gs://bucket".to_owned(),
        "s3://bucket?secret_access_key=x".to_owned(),
        "s3://user:pass@bucket/prefix".to_owned(),
    ] {
        assert!(Blobs::open(&url, &folder.0).await.is_err(), "{url}");
    }
}

#[tokio::test]
async fn spools_live_on_the_disk_of_the_blobs() {
    let (here, there) = (Folder::new(), Path::new("/dev/shm"));
    if fs::metadata(there).is_ok_and(|meta| meta.dev() != fs::metadata(&here.0).unwrap().dev()) {
        let there = Folder(there.join(here.0.file_name().unwrap()));
        let blobs = Blobs::open(&format!("file://{}", there.0.display()), &here.0).await.unwrap();
        let bytes = sample(1000);
        let stored = store(&blobs, &bytes).await;
        assert!(read(&blobs, &stored, 0, 1000).await == bytes);
        assert_eq!(here.files(), Vec::<PathBuf>::new());
    }
}
