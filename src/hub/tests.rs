//! The hub door's handlers over a database, without a listener: listings of large revisions, and whom a wait is for.

use http::Request;
use serde_json::Value;
use weighbridge_simulator::{Content, Fault, Side};

use super::{early, http as door, pull};
use crate::{
    domain::{
        file::FilePath,
        name::RepoName,
        refusal::{Code, Refusal},
        rev::Rev,
    },
    endpoint::{
        answer::Answer as _,
        file::fetched,
        input::{Asked, Form, Input as _},
    },
    gate::{
        act::{PullFile, ViewFolder, ViewRevision},
        object::{FileAsked, FolderAsked, RevisionAsked},
    },
    intake::testing::{Bench, Workers},
    jobs::{self, State},
};

async fn asked(uri: &str) -> Asked {
    let (parts, ()) = Request::builder().uri(uri).body(()).unwrap().into_parts();
    Asked::parse(&parts, axum::body::Body::empty()).await.unwrap()
}

fn revision(name: &str) -> RevisionAsked {
    RevisionAsked { repo: RepoName::parse(name).unwrap(), rev: Rev::main() }
}

fn file(name: &str, path: &str) -> FileAsked {
    FileAsked { repo: RepoName::parse(name).unwrap(), rev: Rev::main(), path: FilePath::new(path).unwrap() }
}

fn paths(answer: &Value) -> Vec<&str> {
    answer.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect()
}

impl Bench {
    /// Examined, approved, and what `main` means.
    async fn serve(&self, name: &str) {
        assert_eq!(self.examine(&format!("{name}@main")).await, State::Done);
        self.change("DELETE FROM standing").await;
        self.approve_all().await;
        self.change(
            "INSERT INTO pointer (repository_id, environment, name, kind, commit_id, moved_at) SELECT repository_id, \
             'research', 'refs/heads/main', 'branch', commit_id, 1 FROM revision WHERE repository_id NOT IN (SELECT \
             repository_id FROM pointer)",
        )
        .await;
    }

    async fn tree(&self, query: &str) -> (Value, Option<String>) {
        let may = self.granted::<ViewRevision>(revision("datasets/acme/rows")).await;
        let answer = door::tree(self.app.clone(), may, asked(query).await).await.unwrap();
        let value = serde_json::from_slice(&answer.body()).unwrap();
        let response = answer.into_response();
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        (value, link)
    }

    async fn named(&self, wanted: &[&str]) -> Result<Value, Refusal> {
        let may = self.granted::<ViewRevision>(revision("datasets/acme/rows")).await;
        let form = Form(wanted.iter().map(|path| ("paths".to_owned(), (*path).to_owned())).collect());
        let answer = door::paths_info(self.app.clone(), may, form).await?;
        Ok(serde_json::from_slice(&answer.body()).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_tree_is_read_in_pages_and_paths_one_by_one() {
    for bench in Bench::on_each().await {
        let mut push = bench.hub.dataset("acme/rows").commit("Add");
        for n in 0..600 {
            push = push.plain(format!("part/{n:03}/Rows-{n}.txt"), "x");
        }
        push = push.plain("Z.md", "z").plain("a.md", "a").plain("part-b.md", "b").plain("é.md", "e");
        push.push();
        bench.serve("datasets/acme/rows").await;

        let mut found = Vec::new();
        let mut query = "/?recursive=true&limit=250".to_owned();
        loop {
            let (page, link) = bench.tree(&query).await;
            assert!(page.as_array().unwrap().len() <= 250);
            found.extend(paths(&page).into_iter().map(str::to_owned));
            let Some(link) = link else { break };
            query = link.split(['<', '>']).nth(1).unwrap().strip_prefix("http://gateway.test").unwrap().to_owned();
        }
        assert_eq!(found.len(), 600 + 600 + 1 + 4);
        let (all, link) = bench.tree("/?recursive=true").await;
        assert_eq!((paths(&all), link), (found.iter().map(String::as_str).collect(), None));
        let (top, _) = bench.tree("/").await;
        assert_eq!(paths(&top), ["Z.md", "a.md", "part-b.md", "part", "é.md"]);
        let may = bench.granted::<ViewFolder>(FolderAsked(file("datasets/acme/rows", "part/007"))).await;
        let answer = door::folder(bench.app.clone(), may, asked("/").await).await.unwrap();
        let value: Value = serde_json::from_slice(&answer.body()).unwrap();
        assert_eq!(paths(&value), ["part/007/Rows-7.txt"]);
        let may = bench.granted::<ViewFolder>(FolderAsked(file("datasets/acme/rows", "part/7"))).await;
        let refused = door::folder(bench.app.clone(), may, asked("/").await).await.map(|_| ()).unwrap_err();
        assert_eq!(refused.code, Code::EntryNotFound);

        let wanted = ["part/003/", "part/599/Rows-599.txt", "nothing", "part", "par", "a.md", "é.md"];
        let told = bench.named(&wanted).await.unwrap();
        assert_eq!(paths(&told), ["a.md", "part", "part/003", "part/599/Rows-599.txt", "é.md"]);
        assert_eq!((&told[1]["type"], &told[3]["size"]), (&"directory".into(), &1.into()));
        let names: Vec<String> = (0..2001).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(bench.named(&names).await.unwrap_err().code, Code::InputTooLarge);

        bench
            .change(
                "INSERT INTO revoked_file (revision_id, environment, path, reason, revoked_at) SELECT revision_id, \
                 'research', path, '', 1 FROM file WHERE path LIKE 'part/003/%' OR path = 'a.md'",
            )
            .await;
        let told = bench.named(&wanted).await.unwrap();
        assert_eq!(paths(&told), ["part", "part/599/Rows-599.txt", "é.md"], "what is revoked is in no listing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_is_not_refused_for_another_revisions_wrong_bytes() {
    let bench = Bench::on_sqlite().await;
    // Of a kind that is judged: what was found right is decided about anew.
    let good = Content::safetensors(3, 40_000);
    let liar = bench.hub.model("evil/weights").commit("Add");
    liar.lfs_claiming("bad.bin", Content::safetensors(9, 40_000), good.sha256()).push();
    bench.hub.model("acme/weights").commit("Add").lfs("good.bin", good.clone()).push();
    bench.serve("evil/weights").await;
    bench.serve("acme/weights").await;
    let workers = Workers::start(&bench.app);
    let may = bench.granted::<PullFile>(file("evil/weights", "bad.bin")).await;
    let refused = pull::send(&bench.app, may, &asked("/").await).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code, Code::BytesMismatch, "{}", refused.sentence);
    let may = bench.granted::<PullFile>(file("acme/weights", "good.bin")).await;
    let answer = pull::send(&bench.app, may, &asked("/").await).await;
    assert_eq!(answer.map(|answer| answer.into_response().status().as_u16()).map_err(|r| r.sentence), Ok(200));
    workers.stop().await;
    let standings = bench.texts("SELECT state FROM standing ORDER BY state").await;
    assert_eq!(standings, ["approved", "suspended"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_fetched_now_is_asked_for_again_later() {
    let bench = Bench::on_sqlite().await;
    bench.hub.model("acme/weights").commit("Add").lfs("model.bin", Content::generated(3, 40_000)).push();
    bench.serve("acme/weights").await;
    bench.hub.fault(Fault::status(451).on("model.bin").side(Side::Hub));
    let workers = Workers::start(&bench.app);
    let pull = async || {
        let may = bench.granted::<PullFile>(file("acme/weights", "model.bin")).await;
        pull::send(&bench.app, may, &asked("/").await).await.map(|_| ()).map_err(|refused| refused.code)
    };
    assert_eq!(pull().await, Err(Code::UpstreamUnreachable));
    bench.hub.clear_faults();
    assert_eq!(pull().await, Err(Code::UpstreamUnreachable), "the hub is left in peace for a moment");
    bench.change("UPDATE job SET run_at = 1").await;
    assert_eq!(pull().await, Ok(()));
    workers.stop().await;
}

/// A request that went away after it was written down that bytes would leave: none did, so that is taken back.
#[tokio::test(flavor = "multi_thread")]
async fn a_mark_of_which_nothing_left_is_taken_back() {
    for bench in Bench::on_each().await {
        let content = Content::safetensors(3, 8 << 20);
        bench.hub.model("acme/weights").commit("Add").lfs("model.safetensors", content.clone()).push();
        bench.serve("acme/weights").await;
        bench.hub.fault(Fault::hold_after(4 << 20).on("model.safetensors").side(Side::Cdn));
        let may = bench.granted::<PullFile>(file("acme/weights", "model.safetensors")).await;
        let work = early::fetch_of(&may);
        jobs::ask(&bench.app, &work).await.unwrap();
        let workers = Workers::start(&bench.app);
        let filling = loop {
            match bench.app.blobs.filling(&work.key(), &fetched(may.object())) {
                Some(filling) => break filling,
                None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        };
        for _ in 0..2 {
            early::mark(&bench.app, &filling, content.sha256().to_owned()).await.unwrap();
        }
        let marks = async || bench.texts("SELECT etag FROM streamed").await;
        assert_eq!(marks().await, [content.sha256()]);
        bench.hub.clear_faults();
        assert_eq!(bench.wait_for(&work.key()).await, State::Done);
        for _ in 0..600 {
            if marks().await.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(marks().await, Vec::<String>::new());
        workers.stop().await;
    }
}
