//! Rows of jobs on both databases: who gets which, and whose failure is whose.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

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
    let taker = sql::Taker { me: "me", lane, long: false };
    sql::claim(&bench.app.chores, taker, clock::now(), Micros::SECOND).await.unwrap()
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

/// Two processes with several hands each, on PostgreSQL as on SQLite: one statement chooses and takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_that_race_get_every_job_once() {
    for bench in Bench::on_each().await {
        let mut apps = vec![bench.app.clone()];
        if !bench.fresh.is_sqlite() {
            apps.push(bench.another().await.0);
        }
        let jobs = 60;
        for n in 0..jobs {
            ask(&bench.app, &Work::Recheck { sha256: format!("{n:064}"), size: 1 }).await.unwrap();
        }
        let mut takers = JoinSet::new();
        for hand in 0..8 {
            let app = apps[hand % apps.len()].clone();
            takers.spawn(async move {
                let (me, mut keys) = (format!("hand {hand}"), Vec::new());
                let taker = sql::Taker { me: &me, lane: Lane::Pulls, long: false };
                while let Some(row) = sql::claim(&app.chores, taker, clock::now(), Micros::DAY).await.unwrap() {
                    assert_eq!((row.lease_by.as_str(), row.state.as_str(), row.attempts), (me.as_str(), "running", 1));
                    keys.push(row.key);
                }
                keys
            });
        }
        let mut times: HashMap<String, usize> = HashMap::new();
        while let Some(keys) = takers.join_next().await {
            for key in keys.unwrap() {
                *times.entry(key).or_default() += 1;
            }
        }
        // One that steps over what others are taking may find nothing and go; nobody may take what is taken.
        assert!(times.values().all(|times| *times == 1), "{times:?}");
        while let Some(row) = claim(&bench, Lane::Pulls).await {
            *times.entry(row.key).or_default() += 1;
        }
        assert_eq!((times.len(), times.values().sum::<usize>()), (jobs, jobs));
    }
}

#[tokio::test]
async fn a_lease_that_ran_out_is_taken_by_another_and_the_first_hears_of_it() {
    for bench in Bench::on_each().await {
        ask(&bench.app, &fetch("A", 'c')).await.unwrap();
        let (chores, at) = (&bench.app.chores, clock::now());
        let taker = |me| sql::Taker { me, lane: Lane::Pulls, long: false };
        let first = sql::claim(chores, taker("one"), at, Micros::SECOND).await.unwrap().unwrap();
        let later = Micros(at.0 + Micros::SECOND / 2);
        assert!(sql::claim(chores, taker("two"), later, Micros::SECOND).await.unwrap().is_none(), "it is leased");
        let late = Micros(at.0 + 2 * Micros::SECOND);
        assert!(sql::keep(chores, &first, late).await.unwrap(), "a heartbeat keeps it");
        assert!(sql::claim(chores, taker("two"), late, Micros::SECOND).await.unwrap().is_none());
        let second = sql::claim(chores, taker("two"), Micros(late.0 + 1), Micros::SECOND).await.unwrap().unwrap();
        assert_eq!((second.attempts, second.id.as_str()), (2, first.id.as_str()));
        assert!(!sql::keep(chores, &first, late).await.unwrap());
        assert!(!sql::renew(chores, &first, late, sql::Progress::default()).await.unwrap());
        leave(&bench, &first, "failed", late, "what the first says of it is not written down").await;
        assert!(matches!(look(&bench.app, &first.key).await.unwrap(), Some(State::UnderWay { .. })));
    }
}

#[tokio::test]
async fn what_nobody_waits_for_stays_in_the_background_until_somebody_does() {
    for bench in Bench::on_each().await {
        let background = App { in_background: true, ..bench.app.clone() };
        let (mine, other) = (fetch("A", 'c'), fetch("B", 'd'));
        let examine = Work::Examine { repo: "acme/weights".to_owned(), rev: "main".to_owned(), by: "me".to_owned() };
        for work in [&mine, &other, &examine] {
            ask(&background, work).await.unwrap();
        }
        assert!(claim(&bench, Lane::Pulls).await.is_none() && claim(&bench, Lane::Listings).await.is_none());
        // A pull asks for one of them, a caller at the door waits for the repository.
        ask(&bench.app, &mine).await.unwrap();
        assert_eq!(claim(&bench, Lane::Pulls).await.unwrap().key, mine.key());
        assert!(claim(&bench, Lane::Pulls).await.is_none());
        hurry(&bench.app, &RepoName::parse("acme/weights").unwrap()).await.unwrap();
        assert_eq!(claim(&bench, Lane::Listings).await.unwrap().key, examine.key());
        assert_eq!(claim(&bench, Lane::Pulls).await.unwrap().key, other.key());
        assert!(claim(&bench, Lane::Background).await.is_none());
        // Upkeep is nobody's background: it would find no hands there.
        ask(&background, &Work::Evict { bytes: 1, spooled: 0 }).await.unwrap();
        assert_eq!(claim(&bench, Lane::Upkeep).await.unwrap().kind, "evict");
    }
}

/// Of five hundred who wait for one job, one asks the database, and all of them hear of its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_waiters_ask_as_often_as_one() {
    let bench = Bench::on_sqlite().await;
    let work = fetch("A", 'c');
    ask(&bench.app, &work).await.unwrap();
    let vigil = bench.app.vigils.at(&crate::app::vigils::job(&work.key()));
    let mut waiters = JoinSet::new();
    for _ in 0..500 {
        let (app, work) = (bench.app.clone(), work.clone());
        waiters.spawn(async move {
            let mut watch = watch::Watch::new(&app, &work.key());
            while !matches!(watch.look_for(&work).await.unwrap(), Some(State::Done)) {
                watch.moved(Instant::now() + Duration::from_hours(1)).await.unwrap();
            }
        });
    }
    while bench.app.vigils.waiting(&crate::app::vigils::job(&work.key())) < 500 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (began, before) = (Instant::now(), vigil.looked());
    while vigil.looked() < before + 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(began.elapsed() >= Duration::from_secs(2), "three looks take two seconds, for all five hundred");
    // Ended as in another replica, which rings no bell here; and whoever looks may leave at any moment.
    let row = claim(&bench, Lane::Pulls).await.unwrap();
    leave(&bench, &row, "done", clock::now(), "").await;
    while let Some(waiter) = waiters.join_next().await {
        waiter.unwrap();
    }
    // Each passing on of the turn is at most a look.
    assert!(vigil.looked() < before + 100, "{} looks", vigil.looked() - before);
}

#[tokio::test]
async fn when_the_one_who_looks_leaves_another_does() {
    let bench = Bench::on_sqlite().await;
    let work = fetch("A", 'c');
    ask(&bench.app, &work).await.unwrap();
    let wait = |app: App, work: Work| async move {
        let mut watch = watch::Watch::new(&app, &work.key());
        while !matches!(watch.look_for(&work).await.unwrap(), Some(State::Done)) {
            watch.moved(Instant::now() + Duration::from_hours(1)).await.unwrap();
        }
    };
    let first = crate::tasks::spawn(wait(bench.app.clone(), work.clone()));
    let name = crate::app::vigils::job(&work.key());
    while bench.app.vigils.at(&name).looked() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = crate::tasks::spawn(wait(bench.app.clone(), work.clone()));
    while bench.app.vigils.waiting(&name) < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    first.abort();
    let row = claim(&bench, Lane::Pulls).await.unwrap();
    leave(&bench, &row, "done", clock::now(), "").await;
    second.await.unwrap();
}
