//! Questions about repositories.

use super::*;

#[tokio::test]
async fn a_repository_is_found_under_its_right_name_after_a_rename() {
    let hub = Stub::start(|seen: &Seen| match seen.target.as_str() {
        "/api/models/OLD/name" => Reply::to("/api/models/old/name"),
        "/api/models/old/name" => Reply::to("/api/models/new/name"),
        "/api/models/old/name/revision/refs%2Fpr%2F1" => Reply::to("/api/models/new/name/revision/refs/pr/1"),
        _ => Reply::json(&repo("new/name")),
    })
    .await;
    let upstream = upstream(&hub);
    let facts = upstream.repository(&name("OLD/name")).await.unwrap();
    assert_eq!((facts.name.to_string().as_str(), facts.upstream_id.as_deref()), ("new/name", Some("65f0")));
    let facts = upstream.revision(&name("old/name"), &Rev::new("refs/pr/1").unwrap()).await.unwrap();
    assert_eq!(facts.commit, Some(commit()));
    assert_eq!(
        hub.targets()[2..],
        [
            "/api/models/new/name",
            "/api/models/old/name/revision/refs%2Fpr%2F1",
            "/api/models/new/name/revision/refs%2Fpr%2F1"
        ]
    );
}

#[tokio::test]
async fn a_path_prefix_and_a_kind_are_part_of_every_question() {
    let hub = Stub::start(|_: &Seen| Reply::json(&repo("a/b"))).await;
    let upstream = upstream_with(&settings(&hub, "/hf/"), limits());
    upstream.repository(&name("datasets/a/b")).await.unwrap();
    assert_eq!(hub.targets(), ["/hf/api/datasets/a/b"]);
    assert!(hub.seen()[0].asks_for_scans, "what the hub's own scanners say is asked for");
}

#[tokio::test]
async fn nobody_outside_is_asked_about_our_own_namespaces() {
    let hub = Stub::start(|seen: &Seen| match seen.target.as_str() {
        "/api/models/old/name" => Reply::to("/api/models/acme/name"),
        target if target.starts_with("/old/name/resolve/") => Reply::to(target.replace("/old/", "/acme/")),
        _ => Reply::json(&json!([{ "id": "acme/theirs" }, { "id": "b/c", "downloads": 3 }, { "id": "../x" }])),
    })
    .await;
    let upstream = upstream(&hub);
    let ours = name("ACME/secret");
    assert!(
        upstream.is_reserved(&ours) && !upstream.is_reserved(&name("acme2/x")) && !upstream.is_reserved(&name("acme"))
    );
    let author = [("author".to_owned(), "acme".to_owned())];
    let search = [("search".to_owned(), "acme/secret".to_owned())];
    assert_eq!(upstream.repository(&ours).await.err(), Some(Trouble::Reserved));
    assert_eq!(upstream.revision(&ours, &Rev::main()).await.err(), Some(Trouble::Reserved));
    assert_eq!(upstream.tree(&ours, &commit()).await.err(), Some(Trouble::Reserved));
    assert_eq!(upstream.refs(&ours).await.err(), Some(Trouble::Reserved));
    assert_eq!(upstream.commits(&ours, &Rev::main(), 5).await.err(), Some(Trouble::Reserved));
    assert_eq!(upstream.open(&ours, &commit(), &path("a"), 0).await.err(), Some(Trouble::Reserved));
    assert_eq!(upstream.search(ours.kind(), &author).await.err(), Some(Trouble::Reserved));
    assert_eq!(upstream.search(ours.kind(), &search).await.err(), Some(Trouble::Reserved));
    assert!(hub.targets().is_empty());
    assert_eq!(upstream.repository(&name("old/name")).await.err(), Some(Trouble::Reserved));
    assert_eq!(upstream.open(&name("old/name"), &commit(), &path("a"), 0).await.err(), Some(Trouble::Reserved));
    assert!(!hub.targets().iter().any(|target| target.contains("acme")), "{:?}", hub.targets());
    let found = upstream.search(ours.kind(), &[("evil".to_owned(), "x".to_owned())]).await.unwrap();
    assert_eq!(found.iter().map(|hit| hit.name.to_string()).collect::<Vec<_>>(), ["b/c"]);
    assert_eq!(hub.targets().last().map(String::as_str), Some("/api/models?limit=100"));
}

#[tokio::test]
async fn a_tree_is_read_over_all_its_pages_and_only_here() {
    let file = |path: &str| json!({ "type": "file", "path": path, "size": 3, "oid": "b".repeat(40) });
    let hub = Stub::start(move |seen: &Seen| {
        let page = |path: &str| Reply::json(&json!([file(path), { "type": "directory", "path": "d", "oid": "x" }]));
        match seen.target.as_str() {
            t if t.contains("cursor=2") => page("b"),
            t if t.contains("/a/b/") => {
                page("a").with("link", "<https://x.test/>; rel=\"xet\", </elsewhere?cursor=2>; rel=\"next\"")
            }
            t if t.contains("/a/foreign/") => page("a").with("link", "<http://evil.test/api?cursor=2>; rel=\"next\""),
            t if t.contains("/a/twice/") => page("b").with("link", "<?cursor=2>; rel=\"next\""),
            t if t.contains("/a/loop/") => page("a").with("link", "<?recursive=true&expand=false>; rel=\"next\""),
            t if t.contains("/a/endless/") => page("a").with("link", format!("<{t}0>; rel=\"next\"")),
            t if t.contains("/a/hostile/") => page("x/../../y"),
            t if t.contains("/a/many/") => Reply::json(&json!(vec![file("a"); 51])),
            t if t.contains("/a/huge/") => Reply::status(200).body(vec![b' '; 100_001]),
            _ => Reply::status(200).body("<html>sign in</html>"),
        }
    })
    .await;
    let upstream = upstream(&hub);
    let tree = async |text: &str| upstream.tree(&name(text), &commit()).await;
    let files = tree("a/b").await.unwrap();
    assert_eq!(files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(hub.targets()[1], format!("/api/models/a/b/tree/{COMMIT}?cursor=2"));
    assert!(matches!(tree("a/foreign").await, Err(Trouble::Refused(s)) if s.contains("evil.test")));
    assert!(matches!(tree("a/twice").await, Err(Trouble::Unexpected(s)) if s.contains("twice: b")));
    assert!(matches!(tree("a/loop").await, Err(Trouble::TooLarge(_))));
    assert!(matches!(tree("a/endless").await, Err(Trouble::TooLarge(s)) if s.contains("pages")));
    assert!(matches!(tree("a/hostile").await, Err(Trouble::Unexpected(s)) if s.contains("x/../../y")));
    assert!(matches!(tree("a/many").await, Err(Trouble::TooLarge(s)) if s.contains("entries")));
    assert!(matches!(tree("a/huge").await, Err(Trouble::TooLarge(_))));
    assert!(matches!(tree("a/html").await, Err(Trouble::Unexpected(s)) if !s.contains("sign in")));
}

#[tokio::test]
async fn refs_and_commits_are_read() {
    let hub = Stub::start(|seen: &Seen| {
        if seen.target.ends_with("/refs?include_prs=1") {
            return Reply::json(&json!({ "branches": [{ "name": "main", "ref": "refs/heads/main", "targetCommit": COMMIT }] }));
        }
        let one = |id: &str| json!({ "id": id.repeat(40), "title": "a\nb", "date": "2026-11-20T20:00:00.000Z", "authors": [{ "user": "u" }] });
        let next = if seen.target.contains("p=1") { "<?p=2>; rel=\"next\"" } else { "<?p=1>; rel=\"next\"" };
        Reply::json(&json!([one("a"), one("b")])).with("link", next)
    })
    .await;
    let upstream = upstream(&hub);
    let refs = upstream.refs(&name("a/b")).await.unwrap();
    assert_eq!((refs.len(), refs[0].reference.as_str()), (1, "refs/heads/main"));
    let commits = upstream.commits(&name("a/b"), &Rev::main(), 3).await.unwrap();
    assert_eq!((commits.len(), commits[0].title.as_str(), commits[0].authors.len()), (3, "a b", 1));
    assert_eq!(hub.targets().len(), 3);
}

#[tokio::test]
async fn another_commit_than_was_asked_for_is_not_taken() {
    let hub = Stub::start(|seen: &Seen| match seen.target.as_str() {
        "/api/models/a/none/revision/main" => Reply::json(&json!({ "id": "a/none" })),
        _ => Reply::json(&repo("a/b")),
    })
    .await;
    let upstream = upstream(&hub);
    let other = Rev::new(&"c".repeat(40)).unwrap();
    assert!(matches!(upstream.revision(&name("a/b"), &other).await, Err(Trouble::Unexpected(_))));
    assert!(matches!(upstream.revision(&name("a/none"), &Rev::main()).await, Err(Trouble::Unexpected(_))));
}

#[tokio::test]
async fn a_rejected_token_is_told_from_a_missing_repository() {
    let hub = Stub::start(|seen: &Seen| match seen.target.as_str() {
        "/api/whoami-v2" => Reply::json(&json!({ "name": "robot", "orgs": [] })),
        "/api/models/a/bad" => {
            Reply::status(401).with("x-error-message", "Invalid credentials in Authorization header")
        }
        _ => Reply::status(401).with("x-error-message", "Invalid username or password."),
    })
    .await;
    let upstream = upstream(&hub);
    let bad = upstream.repository(&name("a/bad")).await.unwrap_err();
    assert_eq!(bad.to_string(), "The hub does not accept our token.");
    assert_eq!(upstream.repository(&name("a/missing")).await.err(), Some(Trouble::RepoNotFound));
    assert_eq!(upstream.whoami().await.unwrap().as_deref(), Some("robot"));
}
