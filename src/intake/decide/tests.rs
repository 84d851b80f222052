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
