//! How tries end, who is kept waiting by long work, and what is seen of a job meanwhile.

use weighbridge_simulator::{Content, Fault as Broken};

use super::*;
use crate::{
    intake::testing::{Bench, Workers},
    jobs::State,
};

/// A fetch of its own for each name; nothing is listed.
fn fetch(bench: &Bench, commit: &str, path: &str, content: &Content) -> Work {
    let _ = bench;
    Work::Fetch {
        repo: "acme/weights".to_owned(),
        revision_id: format!("r{path}"),
        commit: commit.to_owned(),
        path: path.to_owned(),
        size: content.len(),
        git: "b".repeat(40),
        lfs: Some(content.sha256().to_owned()),
    }
}

async fn claim(bench: &Bench) -> job::Model {
    let taker = Taker { me: "me", lane: Lane::Pulls, long: false };
    let at = Micros(clock::now().0 + Micros::DAY);
    jobs::sql::claim(&bench.app.chores, taker, at, LEASE).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_try_that_fails_waits_longer_each_time_and_the_last_is_buried_with_its_reason() {
    for bench in Bench::on_each().await {
        let work = Work::Recheck { sha256: "d".repeat(64), size: 1 };
        jobs::ask(&bench.app, &work).await.unwrap();
        let later = Outcome::Later { why: "the hub\nis slow".to_owned(), after: Duration::from_secs(1) };
        let mut waits = Vec::new();
        for _ in 1..MOST_TRIES {
            let (row, now) = (claim(&bench).await, clock::now());
            settle(&bench.app, &row, &later, now).await.unwrap();
            waits.push((bench.number("SELECT run_at FROM job").await - now.0) / Micros::SECOND);
        }
        assert_eq!(waits, [2, 4, 8]);
        let row = claim(&bench).await;
        settle(&bench.app, &row, &later, clock::now()).await.unwrap();
        let Some(State::Failed { why, .. }) = jobs::look(&bench.app, &work.key()).await.unwrap() else {
            panic!("it is not buried");
        };
        assert_eq!(why, "the hub is slow");
        // What got on, or was only told to stop, has lost no try.
        jobs::ask(&bench.app, &work).await.unwrap();
        let (row, now) = (claim(&bench).await, clock::now());
        settle(&bench.app, &row, &Outcome::Stopped, now).await.unwrap();
        assert_eq!(bench.number("SELECT attempts FROM job").await, 0);
    }
}

/// Nine files that never come keep every hand busy, and a tenth comes all the same; the nine go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_fetches_do_not_keep_short_ones_waiting() {
    let bench = Bench::on_sqlite().await;
    let small = Content::generated(99, 1000);
    let big: Vec<Content> = (0..9).map(|n| Content::generated(n, 200_000)).collect();
    let mut push = bench.hub.model("acme/weights").commit("Add").lfs("small.bin", small.clone());
    for (n, content) in big.iter().enumerate() {
        push = push.lfs(format!("big-{n}.bin"), content.clone());
    }
    let commit = push.push();
    let held = bench.hub.fault(Broken::stall_after(100_000).on("big-"));
    let works: Vec<Work> =
        big.iter().enumerate().map(|(n, content)| fetch(&bench, &commit, &format!("big-{n}.bin"), content)).collect();
    for work in &works {
        jobs::ask(&bench.app, work).await.unwrap();
    }
    let workers = Workers::start(&bench.app);
    while bench.number("SELECT CAST(count(*) AS BIGINT) FROM job WHERE state = 'running'").await < 6 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let work = fetch(&bench, &commit, "small.bin", &small);
    jobs::ask(&bench.app, &work).await.unwrap();
    assert_eq!(bench.wait_for(&work.key()).await, State::Done);
    for work in &works {
        let state = jobs::look(&bench.app, &work.key()).await.unwrap();
        assert!(matches!(state, Some(State::UnderWay { .. })), "{work:?}: {state:?}");
    }
    bench.hub.clear_fault(held);
    for work in &works {
        assert_eq!(bench.wait_for(&work.key()).await, State::Done, "{work:?}");
    }
    workers.stop().await;
}

/// More long fetches than there are hands for, and somebody reads each of them along: none is put back, which would cut its
/// readers, and what is short comes all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_fetch_that_somebody_reads_along_goes_on() {
    let bench = Bench::on_sqlite().await;
    let (small, size) = (Content::generated(99, 1000), 3_u64 << 20);
    let big: Vec<Content> = (0..5).map(|n| Content::generated(n, size)).collect();
    let mut push = bench.hub.model("acme/weights").commit("Add").lfs("small.bin", small.clone());
    for (n, content) in big.iter().enumerate() {
        push = push.lfs(format!("big-{n}.bin"), content.clone());
    }
    let commit = push.push();
    bench.hub.fault(Broken::hold_after(1 << 20).on("big-").side(weighbridge_simulator::Side::Cdn));
    let workers = Workers::start(&bench.app);
    let mut readers = Vec::new();
    for (n, content) in big.iter().enumerate() {
        let path = format!("big-{n}.bin");
        let work = fetch(&bench, &commit, &path, content);
        let etag = content.sha256().to_owned();
        let of = crate::blobs::Fetched { revision_id: format!("r{path}"), path, etag, size };
        jobs::ask(&bench.app, &work).await.unwrap();
        let filling = loop {
            match bench.app.blobs.filling(&work.key(), &of) {
                Some(filling) => break filling,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let judged: bytes::Bytes = content.read(0, 100).into();
        let kept = crate::blobs::Kept::of(0, &judged);
        bench.app.blobs.keep(&kept, judged).await;
        let copies = bench.app.blobs.copies(&[kept]).await.unwrap().unwrap();
        filling.mark(|| async { Ok(()) }).await.unwrap();
        readers.push(filling.read(&bench.app.blobs, copies).unwrap());
    }
    while bench.number("SELECT CAST(count(*) AS BIGINT) FROM job WHERE lane = 'long'").await < 5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let work = fetch(&bench, &commit, "small.bin", &small);
    jobs::ask(&bench.app, &work).await.unwrap();
    assert_eq!(bench.wait_for(&work.key()).await, State::Done);
    bench.hub.clear_faults();
    for (mut reader, content) in readers.into_iter().zip(&big) {
        let (early, mut at) = (size - crate::blobs::HELD_BACK, 0);
        while at < early {
            let chunk = reader.next().await.unwrap().unwrap_or_else(|fault| panic!("a reader was cut: {fault}"));
            assert!(chunk == content.read(at, chunk.len()), "wrong bytes at {at}");
            at += chunk.len() as u64;
        }
    }
    workers.stop().await;
}

/// Whoever waits for a file hears of it as soon as the hub begins to answer, before there is any progress to be seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_hears_when_a_fetch_can_be_read_along() {
    let bench = Bench::on_sqlite().await;
    let content = Content::generated(1, 3 << 20);
    let commit = bench.hub.model("acme/weights").commit("Add").lfs("big.bin", content.clone()).push();
    bench.hub.fault(Broken::hold_after(0).on("big.bin").side(weighbridge_simulator::Side::Cdn));
    let work = fetch(&bench, &commit, "big.bin", &content);
    jobs::ask(&bench.app, &work).await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (app, work) = (bench.app.clone(), work.clone());
        waiting.spawn(async move {
            let mut watch = jobs::watch::Watch::new(&app, &work.key());
            while !app.blobs.may_be_read_along(&work.key()) {
                let state = watch.look_for(&work).await.unwrap();
                assert!(matches!(state, Some(State::UnderWay { done: 0, .. })), "{state:?}");
                watch.moved(std::time::Instant::now() + Duration::from_hours(1)).await.unwrap();
            }
        });
    }
    while bench.app.vigils.waiting(&crate::app::vigils::job(&work.key())) < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let workers = Workers::start(&bench.app);
    let all = async { while waiting.join_next().await.is_some_and(|one| one.is_ok()) {} };
    assert!(tokio::time::timeout(Duration::from_mins(2), all).await.is_ok(), "nobody told them");
    assert!(waiting.is_empty());
    bench.hub.clear_faults();
    assert_eq!(bench.wait_for(&work.key()).await, State::Done);
    workers.stop().await;
}

/// A process that was cut off from the database takes its own job again: that is another claim, and the first one's end is
/// nobody's any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_has_a_lease_for_each_claim() {
    for bench in Bench::on_each().await {
        let content = Content::generated(1, 1000);
        let commit = bench.hub.model("acme/weights").commit("Add").lfs("a.bin", content.clone()).push();
        bench.hub.fault(Broken::hang().on("a.bin").side(weighbridge_simulator::Side::Cdn));
        let work = fetch(&bench, &commit, "a.bin", &content);
        jobs::ask(&bench.app, &work).await.unwrap();
        let workers = Workers::start(&bench.app);
        let claimed = async |attempts: i64| loop {
            let sql = format!("SELECT lease_by FROM job WHERE state = 'running' AND attempts = {attempts}");
            match bench.texts(&sql).await.pop() {
                Some(by) => break by,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            if attempts > 1 {
                bench.change("UPDATE job SET lease_until = 0 WHERE attempts = 1").await;
            }
        };
        let (first, second) = (claimed(1).await, claimed(2).await);
        assert!(first.starts_with("test ") && second.starts_with("test "), "{first} {second}");
        assert_ne!(first, second);
        workers.stop().await;
    }
}
