//! Rows of jobs on both databases: who gets which, and whose failure is whose.

use std::time::{Duration, Instant};

use super::*;
use crate::{intake::testing::Bench, store::tables::job};

fn fetch(revision_id: &str, lfs: char) -> Work {
    Work::Fetch {
        repo: "acme/weights".to_owned(),
        revision_id: revision_id.to_owned(),
        commit: "a".repeat(40),
        path: "model.bin".to_owned(),
        size: 1,
        git: "b".repeat(40),
        lfs: Some(lfs.to_string().repeat(64)),
    }
}

async fn claim(bench: &Bench, lane: Lane) -> Option<job::Model> {
    sql::claim(&bench.app.chores, "me", lane, clock::now(), Micros::SECOND).await.unwrap()
}

async fn leave(bench: &Bench, row: &job::Model, state: &str, run_at: Micros, outcome: &str) {
    let left = sql::Left { state, run_at, outcome, attempts: row.attempts };
    sql::settle(&bench.app.chores, row, &left).await.unwrap();
}

#[tokio::test]
async fn a_pull_never_waits_behind_examinations() {
    for bench in Bench::on_each().await {
        for n in 0..40 {
            let revision_id = format!("r{n}");
            let digests = Work::Digests { repo: "a/b".to_owned(), revision_id, commit: "a".repeat(40) };
            ask(&bench.app, &digests).await.unwrap();
            let examine = Work::Examine { repo: format!("a/b{n}"), rev: "main".to_owned(), by: "me".to_owned() };
            ask(&bench.app, &examine).await.unwrap();
        }
        ask(&bench.app, &fetch("A", 'c')).await.unwrap();
        ask(&bench.app, &Work::Recheck { sha256: "d".repeat(64), size: 1 }).await.unwrap();
        assert_eq!(claim(&bench, Lane::Pulls).await.unwrap().kind, "fetch");
        assert_eq!(claim(&bench, Lane::Pulls).await.unwrap().kind, "recheck");
        assert!(claim(&bench, Lane::Pulls).await.is_none());
        assert_eq!(claim(&bench, Lane::Listings).await.unwrap().kind, "examine");
        assert_eq!(claim(&bench, Lane::Digests).await.unwrap().kind, "digests");
    }
}

#[tokio::test]
async fn a_failure_is_believed_for_its_own_revision_and_for_ten_minutes() {
    for bench in Bench::on_each().await {
        let (a, b, now) = (fetch("A", 'c'), fetch("B", 'c'), clock::now());
        ask(&bench.app, &a).await.unwrap();
        assert!(matches!(look_for(&bench.app, &b).await.unwrap(), Some(State::UnderWay { .. })), "one job for both");
        let row = claim(&bench, Lane::Pulls).await.unwrap();
        leave(&bench, &row, "failed", now, "mismatch: wrong").await;
        assert!(matches!(look_for(&bench.app, &a).await.unwrap(), Some(State::Failed { .. })));
        assert_eq!(look_for(&bench.app, &b).await.unwrap(), None);
        leave(
            &bench,
            &job::Model { lease_by: String::new(), ..row.clone() },
            "failed",
            Micros(now.0 - FAILURES_HOLD),
            "x",
        )
        .await;
        assert_eq!(look_for(&bench.app, &a).await.unwrap(), None, "an old failure is tried again");

        // Asked for anew, it goes on in the name of whoever asked.
        ask(&bench.app, &b).await.unwrap();
        let row = claim(&bench, Lane::Pulls).await.unwrap();
        assert_eq!((serde_json::from_str(&row.payload).ok(), row.attempts), (Some(b.clone()), 1));

        // And so it does when it only waits for its next try.
        leave(&bench, &row, "waiting", Micros(now.0 + Micros::DAY), "the hub is slow").await;
        assert!(matches!(look_for(&bench.app, &b).await.unwrap(), Some(State::UnderWay { .. })));
        assert_eq!(look_for(&bench.app, &a).await.unwrap(), None);
        ask(&bench.app, &b).await.unwrap();
        assert!(claim(&bench, Lane::Pulls).await.is_none(), "asking again does not shorten one's own wait");
        ask(&bench.app, &a).await.unwrap();
        assert!(matches!(look_for(&bench.app, &a).await.unwrap(), Some(State::UnderWay { .. })));
        assert_eq!(serde_json::from_str(&claim(&bench, Lane::Pulls).await.unwrap().payload).ok(), Some(a));
    }
}

/// On SQLite one connection writes, and who only looks must not queue for it.
#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_job_waits_for_nobodys_change() {
    let bench = Bench::on_sqlite().await;
    let work = fetch("A", 'c');
    ask(&bench.app, &work).await.unwrap();
    let change = bench.ledger.begin().await.unwrap();
    let began = Instant::now();
    assert!(look(&bench.app, &work.key()).await.unwrap().is_some());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    drop(change);
}

#[tokio::test]
async fn a_bell_rings_for_its_own_job() {
    let bench = Bench::on_sqlite().await;
    let (mut mine, other) = (bench.app.bells.end("fetch a"), bench.app.bells.end("fetch b"));
    bench.app.bells.ring_end("fetch a");
    assert!(mine.changed().await.is_ok() && !other.has_changed().unwrap());
}
