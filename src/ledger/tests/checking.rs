//! Checking: years, keys, references, and that nothing can be changed unseen.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use sea_orm::{ConnectionTrait, Statement};

use super::*;
use crate::{
    domain::time::Micros,
    keys,
    ledger::{About, note},
    store::testing::{Folder, databases, postgres},
};

#[tokio::test]
async fn a_new_year_opens_a_shard_that_names_the_old_ones_end() {
    for fresh in databases().await {
        let now = Arc::new(AtomicI64::new(Micros::parse("2026-12-31T23:59:59Z").unwrap().0));
        let clock = now.clone();
        let settings = Settings { data_dir: fresh.folder.path().to_owned(), replica: "a".into() };
        let read = Arc::new(move || Micros(clock.load(Ordering::Relaxed)));
        let ledger = Ledger::open_at(fresh.store().await, settings, read).await.unwrap();
        ledger.start().unwrap();
        let (first, old_vkey) = (ledger.record(event(Kind::FileGranted)).await.unwrap(), ledger.vkey());
        assert_eq!((first.shard, first.seq), (2026, 1));
        now.fetch_add(2 * Micros::SECOND, Ordering::Relaxed);
        let second = ledger.record(event(Kind::FileGranted)).await.unwrap();
        assert_eq!((second.shard, second.seq), (2027, 1));
        assert!(ledger.origin().ends_with("/audit/2027"));
        // The clock goes back: the year does not, nor does the time.
        now.fetch_sub(3600 * Micros::SECOND, Ordering::Relaxed);
        let third = ledger.record(event(Kind::FileGranted)).await.unwrap();
        assert_eq!((third.shard, third.seq), (2027, 2));
        ledger.stop().await;
        let entries = entries(&ledger).await;
        let opened: serde_json::Value = serde_json::from_slice(&entries[2].body).unwrap();
        assert!(opened["detail"]["prev_origin"].as_str().unwrap().ends_with("/audit/2026"));
        assert!(opened["detail"]["prev_checkpoint"].as_str().unwrap().contains("/audit/2026\n2\n"));
        assert_eq!(opened["prev"], "0".repeat(64));
        assert!(entries.windows(2).all(|pair| pair[0].time <= pair[1].time));
        // Either shard's vkey is the same key: both check everything.
        assert_eq!(verify::all(ledger.0.store.reader(), &old_vkey).await.unwrap(), whole(&ledger).await);
        assert_eq!(whole(&ledger).await.shards, 2);
        let again = fresh.ledger("b").await;
        assert!(again.origin().ends_with("/audit/2027"), "the shard that is open, whatever the clock says");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_pass_the_year_together_open_one_shard() {
    let Some(fresh) = postgres().await else { return };
    let now = Arc::new(AtomicI64::new(Micros::parse("2026-12-31T23:59:59Z").unwrap().0));
    let mut replicas = Vec::new();
    for (name, behind) in [("a", 0), ("b", 0), ("c", 2 * Micros::SECOND)] {
        let (now, settings) =
            (now.clone(), Settings { data_dir: fresh.folder.path().to_owned(), replica: name.into() });
        let read = Arc::new(move || Micros(now.load(Ordering::Relaxed) - behind));
        let ledger = Ledger::open_at(fresh.store().await, settings, read).await.unwrap();
        ledger.start().unwrap();
        replicas.push(ledger);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..12 {
        let (ledger, now) = (replicas[n % 3].clone(), now.clone());
        tasks.spawn(async move {
            for turn in 0..30 {
                ledger.record(event(Kind::FileGranted)).await.unwrap();
                if n == 0 && turn == 10 {
                    now.fetch_add(Micros::SECOND, Ordering::Relaxed);
                }
            }
        });
    }
    tasks.join_all().await;
    for replica in &replicas {
        replica.stop().await;
    }
    let report = whole(&replicas[0]).await;
    assert_eq!((report.shards, report.entries), (2, 2 + 12 * 30));
}

#[tokio::test]
async fn whatever_is_changed_behind_the_ledgers_back_is_found() {
    for fresh in databases().await {
        let other = "substr(note, 1, length(note) - 9) || 'AAAAAAA=' || substr(note, length(note), 1)";
        let lie = r#"{"actor":{"kind":"system"}}"#;
        for (sql, finds) in [
            (format!("UPDATE ledger_entry SET body = CAST('{lie}' AS BYTES) WHERE seq = 5"), "another place"),
            ("UPDATE ledger_entry SET hash = body WHERE seq = 5".into(), "hash beside it"),
            ("UPDATE ledger_entry SET kind = 'file.denied' WHERE seq = 5".into(), "what its row says"),
            ("UPDATE ledger_entry SET time = time + 1 WHERE seq = 5".into(), "wrong time"),
            ("DELETE FROM ledger_entry WHERE seq = 5".into(), "entry 5 is missing"),
            ("DELETE FROM ledger_entry WHERE seq = 8".into(), "does not fit"),
            (format!("UPDATE ledger_checkpoint SET note = {other} WHERE size = 5"), "no good signature"),
            ("UPDATE ledger_checkpoint SET note = replace(note, 'audit', 'Audit')".into(), "no good signature"),
            ("DELETE FROM ledger_checkpoint WHERE size = 9".into(), "end is not signed"),
            ("UPDATE ledger_checkpoint SET size = 99 WHERE size = 5".into(), "sizes that it does not have"),
            ("UPDATE ledger_head SET size = 8".into(), "head does not fit"),
            ("UPDATE ledger_head SET next_shard = 2099".into(), "does not lead"),
            ("DELETE FROM ledger_head".into(), "no shard"),
            ("UPDATE ledger_checkpoint SET note = (SELECT note FROM ledger_checkpoint WHERE size = 4) WHERE size = 5".into(), "over other entries"),
        ] {
            let ledger = fresh.ledger("a").await;
            if entries(&ledger).await.len() == 1 {
                ledger.start().unwrap();
                for _ in 0..8 {
                    ledger.record(event(Kind::FileGranted)).await.unwrap();
                }
                ledger.stop().await;
                assert_eq!(whole(&ledger).await.checkpoints, 9);
            }
            let bytes = if fresh.is_sqlite() { "BLOB" } else { "BYTEA" };
            let tx = ledger.0.store.begin_write().await.unwrap();
            let statement = Statement::from_string(tx.get_database_backend(), sql.replace("BYTES", bytes));
            assert!(tx.execute_raw(statement).await.unwrap().rows_affected() > 0, "{sql}");
            // Read inside the transaction, and undone with it.
            let report = verify::over(&tx, &ledger.vkey()).await.unwrap();
            assert!(report.problems.iter().any(|p| p.contains(finds)), "{sql}: {:?}", report.problems);
            tx.rollback().await.unwrap();
            whole(&ledger).await;
        }
    }
}

#[tokio::test]
async fn another_key_is_refused_with_the_file_to_copy() {
    for fresh in databases().await {
        let ledger = fresh.ledger("a").await;
        assert_eq!(note::read_vkey(&ledger.vkey()).unwrap().0, ledger.origin());
        for prepare in [|_: &Folder| {}, |folder: &Folder| drop(keys::LedgerKey::load_or_make(folder.path()).unwrap())]
        {
            let folder = Folder::new();
            prepare(&folder);
            let settings = Settings { data_dir: folder.path().to_owned(), replica: "b".into() };
            let Err(fault) = Ledger::open(fresh.store().await, settings).await else { panic!("opened") };
            let path = keys::path(folder.path());
            assert!(fault.to_string().contains(&path.display().to_string()), "{fault}");
        }
        assert_eq!(fresh.ledger("c").await.vkey(), ledger.vkey());
    }
}

#[tokio::test]
async fn of_two_first_starts_one_begins_the_ledger() {
    let Some(fresh) = postgres().await else { return };
    let (a, b) = (fresh.store().await, fresh.store().await);
    let (a, b) = tokio::join!(fresh.ledger_on(a, "a"), fresh.ledger_on(b, "b"));
    assert_eq!(a.vkey(), b.vkey());
    assert_eq!(entries(&a).await.len(), 1);
    whole(&b).await;
}

#[tokio::test]
async fn a_reference_is_the_same_everywhere_and_keyed() {
    for fresh in databases().await {
        let (a, b) = (fresh.ledger("a").await, fresh.ledger("b").await);
        let (first, second) =
            tokio::join!(a.reference(About::Actor, "ann@corp.example"), b.reference(About::Actor, "ann@corp.example"));
        let first = first.unwrap();
        assert_eq!(first, second.unwrap());
        assert_eq!(first, a.reference(About::Actor, "ann@corp.example").await.unwrap());
        assert_eq!((first.len(), first.get(..3)), (67, Some("c1:")));
        assert_ne!(first, a.reference(About::Address, "ann@corp.example").await.unwrap());
        assert_ne!(first, a.reference(About::Actor, "bob@corp.example").await.unwrap());
        // Without the key it cannot be guessed: another installation has another one.
        let other = crate::store::testing::sqlite();
        assert_ne!(first, other.ledger("a").await.reference(About::Actor, "ann@corp.example").await.unwrap());
        let rows = crate::store::tables::subject::Entity::find().all(a.0.store.reader()).await.unwrap();
        let ann = rows.iter().find(|r| r.reference == first).unwrap();
        assert_eq!(crate::ledger::subjects::reference(&ann.secret, About::Actor, "ann@corp.example"), first);
        assert!(rows.len() == 3 && ann.secret.len() == 32);
    }
}
