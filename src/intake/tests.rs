//! The way in, against the simulator and on both databases: what is listed, fetched, believed and given up.

mod trouble;
mod twins;

use std::time::{Duration, Instant};

use serde_json::Value;
use weighbridge_simulator::{Content, Fault, Gated, Side, Token};

use super::{
    list_sql,
    testing::{Bench, Workers},
    worker::Outcome,
};
use crate::{
    clock,
    domain::{
        digest::{FileId, Sha256},
        file::FilePath,
        name::RepoName,
        rev::Rev,
    },
    gate::{act::ListRevision, object::RevisionNamed, tx::Change},
    jobs::{self, State, Work},
    store::tables::{file, repository, revision},
    upstream::{Settings, Upstream},
};

fn failed(state: State) -> String {
    match state {
        State::Failed { why, .. } => why,
        other => panic!("it did not fail: {other:?}"),
    }
}

impl Bench {
    /// The fetch of one listed file.
    async fn fetch_of(&self, repo: &str, path: &str) -> Work {
        let repo = RepoName::parse(repo).unwrap();
        let sql = format!(
            "SELECT revision_id || ' ' || commit_id || ' ' || size || ' ' || git_id || ' ' || COALESCE(lfs, '-') FROM \
             file JOIN revision ON revision.id = revision_id JOIN repository ON repository.id = repository_id WHERE \
             path = '{path}' AND name = '{}'",
            repo.path()
        );
        let row = self.texts(&sql).await.remove(0);
        let [revision, commit, size, git, lfs] = row.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let id = FileId { git: git.parse().unwrap(), lfs: lfs.parse().ok() };
        let (commit, size, path) = (commit.parse().unwrap(), size.parse().unwrap(), FilePath::new(path).unwrap());
        Work::fetch(&repo, revision, &commit, &path, size, &id)
    }

    async fn standings(&self) -> Vec<String> {
        self.texts("SELECT state FROM standing").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_small_files_are_one_job_and_few_changes() {
    for bench in Bench::on_each().await {
        let mut push = bench.hub.dataset("acme/rows").commit("Add").lfs("big.bin", Content::generated(1, 5000));
        for n in 0..230 {
            push = push.plain(format!("part/{n:03}.json"), format!("{{\"n\": {}}}", n % 220));
        }
        push.push();
        bench.hub.fault(Fault::status(503).on("part/07").times(2));
        assert_eq!(bench.examine("datasets/acme/rows@main").await, State::Done);
        let count = async |sql: &str| bench.number(sql).await;
        assert_eq!(count("SELECT CAST(count(*) AS BIGINT) FROM file WHERE sha256 IS NULL").await, 0);
        assert_eq!(count("SELECT CAST(count(*) AS BIGINT) FROM job WHERE kind = 'digests'").await, 1);
        let stored = bench.events("blob.stored").await;
        assert_eq!(stored.len(), 220, "the same bytes are fetched once and recorded once");
        assert!(stored.iter().all(|event| event["detail"].to_string().len() < 8 << 10));
        let paths = stored.iter().map(|event| (event["object"]["id"].clone(), event["detail"]["path"].clone()));
        let mut both: Vec<(String, String)> = paths.map(|(id, path)| (id.to_string(), path.to_string())).collect();
        both.sort();
        both.dedup_by(|a, b| a.0 == b.0 || a.1 == b.1);
        assert_eq!(both.len(), 220, "each event is about its own blob");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_or_known_is_not_asked_for_again() {
    let mut bench = Bench::on_sqlite().await;
    let repo = bench.hub.model("acme/tiny");
    let first = repo.commit("Add").plain("config.json", "{}").plain("a.txt", "one").push();
    assert_eq!(bench.examine("acme/tiny@main").await, State::Done);
    bench.hub.reset_counters();
    assert_eq!(bench.examine(&format!("acme/tiny@{first}")).await, State::Done);
    assert_eq!((bench.hub.count("/tree/"), bench.hub.count("/resolve/")), (0, 0), "the commit is listed already");
    let second = repo.commit("Change").plain("a.txt", "two").push();
    // What the hub said is remembered for some seconds.
    bench.app.upstream = upstream(&bench, None);
    assert_eq!(bench.examine("acme/tiny@main").await, State::Done);
    assert_eq!((bench.hub.count("/resolve/"), bench.hub.count("config.json")), (1, 0), "git ids are remembered");
    let heads = bench.texts("SELECT commits FROM history").await;
    assert_eq!(heads, [format!("{second} {first}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_written_in_parts_and_seen_when_it_is_whole() {
    for bench in Bench::on_each().await {
        let mut push = bench.hub.dataset("acme/rows").commit("Add");
        for n in 0..2300_u64 {
            push = push.lfs(format!("{n:04}.bin"), Content::generated(n, 8));
        }
        push.push();
        assert_eq!(bench.examine("datasets/acme/rows@main").await, State::Done);
        let parts = bench.events("revision.listed").await;
        let told = |key: &str| parts.iter().map(|event| event["detail"][key].clone()).collect::<Vec<Value>>();
        assert_eq!(told("part"), [1, 2, 3]);
        assert_eq!(told("files"), [1000, 1000, 300]);
        assert!(told("list").iter().all(|list| list.as_str().is_some_and(|text| text.parse::<Sha256>().is_ok())));
        assert_eq!(bench.number("SELECT CAST(count(*) AS BIGINT) FROM file").await, 2300);
        assert_eq!(bench.number("SELECT CAST(count(*) AS BIGINT) FROM listing").await, 0);
    }
}

/// As when a process dies in the middle, or two list one revision at once: the second goes on under the first one's id.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_on_with_a_listing_takes_the_ids_of_whoever_began_it() {
    for bench in Bench::on_each().await {
        let commit = "a".repeat(40);
        let listing = || {
            let (repository_id, revision_id) = (clock::new_id(), clock::new_id());
            let file = file::Model {
                revision_id: revision_id.clone(),
                path: "a.txt".to_owned(),
                size: 1,
                git_id: "b".repeat(40),
                lfs: None,
                sha256: None,
            };
            list_sql::Listing {
                repository: repository::Model {
                    id: repository_id.clone(),
                    kind: "models".to_owned(),
                    upstream_id: "65f0".to_owned(),
                    name: "acme/tiny".to_owned(),
                    hub_name: "acme/tiny".to_owned(),
                    facts: "{}".to_owned(),
                    first_seen_at: 1,
                    seen_at: 1,
                },
                names: vec!["acme/tiny".to_owned()],
                revision: revision::Model {
                    id: revision_id,
                    repository_id,
                    commit_id: commit.clone(),
                    title: String::new(),
                    committed_at: None,
                    facts: "{}".to_owned(),
                    tree_digest: None,
                    listed_at: 1,
                },
                files: vec![file],
                histories: Vec::new(),
            }
        };
        let object = RevisionNamed { repo: RepoName::parse("acme/tiny").unwrap(), rev: Rev::main() };
        let may = || bench.app.gate.admit_work::<ListRevision>("test", object.clone()).unwrap();
        let begin = async |listing: list_sql::Listing, end: bool| {
            let may = may();
            let tx = may.begin().await.unwrap();
            let ids = list_sql::begin_listing(&tx, &may, &listing).await.unwrap().unwrap();
            let rows = listing.files.into_iter().map(|row| file::Model { revision_id: ids.revision.clone(), ..row });
            list_sql::save_files(&tx, &may, rows.collect()).await.unwrap();
            if end {
                list_sql::end_listing(&tx, &may, &ids, listing.revision, listing.histories).await.unwrap();
            }
            tx.commit(may, Change::new(Value::Null)).await.unwrap();
            ids
        };
        let first = begin(listing(), false).await;
        assert!(bench.texts("SELECT id FROM revision").await.is_empty(), "half a listing is seen by nobody");
        let second = begin(listing(), true).await;
        assert_eq!((&second, second.listed), (&first, false));
        let third = begin(listing(), true).await;
        assert_eq!((&third.revision, third.listed), (&first.revision, true));
        let [files, revisions] = ["SELECT revision_id FROM file", "SELECT id FROM revision"];
        assert_eq!(bench.texts(files).await, bench.texts(revisions).await);
        assert_eq!(bench.texts(revisions).await, [first.revision]);
        assert_eq!(bench.texts("SELECT id FROM repository").await, [first.repository]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_that_first_see_a_repository_agree_on_its_ids() {
    for bench in Bench::on_each().await {
        let mut push = bench.hub.model("acme/tiny").commit("Add");
        for n in 0..1500 {
            push = push.plain(format!("{n:04}.txt"), format!("{n}"));
        }
        let sha = push.push();
        let (name, main, commit) = (RepoName::parse("acme/tiny").unwrap(), Rev::main(), Rev::new(&sha).unwrap());
        let other = if bench.fresh.is_sqlite() { bench.app.clone() } else { bench.another().await.0 };
        let (a, b) = tokio::join!(
            super::list::examine(&bench.app, &name, &main, "test"),
            super::list::examine(&other, &name, &commit, "test"),
        );
        let done = Outcome::Done;
        assert_eq!((a.unwrap(), b.unwrap()), (done.clone(), done));
        assert_eq!(bench.number("SELECT CAST(count(*) AS BIGINT) FROM file").await, 1500);
        let ids = bench.texts("SELECT id FROM revision").await;
        assert_eq!(bench.texts("SELECT DISTINCT revision_id FROM file").await, ids);
        let jobs = bench.texts("SELECT \"key\" FROM job WHERE kind = 'digests'").await;
        assert_eq!(jobs, [format!("digests {}", ids[0])], "a mismatch will stop the revision that there is");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_byte_is_fetched_again_and_two_stop_the_revision() {
    let bench = Bench::on_sqlite().await;
    let good = Content::generated(3, 300_000);
    bench.hub.model("acme/weights").commit("Add").lfs("model.bin", good.clone()).push();
    assert_eq!(bench.examine("acme/weights@main").await, State::Done);
    bench.approve_all().await;
    let work = bench.fetch_of("acme/weights", "model.bin").await;

    bench.hub.fault(Fault::flip_byte(200_000).on("model.bin").side(Side::Cdn).times(1));
    assert_eq!(bench.done(&work).await, State::Done);
    assert_eq!(bench.standings().await, ["approved"]);
    assert!(bench.app.blobs.seal(good.sha256().parse().unwrap()).await.unwrap().is_some());

    let other = Content::generated(4, 300_000);
    bench.hub.model("acme/other").commit("Add").lfs("other.bin", other).push();
    assert_eq!(bench.examine("acme/other@main").await, State::Done);
    bench.change("DELETE FROM standing").await;
    bench.approve_all().await;
    bench.hub.fault(Fault::flip_byte(5).on("other.bin").side(Side::Cdn));
    let work = bench.fetch_of("acme/other", "other.bin").await;
    bench.hub.reset_counters();
    assert!(failed(bench.done(&work).await).starts_with(jobs::MISMATCH));
    let sent: u64 = bench.hub.counts("other.bin").iter().filter(|c| c.side == Side::Cdn).map(|c| c.body_bytes).sum();
    assert_eq!(sent, 600_000, "all of it was fetched a second time before it was believed");
    let mut standings = bench.standings().await;
    standings.sort();
    assert_eq!(standings, ["approved", "suspended"]);
    assert_eq!(bench.events("blob.mismatched").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_announced_length_is_tried_again_and_stops_nothing() {
    let bench = Bench::on_sqlite().await;
    bench.hub.model("acme/weights").commit("Add").lfs("model.bin", Content::generated(3, 30_000)).push();
    assert_eq!(bench.examine("acme/weights@main").await, State::Done);
    bench.approve_all().await;
    let work = bench.fetch_of("acme/weights", "model.bin").await;
    for length in [29_999, 30_001, 512] {
        bench.hub.fault(Fault::wrong_length(length).on("model.bin").side(Side::Cdn));
        jobs::ask(&bench.app, &work).await.unwrap();
        let workers = Workers::start(&bench.app);
        let mut told = Vec::new();
        while told.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            told = bench.texts("SELECT state || ' ' || outcome FROM job WHERE kind = 'fetch' AND outcome <> ''").await;
        }
        workers.stop().await;
        let why = format!("waiting The hub had listed 30000 bytes of this file and announces {length}.");
        assert_eq!(told, [why]);
        assert_eq!(
            (bench.standings().await, bench.events("blob.mismatched").await.len()),
            (vec!["approved".into()], 0)
        );
        bench.hub.clear_faults();
        bench.change("UPDATE job SET run_at = 0, outcome = ''").await;
    }
    let workers = Workers::start(&bench.app);
    assert_eq!(bench.wait_for(&work.key()).await, State::Done);
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_repositorys_wrong_bytes_do_not_keep_another_from_the_same_blob() {
    for bench in Bench::on_each().await {
        let good = Content::generated(3, 40_000);
        let liar = bench.hub.model("evil/weights").commit("Add");
        liar.lfs_claiming("bad.bin", Content::generated(9, 40_000), good.sha256()).push();
        bench.hub.model("acme/weights").commit("Add").lfs("good.bin", good.clone()).push();
        for name in ["evil/weights@main", "acme/weights@main"] {
            assert_eq!(bench.examine(name).await, State::Done);
        }
        let (bad, right) =
            (bench.fetch_of("evil/weights", "bad.bin").await, bench.fetch_of("acme/weights", "good.bin").await);
        assert_eq!(bad.key(), right.key());
        assert!(failed(bench.done(&bad).await).starts_with(jobs::MISMATCH));
        assert!(matches!(jobs::look_for(&bench.app, &bad).await.unwrap(), Some(State::Failed { .. })));
        assert_eq!(jobs::look_for(&bench.app, &right).await.unwrap(), None, "that was another revision's failure");
        assert_eq!(bench.done(&right).await, State::Done);
        assert!(bench.app.blobs.seal(good.sha256().parse().unwrap()).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_with_wrong_bytes_is_named_and_keeps_the_others() {
    let bench = Bench::on_sqlite().await;
    let mut push = bench.hub.dataset("acme/rows").commit("Add");
    for n in 0..150 {
        push = push.plain(format!("{n:03}.txt"), format!("row {n}"));
    }
    push.push();
    bench.hub.fault(Fault::flip_byte(1).on("120.txt"));
    let why = failed(bench.examine("datasets/acme/rows@main").await);
    assert!(why.starts_with("120.txt could not be fetched: 120.txt is not what the hub had listed"), "{why}");
    let known = "SELECT CAST(count(*) AS BIGINT) FROM file WHERE sha256 IS NOT NULL";
    assert!(bench.number(known).await >= 100);
    assert_eq!(bench.events("blob.mismatched").await.len(), 1);
    bench.hub.clear_faults();
    let keys = bench.texts("SELECT payload FROM job WHERE kind = 'digests'").await;
    assert_eq!(bench.done(&serde_json::from_str(&keys[0]).unwrap()).await, State::Done);
    assert_eq!(bench.number(known).await, 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_and_a_private_one_are_said_to_be_so_at_once() {
    let mut bench = Bench::on_sqlite().await;
    bench.hub.add_token(Token::new("robot", "hf_good").may_read("*"));
    bench.app.upstream = upstream(&bench, Some("hf_good"));
    bench.hub.model("acme/taken").push_file("a.txt", "1");
    bench.hub.model("acme/taken").reregister();
    bench.hub.model("acme/secret").private(true).push_file("a.txt", "1");
    bench.hub.model("acme/gated").gated(Gated::Manual).push_file("a.txt", "1");
    let examine = async |name: &str| {
        super::list::examine(&bench.app, &RepoName::parse(name).unwrap(), &Rev::main(), "test").await.unwrap()
    };
    let why = |outcome: Outcome| match outcome {
        Outcome::Failed(why) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(examine("acme/taken").await), "acme/taken is empty: it has no commit yet");
    assert_eq!(
        why(examine("acme/secret").await),
        "acme/secret is private at the hub; private repositories are not taken until their namespace is mapped to a \
         group"
    );
    assert_eq!(examine("acme/gated").await, Outcome::Done);
    let facts: Value = serde_json::from_str(&bench.texts("SELECT facts FROM revision").await[0]).unwrap();
    assert_eq!(facts["gated"], "manual", "reviewers see it");
}

fn upstream(bench: &Bench, token: Option<&str>) -> Upstream {
    Upstream::new(Settings {
        url: url::Url::parse(bench.hub.url()).unwrap(),
        token: token.map(str::to_owned),
        allow_hosts: vec!["127.0.0.1".to_owned()],
        allow_private_addresses: true,
        reserved_namespaces: vec![],
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_no_try_and_old_jobs_are_swept() {
    for bench in Bench::on_each().await {
        bench.hub.model("acme/weights").commit("Add").lfs("model.bin", Content::generated(3, 30_000)).push();
        assert_eq!(bench.examine("acme/weights@main").await, State::Done);
        bench.change("UPDATE job SET run_at = 1").await;
        bench.hub.fault(Fault::hang().on("model.bin").side(Side::Cdn));
        let work = bench.fetch_of("acme/weights", "model.bin").await;
        jobs::ask(&bench.app, &work).await.unwrap();
        for _ in 0..2 {
            let workers = Workers::start(&bench.app);
            while bench.texts("SELECT state FROM job WHERE kind = 'fetch'").await != ["running"] {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            workers.stop().await;
            // It is put back by its own task, which a busy machine may keep waiting.
            while bench.texts("SELECT state FROM job WHERE kind = 'fetch'").await == ["running"] {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let row = bench.texts("SELECT kind || ' ' || state || ' ' || attempts || outcome FROM job").await;
            assert_eq!(row, ["fetch waiting 0"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_taken_away_only_when_its_bytes_are_proven_wrong() {
    let bench = Bench::on_sqlite().await;
    let good = Content::generated(3, 20_000_000);
    bench.hub.model("acme/weights").commit("Add").lfs("model.bin", good.clone()).push();
    assert_eq!(bench.examine("acme/weights@main").await, State::Done);
    let fetch = bench.fetch_of("acme/weights", "model.bin").await;
    assert_eq!(bench.done(&fetch).await, State::Done);
    let sha256 = good.sha256().to_owned();
    let path = bench.fresh.folder.path().join("blobs").join(&sha256[..2]).join(&sha256[2..4]).join(&sha256);
    let rows = async || bench.texts("SELECT sha256 FROM blob").await.len();
    let rights = |mode| std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    let digest: Sha256 = sha256.parse().unwrap();
    let recheck = || super::fetch::recheck(&bench.app, digest, good.len());

    // Touched all the while it is read: nothing is known.
    let over = std::sync::atomic::AtomicBool::new(false);
    let outcome = std::thread::scope(|threads| {
        threads.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                rights(0o600);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let outcome = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(recheck()));
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        outcome
    });
    assert!(matches!(outcome, Ok(Outcome::Later { .. })), "{outcome:?}");
    assert!(path.exists() && rows().await == 1);

    // Its bytes are right, and the seal is renewed.
    assert_eq!(recheck().await.unwrap(), Outcome::Done);
    assert!(path.exists() && rows().await == 1);

    // Not there: its row is closed, so that it can be fetched anew.
    std::fs::rename(&path, path.with_extension("away")).unwrap();
    assert_eq!(recheck().await.unwrap(), Outcome::Done);
    assert_eq!(rows().await, 0);

    // Wrong: it is taken away.
    assert_eq!(bench.done(&fetch).await, State::Done);
    rights(0o600);
    std::os::unix::fs::FileExt::write_all_at(&std::fs::File::options().write(true).open(&path).unwrap(), b"!!!", 9)
        .unwrap();
    assert_eq!(recheck().await.unwrap(), Outcome::Done);
    assert!(!path.exists() && rows().await == 0);
}

/// What the review measured: 20,000 small files, and a pull in the middle of it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: takes a minute or more"]
async fn twenty_thousand_small_files_and_a_pull_meanwhile() {
    for bench in Bench::on_each().await {
        bench.hub.model("acme/weights").commit("Add").lfs("model.bin", Content::generated(3, 1 << 20)).push();
        assert_eq!(bench.examine("acme/weights@main").await, State::Done);
        let mut push = bench.hub.dataset("acme/rows").commit("Add");
        for n in 0..20_000 {
            push = push.plain(format!("part-{:02}/{n:05}.json", n % 50), format!("{{\"n\": {n}}}"));
        }
        push.push();
        let began = Instant::now();
        let work = Work::examine(&RepoName::parse("datasets/acme/rows").unwrap(), &Rev::main(), "test");
        jobs::ask(&bench.app, &work).await.unwrap();
        let workers = Workers::start(&bench.app);
        assert_eq!(bench.wait_for(&work.key()).await, State::Done);
        let listed = began.elapsed();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let fetch = bench.fetch_of("acme/weights", "model.bin").await;
        let asked = Instant::now();
        jobs::ask(&bench.app, &fetch).await.unwrap();
        assert_eq!(bench.wait_for(&fetch.key()).await, State::Done);
        let pulled = asked.elapsed();
        let digests = bench.texts("SELECT \"key\" FROM job WHERE kind = 'digests'").await;
        assert_eq!(bench.wait_for(&digests[0]).await, State::Done);
        workers.stop().await;
        println!("listed after {listed:?}, whole after {:?}, a pull meanwhile took {pulled:?}", began.elapsed());
        assert!(pulled < Duration::from_secs(3));
    }
}
