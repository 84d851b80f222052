//! Writing: order, cancellation, several replicas, stopping.

use std::{
    collections::HashSet,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, Statement};
use tokio::{task::JoinSet, time::timeout};

use super::*;
use crate::{
    ledger::{batch, entry::Body, sequencer::Waiting, sql},
    store::testing::{databases, postgres, sqlite},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_change_and_every_record_is_one_entry_of_one_tree() {
    for fresh in databases().await {
        let ledger = fresh.ledger("a").await;
        ledger.start().unwrap();
        let mut tasks = JoinSet::new();
        for n in 0..24 {
            let ledger = ledger.clone();
            tasks.spawn(async move {
                for _ in 0..20 {
                    if n % 3 == 0 {
                        change(&ledger).await.unwrap();
                    } else {
                        let recorded = ledger.record(event(Kind::FileGranted)).await.unwrap();
                        assert!(recorded.seq > 0);
                    }
                }
            });
        }
        tasks.join_all().await;
        for _ in 0..100 {
            ledger.note(&event(Kind::FileEnded)).await.unwrap();
        }
        ledger.stop().await;
        assert_eq!(changes(&ledger).await, 8 * 20);
        assert_eq!(entries_of(&ledger, Kind::DigestDenied).await, 8 * 20);
        assert_eq!(entries_of(&ledger, Kind::FileGranted).await, 16 * 20);
        assert_eq!(entries_of(&ledger, Kind::FileEnded).await, 100);
        let report = whole(&ledger).await;
        assert_eq!((report.shards, report.entries), (1, 1 + 24 * 20 + 100));
        assert!(!sql::any_pending(ledger.0.store.reader()).await.unwrap());
        assert!(*ledger.changes().borrow() > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_write_one_tree_and_tell_each_other() {
    let Some(fresh) = postgres().await else { return };
    let replicas = [fresh.ledger("a").await, fresh.ledger("b").await];
    let mut seen = replicas[1].changes();
    replicas[1].start().unwrap();
    change(&replicas[0]).await.unwrap();
    timeout(Duration::from_secs(3), seen.changed()).await.expect("pending rows of another are picked up").unwrap();
    replicas[0].start().unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..16 {
        let ledger = replicas[n % 2].clone();
        tasks.spawn(async move {
            for _ in 0..25 {
                change(&ledger).await.unwrap();
                ledger.record(event(Kind::FileGranted)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let mut seen = replicas[0].changes();
    seen.mark_unchanged();
    change(&replicas[1]).await.unwrap();
    timeout(Duration::from_secs(3), seen.changed()).await.expect("the feed tells of the other's change").unwrap();
    assert!(replicas.iter().all(|r| r.healthy().is_ok() && r.feed_age() < Duration::from_secs(3)));
    for replica in &replicas {
        replica.stop().await;
    }
    assert_eq!(whole(&replicas[0]).await.entries, 1 + 1 + 16 * 25 * 2 + 1);
    let by: HashSet<_> = entries(&replicas[0])
        .await
        .iter()
        .map(|e| serde_json::from_slice::<serde_json::Value>(&e.body).unwrap()["replica"].to_string())
        .collect();
    assert_eq!(by.len(), 2);
}

#[tokio::test]
async fn pending_events_stand_before_waiting_ones_and_in_their_own_order() {
    for fresh in databases().await {
        let ledger = fresh.ledger("a").await;
        // Ids made in the wrong order: the order of writing counts.
        let (late, early) = (event(Kind::RevisionApproved), event(Kind::RevisionRevoked));
        let tx = ledger.begin().await.unwrap();
        tx.commit(vec![early.clone(), event(Kind::PointerMoved)]).await.unwrap();
        ledger.begin().await.unwrap().commit(vec![late.clone()]).await.unwrap();
        let body = Body::new(&event(Kind::FileGranted), "a").unwrap();
        let mut waiting = vec![Waiting { body, answer: None }];
        let sealed = batch::seal(&ledger.0, &mut waiting, |_| {}, batch::Manner::default()).await.unwrap();
        let kinds: Vec<_> = entries(&ledger).await.into_iter().map(|e| e.kind).collect();
        let expected = ["ledger.opened", "revision.revoked", "pointer.moved", "revision.approved", "file.granted"];
        assert_eq!(kinds, expected);
        assert_eq!(sealed.places[0].seq, 4);
        whole(&ledger).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_pending_events_than_a_batch_takes_still_stand_before_the_waiting_one() {
    for fresh in databases().await {
        let ledger = fresh.ledger("a").await;
        let many = (0..2500).map(|_| event(Kind::RevisionListed)).collect();
        ledger.begin().await.unwrap().commit(many).await.unwrap();
        ledger.start().unwrap();
        assert_eq!(ledger.record(event(Kind::FileGranted)).await.unwrap().seq, 2501);
        ledger.stop().await;
        assert_eq!(whole(&ledger).await.checkpoints, 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_dropped_at_any_moment_leaves_both_or_neither() {
    for fresh in databases().await {
        let ledger = fresh.ledger("a").await;
        ledger.start().unwrap();
        let mut committed = 0;
        for n in 0..240 {
            let mut polls = n % 24;
            let mut making = pin!(change(&ledger));
            let done = std::future::poll_fn(|cx| {
                if polls == 0 {
                    return Poll::Ready(false);
                }
                polls -= 1;
                making.as_mut().poll(cx).map(|result| result.is_ok())
            })
            .await;
            committed += u64::from(done);
        }
        change(&ledger).await.unwrap();
        ledger.stop().await;
        let made = changes(&ledger).await;
        assert_eq!(made, entries_of(&ledger, Kind::DigestDenied).await);
        assert!(committed < made && made < 240, "{committed} of {made}");
        whole(&ledger).await;
    }
}

#[tokio::test]
async fn no_text_ends_a_change_and_no_change_is_without_event() {
    for fresh in databases().await {
        let ledger = fresh.ledger("a").await;
        let tx = ledger.begin().await.unwrap();
        let row = denied_digest::ActiveModel { sha256: Set("x".into()), reason: Set("r".into()), denied_at: Set(1) };
        denied_digest::Entity::insert(row).exec_without_returning(&tx).await.unwrap();
        for text in ["COMMIT", "UPDATE denied_digest SET reason = ''; COMMIT", "PRAGMA user_version = 7", "END"] {
            assert!(tx.execute_unprepared(text).await.is_err());
            let statement = Statement::from_string(tx.get_database_backend(), text);
            assert!(tx.execute_raw(statement.clone()).await.is_err());
            assert!(tx.query_one_raw(statement.clone()).await.is_err());
            assert!(tx.query_all_raw(statement).await.is_err());
        }
        assert!(tx.commit(Vec::new()).await.is_err());
        assert_eq!(changes(&ledger).await, 0);
        change(&ledger).await.unwrap();
    }
}

#[tokio::test]
async fn only_one_process_sequences_a_data_folder() {
    let fresh = sqlite();
    let (serve, command) = (fresh.ledger("serve").await, fresh.ledger("command").await);
    change(&command).await.unwrap();
    assert!(command.seal_pending().await.unwrap(), "nobody else does it");
    assert_eq!(entries(&command).await.len(), 2);
    serve.start().unwrap();
    let mut seen = serve.changes();
    assert!(command.start().unwrap_err().to_string().contains("stop it first"));
    assert!(serve.start().is_err());
    change(&command).await.unwrap();
    assert!(!command.seal_pending().await.unwrap());
    timeout(Duration::from_secs(3), seen.changed()).await.expect("the change is seen").unwrap();
    assert!(command.record(event(Kind::FileGranted)).await.unwrap_err().passing);
    serve.stop().await;
    assert!(command.seal_pending().await.unwrap());
    assert_eq!(whole(&serve).await.entries, 3);
    command.start().expect("the lock is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_writes_what_waits_and_then_refuses_at_once() {
    for fresh in databases().await {
        let ledger = fresh.ledger("a").await;
        assert_eq!(ledger.healthy(), Err("the ledger is not running".into()));
        let task = ledger.start().unwrap();
        ledger.record(event(Kind::GatewayStarted)).await.unwrap();
        assert_eq!(ledger.healthy(), Ok(()));
        let mut tasks = JoinSet::new();
        for _ in 0..200 {
            let ledger = ledger.clone();
            tasks.spawn(async move { ledger.record(event(Kind::FileGranted)).await });
        }
        tokio::task::yield_now().await;
        ledger.stop().await;
        task.await.unwrap();
        let answered = tasks.join_all().await.into_iter().flatten().count() as u64;
        assert_eq!(entries_of(&ledger, Kind::FileGranted).await, answered);
        let since = Instant::now();
        assert!(ledger.record(event(Kind::FileGranted)).await.unwrap_err().passing);
        assert!(ledger.begin().await.is_err_and(|fault| fault.passing));
        assert!(ledger.note(&event(Kind::FileEnded)).await.is_err_and(|fault| fault.passing));
        assert!(ledger.healthy().is_err());
        assert!(since.elapsed() < Duration::from_millis(100));
        whole(&ledger).await;
    }
}
