//! Breaking: a full disk, a database that goes away, an id used twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, Database};
use tokio::{task::JoinSet, time::sleep};

use super::*;
use crate::{
    ledger::{
        batch::{self, Manner},
        entry::Body,
        sequencer::Waiting,
    },
    store::testing::{databases, postgres},
};

/// What a full disk looks like: every write fails, and SQLite ends the whole transaction by itself.
async fn fill_the_disk(fresh: &Fresh, full: bool) {
    let admin = Database::connect(&fresh.url).await.unwrap();
    if !fresh.is_sqlite() {
        let raise = "CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger AS \
                     $$BEGIN RAISE EXCEPTION 'disk full'; END$$ LANGUAGE plpgsql";
        admin.execute_unprepared(raise).await.unwrap();
    }
    for (table, verb) in [("ledger_entry", "INSERT"), ("ledger_pending", "INSERT"), ("ledger_head", "UPDATE")] {
        let sql = match (full, fresh.is_sqlite()) {
            (true, true) => format!(
                "CREATE TRIGGER full_{table} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END"
            ),
            (true, false) => {
                format!("CREATE TRIGGER full_{table} BEFORE {verb} ON {table} EXECUTE FUNCTION full_disk()")
            }
            (false, true) => format!("DROP TRIGGER full_{table}"),
            (false, false) => format!("DROP TRIGGER full_{table} ON {table}"),
        };
        admin.execute_unprepared(&sql).await.unwrap();
    }
    admin.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers_by_itself() {
    for fresh in databases().await {
        let ledger = fresh.ledger("a").await;
        ledger.start().unwrap();
        ledger.record(event(Kind::FileGranted)).await.unwrap();
        fill_the_disk(&fresh, true).await;
        let since = Instant::now();
        assert!(ledger.record(event(Kind::FileDenied)).await.is_err_and(|fault| fault.passing));
        assert!(since.elapsed() < Duration::from_millis(2500));
        assert_eq!(ledger.healthy(), Err("the ledger cannot write".into()));
        assert!(change(&ledger).await.is_err_and(|fault| fault.passing));
        fill_the_disk(&fresh, false).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(ledger.healthy(), Ok(()), "without anybody asking for anything");
        // Durable means durable: another connection sees it, even after a change that was dropped.
        drop(ledger.begin().await.unwrap());
        let recorded = ledger.record(event(Kind::FileGranted)).await.unwrap();
        assert_eq!(entries(&ledger).await.last().map(|e| e.id.clone()), Some(recorded.id));
        change(&ledger).await.unwrap();
        ledger.stop().await;
        whole(&ledger).await;
        assert_eq!((changes(&ledger).await, entries_of(&ledger, Kind::DigestDenied).await), (1, 1));
        assert_eq!(entries_of(&ledger, Kind::FileDenied).await, 0, "whoever waited was refused");
    }
}

#[tokio::test]
async fn after_a_failed_statement_a_change_is_over() {
    for fresh in databases().await {
        let ledger = fresh.ledger("a").await;
        let tx = ledger.begin().await.unwrap();
        let row = |id: &str| denied_digest::ActiveModel {
            sha256: Set(id.into()),
            reason: Set("r".into()),
            denied_at: Set(1),
        };
        let insert = |id| denied_digest::Entity::insert(row(id)).exec_without_returning(&tx);
        insert("x").await.unwrap();
        assert!(insert("x").await.is_err());
        assert!(insert("y").await.is_err());
        assert!(tx.commit(vec![event(Kind::DigestDenied)]).await.is_err());
        change(&ledger).await.unwrap();
        assert_eq!(changes(&ledger).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cuts_connections_loses_and_doubles_nothing() {
    let Some(fresh) = postgres().await else { return };
    let ledger = fresh.ledger("a").await;
    ledger.start().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for n in 0..12 {
        let (ledger, over) = (ledger.clone(), over.clone());
        tasks.spawn(async move {
            let mut answered = Vec::new();
            while !over.load(Ordering::Relaxed) {
                if n % 4 == 0 {
                    let _ = change(&ledger).await;
                } else if let Ok(recorded) = ledger.record(event(Kind::FileGranted)).await {
                    answered.push(recorded);
                }
            }
            answered
        });
    }
    let name = fresh.url.rsplit('/').next().unwrap();
    let admin = Database::connect(std::env::var("WEIGHBRIDGE_TEST_POSTGRES").unwrap()).await.unwrap();
    for _ in 0..20 {
        sleep(Duration::from_millis(100)).await;
        let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        admin.execute_unprepared(&cut).await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let answered: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    sleep(Duration::from_millis(600)).await;
    ledger.record(event(Kind::FileGranted)).await.expect("it recovers by itself");
    ledger.stop().await;
    whole(&ledger).await;
    let entries = entries(&ledger).await;
    for recorded in &answered {
        let found = entries.iter().filter(|e| e.id == recorded.id).collect::<Vec<_>>();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].shard, found[0].seq.unsigned_abs()), (recorded.shard, recorded.seq));
    }
    assert!(answered.len() > 20, "{}", answered.len());
    assert_eq!(changes(&ledger).await, entries_of(&ledger, Kind::DigestDenied).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_used_twice_is_one_entry_and_harms_nobody_else() {
    for fresh in databases().await {
        let ledger = fresh.ledger("a").await;
        ledger.start().unwrap();
        let twice = event(Kind::FileGranted);
        let first = ledger.record(twice.clone()).await.unwrap();
        let mut tasks = JoinSet::new();
        for n in 0..60 {
            let (ledger, twice) = (ledger.clone(), twice.clone());
            tasks.spawn(async move {
                let event = if n % 10 == 0 { twice } else { event(Kind::FileGranted) };
                ledger.record(event).await.unwrap()
            });
        }
        let all = tasks.join_all().await;
        assert_eq!(all.iter().filter(|r| **r == first).count(), 6);
        ledger.begin().await.unwrap().commit(vec![twice, event(Kind::PointerMoved)]).await.unwrap();
        ledger.stop().await;
        assert_eq!(whole(&ledger).await.entries, 1 + 1 + 54 + 1);
    }
}

#[tokio::test]
async fn a_batch_whose_commit_is_unknown_is_looked_up_and_not_written_twice() {
    for fresh in databases().await {
        let ledger = fresh.ledger("a").await;
        let mut waiting: Vec<_> = (0..3)
            .map(|_| Waiting { body: Body::new(&event(Kind::FileGranted), "a").unwrap(), answer: None })
            .collect();
        let first = batch::seal(&ledger.0, &mut waiting, |_| {}, Manner::default()).await.unwrap().places;
        // The answer was lost. Written blindly again it would be refused as a whole; looked up, it is found.
        let one_more = Waiting { body: Body::new(&event(Kind::FileDenied), "a").unwrap(), answer: None };
        waiting.push(one_more);
        assert!(batch::seal(&ledger.0, &mut waiting, |_| {}, Manner::default()).await.is_err());
        assert_eq!(entries(&ledger).await.len(), 4);
        let careful = Manner { careful: true, probe: true };
        let again = batch::seal(&ledger.0, &mut waiting, |_| {}, careful).await.unwrap().places;
        assert_eq!((&again[..3], again[3].seq), (&first[..], 4));
        let last = batch::seal(&ledger.0, &mut waiting, |_| {}, careful).await.unwrap().places;
        assert_eq!(last, again);
        assert_eq!(whole(&ledger).await.entries, 5);
    }
}
