//! What happens between asking the rules and writing down what they said.

use weighbridge_simulator::Content;

use super::*;
use crate::{intake::testing::Bench, jobs};

/// A model that waits for a review, and the wish to decide about it.
async fn pending(bench: &Bench) -> Wish {
    let model = bench.hub.model("acme/one");
    model.commit("Add").plain("config.json", "{}").lfs("model.safetensors", Content::safetensors(1, 9_000)).push();
    assert_eq!(bench.examine("acme/one@main").await, jobs::State::Done);
    assert_eq!(bench.texts("SELECT state FROM standing").await, ["pending"]);
    let row = bench.texts("SELECT id || ' ' || commit_id FROM revision").await.remove(0);
    let (id, commit) = row.split_once(' ').unwrap();
    let repo = crate::domain::name::RepoName::parse("acme/one").unwrap();
    Wish { repo, revision_id: id.to_owned(), commit: commit.parse().unwrap() }
}

/// The rules were asked, somebody approved, and only then is written down what the rules said: it is not, and they are
/// asked again.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_came_between_is_not_undone() {
    for bench in Bench::on_each().await {
        let wish = pending(&bench).await;
        let may = grant(&bench.app, &wish, "test").unwrap();
        let (matter, said) = ask(&bench.app, &may, &wish).await.unwrap();
        bench
            .change("UPDATE standing SET state = 'approved', decided_by = 'person', changed_at = changed_at + 1")
            .await;
        let known = matter.knowledge().unwrap();
        assert!(!write(&bench.app, may, &matter, known, said).await.unwrap(), "it was written all the same");
        assert_eq!(bench.texts("SELECT state FROM standing").await, ["approved"]);
        // What that person answered is what the rules ask: so it stays.
        decide(&bench.app, &wish).await.unwrap();
        assert_eq!(bench.texts("SELECT state FROM standing").await, ["approved"]);
    }
}

/// The rules were asked, the hub went on, and the newer commit was approved: the older one is not pointed to again.
#[tokio::test(flavor = "multi_thread")]
async fn a_pointer_that_moved_between_is_not_moved_back() {
    for bench in Bench::on_each_under("guarded").await {
        let model = bench.hub.model("acme/one");
        model.commit("Add").plain("config.json", "{}").push();
        assert_eq!(bench.examine("acme/one@main").await, jobs::State::Done);
        let first = model.head("main").unwrap();
        let id = bench.texts("SELECT id FROM revision").await.remove(0);
        let repo = crate::domain::name::RepoName::parse("acme/one").unwrap();
        let wish = Wish { repo, revision_id: id, commit: first.parse().unwrap() };
        let may = grant(&bench.app, &wish, "test").unwrap();
        let (matter, said) = ask(&bench.app, &may, &wish).await.unwrap();
        let newer = "9".repeat(40);
        bench.change(&format!("UPDATE history SET commits = '{newer} {first}'")).await;
        bench.change(&format!("UPDATE pointer SET commit_id = '{newer}'")).await;
        let known = matter.knowledge().unwrap();
        assert!(write(&bench.app, may, &matter, known, said).await.unwrap());
        assert_eq!(bench.texts("SELECT commit_id FROM pointer").await, [newer]);
    }
}

/// A git id of a large file is only what the hub says: two revisions that it tells the same of have the same weights only if
/// their bytes have the same sha256.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_lies_about_a_git_id_makes_no_prose_of_other_weights() {
    for mut bench in Bench::on_each_under("guarded").await {
        let publishers = crate::app::Publishers { verified: vec!["acme".to_owned()], ..Default::default() };
        let basis = crate::app::Basis::of(crate::intake::change::basis::words(&bench.app.gate, &publishers));
        bench.app = App { basis, publishers: std::sync::Arc::new(publishers), ..bench.app.clone() };
        crate::intake::change::basis::settle(&bench.app, "a").await.unwrap();
        let array = |last: u8| {
            let head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
            let mut array = [b"\x93NUMPY\x01\x00\x76\x00", head.as_bytes()].concat();
            array.resize(127, b' ');
            array.extend_from_slice(&[b'\n', 0, 0, 0x80, 0x3f, 0, 0, 0, last]);
            Content::bytes(array)
        };
        let card = |words: &str| format!("---\nlicense: mit\n---\n# {words}\n");
        let model = bench.hub.model("acme/array");
        let push = |title: &str| model.commit(title).date("2026-01-01T00:00:00.000Z");
        let first = push("Add").lfs("array.npy", array(0x40)).plain("README.md", card("An array")).push();
        assert_eq!(bench.examine("acme/array@main").await, jobs::State::Done);
        bench.change("UPDATE standing SET state = 'approved', decided_by = 'person', rules = ''").await;
        let of = async |commit: &str, column: &str| {
            let sql = format!(
                "SELECT {column} FROM revision LEFT JOIN standing ON standing.revision_id = revision.id LEFT JOIN file ON \
                 file.revision_id = revision.id AND path = 'array.npy' WHERE commit_id = '{commit}'"
            );
            bench.texts(&sql).await.remove(0)
        };
        let words = push("Words").plain("README.md", card("An array of two numbers")).push();
        assert_eq!(bench.examine(&format!("acme/array@{words}")).await, jobs::State::Done);
        assert_eq!(of(&words, "state || ' ' || rules").await, "approved W-021");

        let other = push("Other").lfs("array.npy", array(0x41)).push();
        assert_eq!(bench.examine(&format!("acme/array@{other}")).await, jobs::State::Done);
        let told = of(&first, "git_id").await;
        bench.change(&format!("UPDATE file SET git_id = '{told}' WHERE path = 'array.npy'")).await;
        let repo = crate::domain::name::RepoName::parse("acme/array").unwrap();
        let wish = Wish { repo, revision_id: of(&other, "revision.id").await, commit: other.parse().unwrap() };
        decide(&bench.app, &wish).await.unwrap();
        let stands = of(&other, "state || ' ' || rules").await;
        assert!(!stands.starts_with("approved"), "{stands}");
    }
}
