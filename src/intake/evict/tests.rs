//! What goes and what stays when the store is full.

use weighbridge_simulator::Content;

use super::*;
use crate::{
    app::storage::{Storage as Rules, StorageRules},
    intake::{
        fetch::{self, Brought},
        testing::Bench,
    },
    jobs::State,
};

const MIB: u64 = 1 << 20;

/// A model with one file of a mebibyte, taken in and in the store.
async fn stored(bench: &Bench, name: &str, seed: u64) -> String {
    let content = Content::generated(seed, MIB);
    let commit = bench.hub.model(name).commit("Add").plain("data.bin", content.clone()).push();
    assert_eq!(bench.examine(&format!("{name}@main")).await, State::Done);
    let _ = commit;
    content.sha256().to_owned()
}

impl Bench {
    fn limit(&mut self, quota: u64, evict: Evict) {
        self.app.storage = Rules::new(StorageRules { quota: Some(quota), keep_free: 0, evict });
    }

    async fn has(&self, sha256: &str) -> (bool, bool) {
        let rows = self.texts(&format!("SELECT sha256 FROM blob WHERE sha256 = '{sha256}'")).await;
        (!rows.is_empty(), self.app.blobs.seal(sha256.parse().unwrap()).await.unwrap().is_some())
    }

    /// As if so long ago.
    async fn used(&self, sha256: &str, ago: i64) {
        let at = clock::now().0 - ago * Micros::SECOND;
        self.change(&format!("DELETE FROM blob_use WHERE sha256 = '{sha256}'")).await;
        self.change(&format!("INSERT INTO blob_use (sha256, used_at) VALUES ('{sha256}', {at})")).await;
    }

    async fn approve_one(&self, name: &str) {
        self.change(&format!(
            "DELETE FROM standing WHERE repository_id IN (SELECT id FROM repository WHERE name = '{name}')"
        ))
        .await;
        self.change(&format!(
            "INSERT INTO standing (revision_id, environment, repository_id, state, reason, changed_at) SELECT \
             revision.id, 'research', repository_id, 'approved', '', 1 FROM revision JOIN repository ON repository.id = \
             repository_id WHERE name = '{name}'"
        ))
        .await;
    }

    /// Removes what was evicted, once it has lingered.
    async fn let_go(&self) {
        while self.number("SELECT CAST(count(*) AS BIGINT) FROM blob_leaving").await > 0 {
            remove_leaving(&self.app).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_approved_revision_needs_goes_the_least_recently_used_first() {
    for mut bench in Bench::on_each().await {
        let [old, new, kept] = [
            stored(&bench, "acme/old", 1).await,
            stored(&bench, "acme/new", 2).await,
            stored(&bench, "acme/kept", 3).await,
        ];
        bench.approve_one("acme/kept").await;
        bench.used(&kept, 9000).await;
        bench.used(&new, 100).await;
        bench.used(&old, 200).await;
        bench.limit(5 * MIB / 2, Evict::Unapproved);
        assert_eq!(evict(&bench.app, Coming::default()).await.unwrap(), Outcome::Done);
        assert_eq!((bench.has(&old).await, bench.has(&new).await), ((false, true), (true, true)));
        bench.let_go().await;
        assert_eq!(bench.has(&old).await, (false, false), "its bytes are gone");
        let events = bench.events("blob.evicted").await;
        assert_eq!(events.len(), 1);
        let told = &events[0]["detail"];
        assert_eq!((told["blobs"].as_u64(), told["bytes"].as_u64()), (Some(1), Some(MIB)), "{told}");
        assert_eq!(told["sha256"][0].as_str(), Some(old.as_str()));
        // Nothing of what is approved goes, however little room there is: then nothing more may come.
        bench.limit(MIB / 2, Evict::Unapproved);
        assert_eq!(evict(&bench.app, Coming::default()).await.unwrap(), Outcome::Done);
        assert_eq!((bench.has(&new).await.0, bench.has(&kept).await.0), (false, true));
        bench.let_go().await;
        let Some(Outcome::Failed(why)) = room_for(&bench.app, MIB, ("", "")).await.unwrap() else {
            panic!("there is room")
        };
        assert!(why.starts_with(jobs::NO_ROOM) && why.contains("1.0 MiB of the 512.0 KiB"), "{why}");
        // What is evicted has to be read by the scanner again.
        let sql = format!(
            "SELECT stage FROM report JOIN file ON file.path = report.path AND file.revision_id = \
                           report.revision_id WHERE sha256 = '{old}'"
        );
        assert_eq!(bench.texts(&sql).await, ["inspected"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn approved_files_go_only_where_it_is_said_and_pinned_ones_never() {
    for mut bench in Bench::on_each().await {
        let pinned = stored(&bench, "acme/pinned", 1).await;
        let approved = stored(&bench, "acme/approved", 2).await;
        for name in ["acme/pinned", "acme/approved"] {
            bench.approve_one(name).await;
        }
        let of = "FROM revision JOIN repository ON repository.id = repository_id WHERE name = 'acme/pinned'";
        bench
            .change(&format!(
                "INSERT INTO pointer (repository_id, environment, name, kind, commit_id, moved_at) SELECT \
                               repository_id, 'research', 'refs/heads/main', 'branch', commit_id, 1 {of}"
            ))
            .await;
        bench
            .change(&format!(
                "INSERT INTO pin (repository_id, environment, name, commit_id, pinned_at) SELECT \
                               repository_id, 'research', 'refs/heads/main', commit_id, 1 {of}"
            ))
            .await;
        for sha256 in [&pinned, &approved] {
            bench.used(sha256, 100).await;
        }
        bench.limit(1, Evict::LeastUsed);
        assert_eq!(evict(&bench.app, Coming::default()).await.unwrap(), Outcome::Done);
        assert_eq!((bench.has(&pinned).await.0, bench.has(&approved).await.0), (true, false));
        // The pointer moves on, and with it the pin ends.
        bench.change("UPDATE pointer SET commit_id = 'another'").await;
        assert_eq!(evict(&bench.app, Coming::default()).await.unwrap(), Outcome::Done);
        assert!(!bench.has(&pinned).await.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_while_it_is_read_or_worked_on() {
    for mut bench in Bench::on_each().await {
        let read = stored(&bench, "acme/read", 1).await;
        let worked_on = stored(&bench, "acme/worked", 2).await;
        for sha256 in [&read, &worked_on] {
            bench.used(sha256, 100).await;
        }
        let sha256: Sha256 = read.parse().unwrap();
        let seal = bench.app.blobs.seal(sha256).await.unwrap().unwrap();
        let mut reader = bench.app.blobs.read(sha256, &seal, 0, seal.size()).await.unwrap();
        let revision =
            bench.texts(&format!("SELECT revision_id FROM file WHERE sha256 = '{worked_on}'")).await.remove(0);
        let commit = "a".repeat(40).parse().unwrap();
        let repo = crate::domain::name::RepoName::parse("acme/worked").unwrap();
        jobs::ask(&bench.app, &Work::inspect(&repo, &revision, &commit)).await.unwrap();
        bench.limit(1, Evict::LeastUsed);
        assert_eq!(evict(&bench.app, Coming::default()).await.unwrap(), Outcome::Done);
        assert_eq!((bench.has(&read).await.0, bench.has(&worked_on).await.0), (true, true));
        // What had been evicted when a stream elsewhere had just begun stays until that has ended.
        bench.change(&format!("DELETE FROM blob WHERE sha256 = '{read}'")).await;
        let change = format!("INSERT INTO blob_leaving (sha256, size, since_at) VALUES ('{read}', 1, 1)");
        bench.change(&change).await;
        remove_leaving(&bench.app).await.unwrap();
        assert!(bench.has(&read).await.1, "it is still being read");
        let mut bytes = 0;
        while let Some(chunk) = reader.next().await {
            bytes += chunk.unwrap().len() as u64;
        }
        assert_eq!(bytes, MIB);
        drop(reader);
        bench.let_go().await;
        assert!(!bench.has(&read).await.1);
    }
}

#[tokio::test]
async fn a_reserve_on_the_disk_is_kept() {
    let mut bench = Bench::on_sqlite().await;
    let free = bench.app.blobs.free().await.unwrap();
    assert!(free.of_blobs && free.bytes > 0);
    let rules = StorageRules { keep_free: u64::MAX / 2, ..StorageRules::default() };
    bench.app.storage = Rules::new(rules);
    let Some(Outcome::Failed(why)) = room_for(&bench.app, 10, ("", "")).await.unwrap() else { panic!("there is room") };
    assert!(why.contains("free on the disk") && why.contains("this needs 10 bytes"), "{why}");
    bench.app.storage = Rules::default();
    assert_eq!(room_for(&bench.app, u64::MAX, ("", "")).await.unwrap(), None, "without limits nothing is measured");
}

/// Of two that do not fit together one comes, and the other waits for what will be left.
#[tokio::test(flavor = "multi_thread")]
async fn fetches_do_not_fill_the_same_room_twice() {
    for mut bench in Bench::on_each().await {
        bench.limit(3 * MIB, Evict::Unapproved);
        let fetch = |n: char| Work::Fetch {
            repo: "acme/weights".to_owned(),
            revision_id: "r".to_owned(),
            commit: "a".repeat(40),
            path: "model.bin".to_owned(),
            size: 2 * MIB,
            git: "b".repeat(40),
            lfs: Some(n.to_string().repeat(64)),
        };
        for n in ['c', 'd'] {
            jobs::ask(&bench.app, &fetch(n)).await.unwrap();
        }
        bench.change("UPDATE job SET state = 'running'").await;
        let ids = bench.texts("SELECT id FROM job ORDER BY id").await;
        assert_eq!(room_for(&bench.app, 2 * MIB, (&ids[0], "")).await.unwrap(), None, "the first comes");
        let second = room_for(&bench.app, 2 * MIB, (&ids[1], "")).await.unwrap();
        assert!(matches!(second, Some(Outcome::GoesOn { .. })), "{second:?}");
        let Some(Outcome::Failed(_)) = room_for(&bench.app, 4 * MIB, (&ids[0], "")).await.unwrap() else {
            panic!("there is room for what is larger than all of it")
        };
    }
}

/// What a broken fetch left lies on the disk already: it is resumed where all of it again would not fit.
#[tokio::test]
async fn what_lies_in_a_spool_is_not_counted_against_the_disk_again() {
    let mut bench = Bench::on_sqlite().await;
    let content = Content::generated(1, 64 * MIB);
    let work = Work::Fetch {
        repo: "acme/weights".to_owned(),
        revision_id: "r".to_owned(),
        commit: "a".repeat(40),
        path: "model.bin".to_owned(),
        size: content.len(),
        git: "b".repeat(40),
        lfs: Some(content.sha256().to_owned()),
    };
    jobs::ask(&bench.app, &work).await.unwrap();
    let id = bench.texts("SELECT id FROM job").await.remove(0);
    let expected = crate::blobs::Expected {
        size: content.len(),
        git: "b".repeat(40).parse().unwrap(),
        lfs: content.sha256().parse().ok(),
    };
    let mut spool = bench.app.blobs.spool(&work.key(), expected).await.unwrap();
    spool.append(content.read(0, 63 << 20).into()).await.unwrap();
    spool.flush().await.unwrap();
    drop(spool);
    let full = measure(&bench.app, bench.app.gate.admit_work::<EvictBlobs>("test", Storage).unwrap().reader()).await;
    // Half of the file fits beside the reserve, and all but a mebibyte of it is here.
    let free = Free { bytes: 1 << 40, ..full.unwrap().free };
    bench.app.storage = Rules::new(StorageRules { keep_free: free.bytes - 32 * MIB, ..StorageRules::default() });
    let full = Fullness { blobs: 0, stored: 0, leaving: 0, may_go: 0, free };
    let resumed = coming(&bench.app, &work.key(), content.len()).await.unwrap();
    assert_eq!(resumed, Coming { bytes: 64 * MIB, spooled: 63 * MIB });
    assert_eq!(full.missing(&bench.app, resumed), 0);
    assert_eq!(full.missing(&bench.app, coming(&bench.app, "fetch another", content.len()).await.unwrap()), 32 * MIB);
    // Nor is what others have written of what they bring.
    bench.change("UPDATE job SET state = 'running', done_bytes = 1").await;
    let may = bench.app.gate.admit_work::<EvictBlobs>("test", Storage).unwrap();
    assert_eq!(sql::list_arriving(may.reader(), "").await.unwrap(), [(work.key(), 64 * MIB)]);
    assert!(sql::list_arriving(may.reader(), &id).await.unwrap().is_empty());
    // A quota counts what will have a name, wherever it lies now.
    bench.limit(60 * MIB, Evict::Unapproved);
    assert_eq!(full.missing(&bench.app, resumed), 4 * MIB);
}

/// Evicted bytes lie there for a while: whoever stores them again meanwhile has them, whatever is about to remove them.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_again_while_it_leaves_stays() {
    for mut bench in Bench::on_each().await {
        let name = stored(&bench, "acme/one", 1).await;
        let sha256: Sha256 = name.parse().unwrap();
        let row = "SELECT revision_id || ' ' || commit_id || ' ' || git_id FROM file JOIN revision ON revision.id = revision_id";
        let row = bench.texts(row).await.remove(0);
        let [revision, commit, git] = row.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let wanted = fetch::wanted("acme/one", revision.to_owned(), commit, "data.bin", MIB, (git, None)).unwrap();
        bench.used(&name, 100).await;
        bench.limit(1, Evict::LeastUsed);
        assert_eq!(evict(&bench.app, Coming::default()).await.unwrap(), Outcome::Done);
        assert_eq!(bench.has(&name).await, (false, true));
        bench.change("UPDATE blob_leaving SET since_at = 1").await;
        // Stored, and not yet written down: small files are written down a hundred at a time.
        let brought = fetch::bring(&bench.app, &wanted, None).await.unwrap();
        let Brought::Stored(again) = brought else { panic!("it was not fetched") };
        remove_leaving(&bench.app).await.unwrap();
        fetch::keep(&bench.app, &wanted, &again).await.unwrap();
        assert_eq!(bench.has(&name).await, (true, true));

        // Who comes when they are being removed waits for the end of it and fetches them.
        assert_eq!(evict(&bench.app, Coming::default()).await.unwrap(), Outcome::Done);
        bench.change(&format!("UPDATE blob_leaving SET since_at = -{}", clock::now().0)).await;
        remove_leaving(&bench.app).await.unwrap();
        assert_eq!(bench.has(&name).await, (false, true), "somebody is at it");
        let bringing = crate::tasks::spawn({
            let (app, wanted) = (bench.app.clone(), wanted.clone());
            async move { fetch::bring(&app, &wanted, None).await.is_ok_and(|end| matches!(end, Brought::Stored(_))) }
        });
        let mut bringing = std::pin::pin!(bringing);
        assert!(tokio::time::timeout(Duration::from_millis(700), &mut bringing).await.is_err(), "it did not wait");
        bench.app.blobs.remove(sha256).await.unwrap();
        bench.change("DELETE FROM blob_leaving").await;
        assert!(bringing.await.unwrap());
        assert!(bench.has(&name).await.1);
        // A removal that was left by somebody who died is gone on with.
        bench.change(&format!("INSERT INTO blob_leaving (sha256, size, since_at) VALUES ('{name}', 1, -5)")).await;
        remove_leaving(&bench.app).await.unwrap();
        assert!(!bench.has(&name).await.1);
        assert_eq!(bench.number("SELECT CAST(count(*) AS BIGINT) FROM blob_leaving").await, 0);
    }
}
