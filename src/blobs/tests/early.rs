//! Reading a file while it is fetched: what comes, what is held back, and what ends it.

use std::time::Duration;

use super::*;
use crate::blobs::{Copies, Fetched, Filling, HELD_BACK, Kept, Offer};

const KEY: &str = "fetch one";
const SIZE: usize = 5 << 20;

fn of(bytes: &Bytes) -> Fetched {
    let etag = ids(bytes).0.to_string();
    Fetched { revision_id: "R".to_owned(), path: "a.bin".to_owned(), etag, size: bytes.len() as u64 }
}

/// Copies of these ranges, kept as the scanner's were.
async fn copies(blobs: &Blobs, bytes: &Bytes, ranges: &[(usize, usize)]) -> Arc<Copies> {
    let mut all = Vec::new();
    for (start, end) in ranges {
        let piece = bytes.slice(*start..*end);
        let kept = Kept::of(*start as u64, &piece);
        blobs.keep(&kept, piece).await;
        all.push(kept);
    }
    blobs.copies(&all).await.unwrap().expect("they were just kept")
}

/// A fetch that others may read along, with so much of it here.
async fn begun(blobs: &Blobs, bytes: &Bytes, len: usize) -> (Offer, Spool, Arc<Filling>) {
    let offer = blobs.offer(KEY, of(bytes), "one".to_owned());
    let mut spool = blobs.spool(KEY, lfs(bytes)).await.unwrap();
    assert!(blobs.filling(KEY, &of(bytes)).is_none(), "the source has said nothing yet");
    assert!(spool.let_read() && !spool.let_read());
    let filling = blobs.filling(KEY, &of(bytes)).unwrap();
    filling.mark(|| async { Ok(()) }).await.unwrap();
    fill(&mut spool, &bytes.slice(..len)).await;
    spool.flush().await.unwrap();
    (offer, spool, filling)
}

async fn read(reader: &mut BlobReader, most: usize) -> Vec<u8> {
    let mut got = vec![];
    while got.len() < most {
        got.extend_from_slice(&reader.next().await.unwrap().unwrap());
    }
    got
}

/// Whether nothing comes, however long one waits.
async fn waits(reader: &mut BlobReader) -> bool {
    tokio::time::timeout(Duration::from_millis(300), reader.next()).await.is_err()
}

#[tokio::test]
async fn all_but_the_end_comes_early_and_the_end_when_all_is_right() {
    let (folder, bytes) = (Folder::new(), sample(SIZE));
    let blobs = folder.blobs().await;
    let copies = copies(&blobs, &bytes, &[(0, 1000)]).await;
    let (offer, mut spool, filling) = begun(&blobs, &bytes, 2 << 20).await;
    let mut reader = filling.read(&blobs, Arc::clone(&copies)).unwrap();
    assert_eq!(reader.remaining(), SIZE as u64);
    assert_eq!(read(&mut reader, 2 << 20).await, bytes[..2 << 20]);
    assert!(waits(&mut reader).await);
    fill(&mut spool, &bytes.slice(2 << 20..)).await;
    let stored = spool.finish().await.unwrap();
    let rest = SIZE - (2 << 20) - usize::try_from(HELD_BACK).unwrap();
    assert_eq!(read(&mut reader, rest).await.len(), rest);
    assert!(waits(&mut reader).await, "it is whole, and nobody has found it right");
    let watched = offer.watched().expect("somebody reads");
    watched.agree(stored.sha256, stored.seal.clone());
    assert_eq!(collect(reader).await.unwrap(), bytes[SIZE - usize::try_from(HELD_BACK).unwrap()..]);
    assert!(filling.read(&blobs, copies).is_none(), "now it is in the store");
}

#[tokio::test]
async fn what_was_judged_comes_from_its_copies_alone() {
    let (folder, bytes) = (Folder::new(), sample(SIZE));
    let blobs = folder.blobs().await;
    let ranges = [(0, 1000), (500, 1500), ((1 << 20) - 5, (1 << 20) + 5), (2 << 20, 3 << 20)];
    let copies = copies(&blobs, &bytes, &ranges).await;
    // Another file of the same length comes at the second fetch.
    let mut other = bytes.to_vec();
    for (start, end) in ranges {
        other[start..end].fill(0);
    }
    let other = Bytes::from(other);
    let offer = blobs.offer(KEY, of(&bytes), "one".to_owned());
    let mut spool = blobs.spool(KEY, lfs(&bytes)).await.unwrap();
    assert!(spool.let_read());
    let filling = blobs.filling(KEY, &of(&bytes)).unwrap();
    filling.mark(|| async { Ok(()) }).await.unwrap();
    let mut reader = filling.read(&blobs, copies).unwrap();
    assert_eq!(read(&mut reader, 1500).await, bytes[..1500], "before anything was fetched");
    assert!(waits(&mut reader).await);
    fill(&mut spool, &other).await;
    spool.flush().await.unwrap();
    let got = read(&mut reader, (4 << 20) - 1500).await;
    assert!(got == bytes[1500..4 << 20], "bytes that were judged came from the second fetch");
    assert!(matches!(spool.finish().await, Err(SpoolTrouble::Mismatch { .. })));
    assert!(reader.next().await.unwrap().is_err());
    assert!(reader.next().await.unwrap().is_err(), "and nothing follows");
    drop(offer);
}

#[tokio::test]
async fn a_fetch_that_ends_in_any_other_way_cuts_its_readers() {
    let bytes = sample(SIZE);
    for way in ["dropped", "restarted", "never found right"] {
        let folder = Folder::new();
        let blobs = folder.blobs().await;
        let copies = copies(&blobs, &bytes, &[(0, 1000)]).await;
        let (offer, mut spool, filling) = begun(&blobs, &bytes, 2 << 20).await;
        let mut reader = filling.read(&blobs, Arc::clone(&copies)).unwrap();
        read(&mut reader, 1 << 20).await;
        match way {
            "dropped" => drop(spool),
            "restarted" => {
                spool.restart().await.unwrap();
                assert!(!spool.let_read(), "what comes again is read by nobody");
                fill(&mut spool, &bytes).await;
                spool.flush().await.unwrap();
            }
            _ => {
                fill(&mut spool, &bytes.slice(2 << 20..)).await;
                spool.finish().await.unwrap();
                drop(offer);
            }
        }
        while let Some(Ok(chunk)) = reader.next().await {
            assert!(!chunk.is_empty() && reader.remaining() >= HELD_BACK, "{way}");
        }
        assert!(reader.next().await.unwrap().is_err(), "{way}");
        assert!(blobs.filling(KEY, &of(&bytes)).is_none(), "{way}");
        assert!(filling.read(&blobs, Arc::clone(&copies)).is_none(), "{way}");
    }
}

#[tokio::test]
async fn nobody_reads_what_was_not_marked_or_is_somebody_elses() {
    let (folder, bytes) = (Folder::new(), sample(SIZE));
    let blobs = folder.blobs().await;
    let copies = copies(&blobs, &bytes, &[(0, 1000)]).await;
    let offer = blobs.offer(KEY, of(&bytes), "one".to_owned());
    let spool = blobs.spool(KEY, lfs(&bytes)).await.unwrap();
    spool.let_read();
    let filling = blobs.filling(KEY, &of(&bytes)).unwrap();
    assert!(filling.read(&blobs, Arc::clone(&copies)).is_none(), "it is written down nowhere");
    let failing = filling.mark(|| async { Err(Fault::new("no database")) }).await;
    assert!(failing.is_err() && filling.read(&blobs, Arc::clone(&copies)).is_none());
    let other = Fetched { revision_id: "another".to_owned(), ..of(&bytes) };
    assert!(blobs.filling(KEY, &other).is_none() && blobs.filling("fetch two", &of(&bytes)).is_none());
    // Nobody began to read: from now on nobody can, and the file is served as any other.
    assert!(offer.watched().is_none());
    filling.mark(|| async { Ok(()) }).await.unwrap();
    assert!(filling.read(&blobs, copies).is_none());
}

#[tokio::test]
async fn a_copy_that_is_missing_or_wrong_is_none() {
    let (folder, bytes) = (Folder::new(), sample(SIZE));
    let blobs = folder.blobs().await;
    let piece = bytes.slice(10..2000);
    let kept = Kept::of(10, &piece);
    assert!(blobs.copies(std::slice::from_ref(&kept)).await.unwrap().is_none(), "nothing is kept");
    assert!(blobs.copies(&[]).await.unwrap().is_none(), "nothing was judged");
    blobs.keep(&kept, piece).await;
    assert!(blobs.copies(std::slice::from_ref(&kept)).await.unwrap().is_some());
    let compared = Kept { start: 5000, end: 6000, compared: true, ..kept.clone() };
    assert!(blobs.copies(&[kept.clone(), compared.clone()]).await.unwrap().is_some(), "no verdict rests on it");
    assert!(blobs.copies(&[compared]).await.unwrap().is_none(), "nothing was judged");
    let longer = Kept { end: 2001, ..kept.clone() };
    assert!(blobs.copies(&[longer]).await.unwrap().is_none());
    let path = folder.files().into_iter().find(|path| path.ends_with(&kept.sha256)).unwrap();
    fs::write(path, &bytes[11..2001]).unwrap();
    assert!(blobs.copies(&[kept]).await.unwrap().is_none());
}

/// The spool's lock ends with its fetch, however long somebody keeps reading.
#[tokio::test]
async fn a_reader_does_not_keep_the_spool_locked() {
    let (folder, bytes) = (Folder::new(), sample(SIZE));
    let blobs = folder.blobs().await;
    let copies = copies(&blobs, &bytes, &[(0, 1000)]).await;
    let (offer, spool, filling) = begun(&blobs, &bytes, 2 << 20).await;
    let _reader = filling.read(&blobs, copies).unwrap();
    drop((spool, offer));
    let spool = blobs.spool(KEY, lfs(&bytes)).await.unwrap();
    assert_eq!(spool.len(), 2 << 20);
}

/// Of all who wait for one file, one opens and hashes its copies, for as long as somebody holds them.
#[tokio::test]
async fn copies_are_opened_once_for_all_who_hold_them() {
    let (folder, bytes) = (Folder::new(), sample(SIZE));
    let blobs = folder.blobs().await;
    let piece = bytes.slice(10..200_000);
    let kept = Kept::of(10, &piece);
    let all = vec![kept.clone()];
    blobs.keep(&kept, piece).await;
    let opened = futures_util::future::join_all((0..50).map(|_| blobs.copies(&all))).await;
    let opened: Vec<_> = opened.into_iter().map(|one| one.unwrap().unwrap()).collect();
    assert!(opened.iter().all(|one| Arc::ptr_eq(one, &opened[0])), "one for all");
    // The same bytes in another place are copies of something else.
    let moved = Kept { start: 0, end: kept.end - 10, ..kept.clone() };
    let other = blobs.copies(&[moved]).await.unwrap().unwrap();
    assert!(!Arc::ptr_eq(&other, &opened[0]));
    // When nobody holds them any more they are looked at anew.
    drop((opened, other));
    let path = folder.files().into_iter().find(|path| path.ends_with(&kept.sha256)).unwrap();
    fs::write(path, &bytes[..199_990]).unwrap();
    assert!(blobs.copies(&all).await.unwrap().is_none());
}

#[tokio::test]
async fn whether_anybody_read_is_known_when_nobody_can_any_more() {
    let bytes = sample(SIZE);
    for read in [true, false] {
        let folder = Folder::new();
        let blobs = folder.blobs().await;
        let copies = copies(&blobs, &bytes, &[(0, 1000)]).await;
        let (offer, spool, filling) = begun(&blobs, &bytes, 2 << 20).await;
        assert!(!filling.mark(|| async { panic!("it is marked") }).await.unwrap(), "somebody else did");
        assert!(tokio::time::timeout(Duration::from_millis(100), filling.was_read_by_nobody()).await.is_err());
        let reader = read.then(|| filling.read(&blobs, copies).unwrap());
        assert_eq!(blobs.may_break_off(KEY), !read);
        drop((offer, spool));
        assert_eq!(filling.was_read_by_nobody().await, !read);
        drop(reader);
        assert!(blobs.may_break_off(KEY) && blobs.may_break_off("fetch nothing"));
    }
}
