//! Breaking: a full disk, a database that goes away, an id used twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sea_orm::{ConnectionTrait, Database};
use tokio::{task::JoinSet, time::sleep};

use super::*;
use crate::ledger::sql;
use crate::store::testing::{databases, postgres, sqlite};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers_by_itself() {
    let fresh = sqlite();
    let ledger = fresh.ledger("a").await;
    ledger.start().unwrap();
    ledger.record(event(Kind::FileGranted)).await.unwrap();
    let limit = async |pages: u32| {
        let tx = ledger.0.store.begin_write().await.unwrap();
        tx.execute_unprepared(&format!("PRAGMA max_page_count = {pages}")).await.unwrap();
    };
    limit(1).await;
    let mut failed = 0;
    while failed == 0 {
        let mut long = event(Kind::FileGranted);
        long.detail = Some(serde_json::json!({"long": "x".repeat(12_000)}));
        let result = ledger.record(long).await;
        failed += u32::from(result.is_err_and(|fault| fault.passing));
    }
    assert_eq!(ledger.healthy(), Err("the ledger cannot write".into()));
    assert!(change(&ledger).await.is_err() || entries(&ledger).await.len() < 1000);
    limit(1_000_000).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ledger.healthy(), Ok(()), "without anybody asking for anything");
    ledger.record(event(Kind::FileGranted)).await.unwrap();
    ledger.stop().await;
    whole(&ledger).await;
    eprintln!("{:?}", sql::list_pending(ledger.0.store.reader(),10).await);
    assert_eq!(changes(&ledger).await, entries_of(&ledger, Kind::DigestDenied).await);
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
    for _ in 0..40 {
        sleep(Duration::from_millis(50)).await;
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
    assert!(answered.len() > 100, "{}", answered.len());
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
