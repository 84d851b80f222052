//! Inspections in trouble: children that die or do not start, bytes that have to come whole, and blobs that somebody changed.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use serde_json::Value;
use weighbridge_simulator::{Content, Fault};

use crate::{
    intake::{
        testing::{Bench, Workers},
        verify,
    },
    jobs::{self, State, Work},
    sandbox::{Limits, Sandbox, testing::acted},
};

impl Bench {
    /// The inspection of the only revision there is.
    async fn inspection(&self) -> Work {
        let sql = "SELECT revision.id || ' ' || commit_id || ' ' || name FROM revision JOIN repository ON repository.id = \
                   repository_id";
        let row = self.texts(sql).await.remove(0);
        let [id, commit, name] = row.split(' ').collect::<Vec<_>>().try_into().unwrap();
        Work::inspect(&crate::domain::name::RepoName::parse(name).unwrap(), id, &commit.parse().unwrap())
    }

    /// Works until the inspection is over, waiting for no back-off; what each try but the last one said of itself.
    async fn tries(&self, work: &Work) -> (State, Vec<String>) {
        jobs::ask(&self.app, work).await.unwrap();
        let workers = Workers::start(&self.app);
        let mut told: Vec<String> = Vec::new();
        let state = loop {
            match jobs::look(&self.app, &work.key()).await.unwrap() {
                Some(State::UnderWay { .. }) | None => {}
                Some(over) => break over,
            }
            let waits = "SELECT attempts || ' ' || outcome FROM job WHERE kind = 'inspect' AND state = 'waiting' AND \
                         outcome <> ''";
            for one in self.texts(waits).await {
                if told.last() != Some(&one) {
                    told.push(one);
                }
                self.change("UPDATE job SET run_at = 0 WHERE kind = 'inspect' AND state = 'waiting'").await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        workers.stop().await;
        (state, told)
    }

    async fn report(&self, path: &str) -> Option<(String, String, Value)> {
        let columns = "verdict || ' ' || coverage || ' ' || stage || ' ' || body";
        let row = self.texts(&format!("SELECT {columns} FROM report WHERE path = '{path}'")).await.pop()?;
        let (verdict, rest) = row.split_once(' ').unwrap();
        let (coverage, rest) = rest.split_once(' ').unwrap();
        let (stage, body) = rest.split_once(' ').unwrap();
        Some((verdict.to_owned(), format!("{coverage} {stage}"), serde_json::from_str(body).unwrap()))
    }

    async fn forget(&self) {
        for table in ["report", "knowledge", "standing", "job"] {
            self.change(&format!("DELETE FROM {table}")).await;
        }
    }

    fn blob(&self, content: &Content) -> PathBuf {
        let sha256 = content.sha256();
        self.fresh.folder.path().join("blobs").join(&sha256[..2]).join(&sha256[2..4]).join(sha256)
    }
}

/// A scan that ends without an answer is tried again, and only at the last try is that the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_dies_is_no_verdict_until_the_last_try() {
    let mut bench = Bench::on_sqlite().await;
    bench.hub.model("acme/tiny").commit("Add").lfs("a.safetensors", Content::safetensors(1, 50)).push();
    assert_eq!(bench.examine("acme/tiny@main").await, State::Done);
    let work = bench.inspection().await;

    bench.forget().await;
    let sound = std::mem::replace(&mut bench.app.sandbox, acted("panicking", Limits::default()));
    let (state, told) = bench.tries(&work).await;
    assert_eq!(state, State::Done, "the last try says what there is to say");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told.iter().all(|why| why.contains("a.safetensors could not be inspected: the scanner gave up (exit 101)"))
    );
    let (verdict, coverage, body) = bench.report("a.safetensors").await.unwrap();
    assert_eq!((verdict.as_str(), coverage.as_str()), ("unjudged", "incomplete inspected"));
    assert!(body["coverage"]["reason"].as_str().unwrap().contains("exit 101"));
    let denied = bench.texts("SELECT state || ' ' || reason FROM standing").await;
    assert!(denied[0].contains("W-002"), "{denied:?}");

    // The same file with a scanner that lives.
    bench.forget().await;
    bench.app.sandbox = sound;
    let (state, told) = bench.tries(&work).await;
    assert_eq!((state, told.len()), (State::Done, 0));
    assert_eq!(bench.report("a.safetensors").await.unwrap().0, "clean");
}

/// Without a scanner nothing is judged, and whoever asks is told so.
#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_does_not_start_is_an_answer_too() {
    let mut bench = Bench::on_sqlite().await;
    bench.hub.model("acme/tiny").commit("Add").file("config.json", "{}").push();
    assert_eq!(bench.examine("acme/tiny@main").await, State::Done);
    let work = bench.inspection().await;
    bench.forget().await;
    bench.app.sandbox = Sandbox::of_program("/nowhere".into(), Vec::new(), Limits::default());
    let (state, told) = bench.tries(&work).await;
    let State::Failed { why, .. } = state else { panic!("{state:?}") };
    assert!(why.contains("no scanning process could be started"), "{why}");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(bench.report("config.json").await.is_none(), "nothing is said of the file");
    let waits = bench.texts("SELECT state || ' ' || reason FROM standing").await;
    assert!(waits[0].contains("could not be inspected") && waits[0].contains("no scanning process"), "{waits:?}");
}

/// What has to come whole is fetched by a job of its own, and the inspection goes on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_has_to_come_whole_is_fetched_by_a_job_of_its_own() {
    let bench = Bench::on_sqlite().await;
    let push = bench.hub.model("acme/whole").commit("Add");
    let whole = Content::safetensors(1, 90_000);
    push.lfs("a.safetensors", whole.clone()).lfs("b.safetensors", Content::safetensors(2, 50)).push();
    bench.hub.fault(Fault::ignore_range().on("a.safetensors"));
    assert_eq!(bench.examine("acme/whole@main").await, State::Done);
    let fetches = bench.texts("SELECT state || ' ' || payload FROM job WHERE kind = 'fetch'").await;
    assert!(
        fetches.len() == 1 && fetches[0].starts_with("done") && fetches[0].contains("a.safetensors"),
        "{fetches:?}"
    );
    let of = async |path: &str| bench.report(path).await.map(|(verdict, seen, _)| (verdict, seen));
    assert_eq!(of("a.safetensors").await, Some(("clean".to_owned(), "complete verified".to_owned())));
    assert_eq!(of("b.safetensors").await, Some(("clean".to_owned(), "complete inspected".to_owned())));
    assert!(bench.blob(&whole).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_the_limit_is_not_fetched_and_says_what_to_do() {
    let mut bench = Bench::on_sqlite().await;
    bench.app.whole_file_limit = 80_000;
    let file = Content::safetensors(1, 90_000);
    bench.hub.model("acme/over").commit("Add").lfs("a.safetensors", file.clone()).push();
    bench.hub.fault(Fault::ignore_range().on("a.safetensors"));
    assert_eq!(bench.examine("acme/over@main").await, State::Done);
    let (verdict, seen, body) = bench.report("a.safetensors").await.unwrap();
    assert_eq!((verdict.as_str(), seen.as_str()), ("unjudged", "incomplete inspected"));
    let why = body["coverage"]["reason"].as_str().unwrap();
    assert!(why.contains("more than the 80000") && why.contains("intake.whole_file_limit"), "{why}");
    assert_eq!(bench.number("SELECT CAST(count(*) AS BIGINT) FROM job WHERE kind = 'fetch'").await, 0);
    // Under another limit that says nothing any more.
    bench.app.whole_file_limit = 100_000;
    let (state, _) = bench.tries(&bench.inspection().await).await;
    assert_eq!(state, State::Done);
    assert_eq!(bench.report("a.safetensors").await.unwrap().0, "clean");
}

/// A file that came is not fetched once more for whoever asks a moment later.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_not_fetched_again() {
    let bench = Bench::on_sqlite().await;
    let file = Content::generated(1, 40_000);
    bench.hub.model("acme/once").commit("Add").lfs("a.bin", file.clone()).push();
    assert_eq!(bench.examine("acme/once@main").await, State::Done);
    let fetch = bench.fetch_of("acme/once", "a.bin").await;
    assert_eq!(bench.done(&fetch).await, State::Done);
    bench.hub.reset_counters();
    assert_eq!(bench.done(&fetch).await, State::Done);
    assert_eq!(bench.hub.count("a.bin"), 0);
    fs::remove_file(bench.blob(&file)).unwrap();
    assert_eq!(bench.done(&fetch).await, State::Done);
    assert!(bench.hub.count("a.bin") > 0 && bench.blob(&file).exists(), "what is not there is fetched");
}

/// A stored file that somebody touched is read again, and fetched again when its bytes are wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_stored_file_that_was_changed_is_read_again_before_it_is_judged() {
    let bench = Bench::on_sqlite().await;
    let file = Content::from(r#"{"model_type": "bert"}"#);
    bench.hub.model("acme/tiny").commit("Add").file("config.json", file.clone()).push();
    assert_eq!(bench.examine("acme/tiny@main").await, State::Done);
    let work = bench.inspection().await;
    let path = bench.blob(&file);
    let rights = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();

    bench.forget().await;
    rights(0o600);
    let (state, told) = bench.tries(&work).await;
    assert_eq!(state, State::Done, "{told:?}");
    assert!(
        told[0].contains("config.json could not be inspected: its stored bytes are not as they were left"),
        "{told:?}"
    );
    assert_eq!(bench.report("config.json").await.unwrap().1, "complete verified");

    bench.forget().await;
    fs::write(&path, r#"{"model_type": "evil"}"#).unwrap();
    let (state, told) = bench.tries(&work).await;
    assert_eq!(state, State::Done, "{told:?}");
    assert_eq!(bench.report("config.json").await.unwrap().1, "complete inspected", "the wrong bytes are gone");
    assert!(!path.exists());
}

/// Whoever asks for what is verified already has asked too late: nothing is read again. And what is being fetched is not
/// verified beside that: whoever fetches it for somebody who reads along has it verified itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_verified_once() {
    let bench = Bench::on_sqlite().await;
    let content = Content::safetensors(1, 300_000);
    bench.hub.model("acme/tiny").commit("Add").lfs("a.safetensors", content).push();
    assert_eq!(bench.examine("acme/tiny@main").await, State::Done);
    bench.approve_all().await;
    let fetch = bench.fetch_of("acme/tiny", "a.safetensors").await;
    assert_eq!(bench.done(&fetch).await, State::Done);
    assert_eq!(bench.report("a.safetensors").await.unwrap().1, "complete inspected");

    // Stored, and its fetch still open, as while readers wait for the verdict on all of it. Workers that begin take up what a
    // dead process left, so they begin before that.
    let workers = Workers::start(&bench.app);
    let begun = Work::Evict { bytes: 0, spooled: 0 };
    jobs::ask(&bench.app, &begun).await.unwrap();
    assert_eq!(bench.wait_for(&begun.key()).await, State::Done);
    bench.change(&format!("UPDATE job SET state = 'running', lease_until = {} WHERE kind = 'fetch'", i64::MAX)).await;
    let main = crate::domain::rev::Rev::main();
    let prefetch = Work::Prefetch {
        repo: "acme/tiny".to_owned(),
        rev: main.to_string(),
        environment: "research".to_owned(),
        include: Vec::new(),
        exclude: Vec::new(),
        by: "test".to_owned(),
    };
    jobs::ask(&bench.app, &prefetch).await.unwrap();
    let vigil = bench.app.vigils.at(&crate::app::vigils::job(&fetch.key()));
    let verifications = "SELECT CAST(count(*) AS BIGINT) FROM job WHERE kind = 'verify'";
    while vigil.looked() < 2 && bench.number(verifications).await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bench.number(verifications).await, 0);
    bench.change("UPDATE job SET state = 'done' WHERE kind = 'fetch'").await;
    assert_eq!(bench.wait_for(&prefetch.key()).await, State::Done);
    workers.stop().await;
    assert_eq!(bench.number(verifications).await, 1);
    assert_eq!(bench.report("a.safetensors").await.unwrap().1, "complete verified");

    let made = "SELECT CAST(made_at AS BIGINT) FROM report";
    let (before, payload) =
        (bench.number(made).await, bench.texts("SELECT payload FROM job WHERE kind = 'verify'").await);
    let before = (before, bench.events("revision.inspected").await.len());
    assert_eq!(bench.done(&serde_json::from_str(&payload[0]).unwrap()).await, State::Done);
    assert_eq!((bench.number(made).await, bench.events("revision.inspected").await.len()), before);
}

/// What left of a file early was right when the stored bytes are those that were judged; without a report nobody knows that.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_report_nobody_knows_that_what_left_was_right() {
    let bench = Bench::on_sqlite().await;
    let content = Content::safetensors(1, 300_000);
    bench.hub.model("acme/tiny").commit("Add").lfs("a.safetensors", content.clone()).push();
    assert_eq!(bench.examine("acme/tiny@main").await, State::Done);
    bench.approve_all().await;
    let work = bench.fetch_of("acme/tiny", "a.safetensors").await;
    assert_eq!(bench.done(&work).await, State::Done);
    let Work::Fetch { repo, revision_id, commit, .. } = work else { panic!("{work:?}") };
    let repo = crate::domain::name::RepoName::parse(&repo).unwrap();
    let wish = crate::intake::digests::Wish { repo, revision_id, commit: commit.parse().unwrap() };
    let sha256 = content.sha256().parse().unwrap();
    let seal = bench.app.blobs.seal(sha256).await.unwrap().unwrap();
    let stored = crate::blobs::Stored { sha256, size: content.len(), seal };
    let is_right = async || verify::is_as_judged(&bench.app, &wish, "a.safetensors", &stored).await.unwrap();
    assert!(is_right().await);
    let other = r#"UPDATE report SET ranges = '[{"start": 0, "end": 8, "sha256": "00"}]'"#;
    for gone in [other, "UPDATE report SET ranges = 'nothing'", "DELETE FROM report"] {
        bench.change(gone).await;
        assert!(!is_right().await, "{gone}");
    }
}
