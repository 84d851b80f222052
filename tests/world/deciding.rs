//! Decisions land exactly where they were aimed: each of these was got wrong once.

use std::time::Duration;

use serde_json::json;
use weighbridge_simulator::Content;

use crate::world::World;

/// One path, other bytes in each commit: all of them are denied, wherever else they lie.
#[tokio::test]
async fn every_digest_of_a_malicious_path_is_denied() {
    let world = World::bare().await;
    let model = world.hub.model("acme/mal");
    let first = model.commit("One").lfs("m.pkl", "evil one").push();
    world.approve(&format!("acme/mal@{first}")).await;
    let second = model.commit("Two").lfs("m.pkl", "evil two").push();
    world.approve(&format!("acme/mal@{second}")).await;
    for (id, bytes) in [("copy/one", "evil one"), ("copy/two", "evil two")] {
        world.hub.model(id).commit("Add").lfs("m.pkl", bytes).push();
        world.approve(&format!("{id}@main")).await;
    }
    let reviewer = world.token("reviewer", "").await;
    let words = ["revoke", "acme/mal", "--reason", "malware", "--malicious", "--file", "m.pkl", "--yes", "--json"];
    let told = world.api_command(&words, &reviewer).await.good().json();
    assert_eq!(told["digests"].as_array().map(Vec::len), Some(2), "{told}");
    assert_eq!(told["also_stops"].as_array().map(Vec::len), Some(2), "{told}");
    let developer = world.developer().await;
    for id in ["copy/one", "copy/two"] {
        let reply = world.get(&format!("/{id}/resolve/main/m.pkl"), &developer).await;
        assert_eq!(reply.status, 403, "{id}: {}", reply.text());
        assert_eq!(world.get(&format!("/api/models/{id}/refs"), &developer).await.status, 403, "{id}");
    }
    let listed = world.get("/api/models", &developer).await.json();
    assert_eq!(listed, json!([]), "what is denied stands in no listing");
}

/// A stream of a harmless file ends too when another file of its revision turns out to be malicious.
#[tokio::test]
async fn a_denied_digest_cuts_streams_of_the_whole_revision() {
    let world = World::bare().await;
    let model = world.hub.model("acme/both");
    model.commit("Add").lfs("big.bin", Content::safetensors(3, 64 << 20)).lfs("m.pkl", "evil").push();
    world.hub.model("acme/other").commit("Add").lfs("m.pkl", "evil").push();
    world.approve("acme/both@main").await;
    world.approve("acme/other@main").await;
    let (url, developer) = (format!("{}/acme/both/resolve/main/big.bin", world.url()), world.developer().await);
    crate::wire::patient(&url, &developer, &[("range", "bytes=0-0")]).await.unwrap();
    let mut reply = crate::wire::client().get(url).bearer_auth(developer).send().await.unwrap();
    reply.chunk().await.unwrap();
    let reviewer = world.token("reviewer", "").await;
    let words = ["revoke", "acme/other@main", "--reason", "malware", "--malicious", "--file", "m.pkl", "--yes"];
    world.api_command(&words, &reviewer).await.good();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut left = 0;
    let cut = loop {
        match reply.chunk().await {
            Ok(Some(chunk)) => left += chunk.len(),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(cut, "the stream came to its end, {left} bytes after the denial");
}

/// `approve org/name@main` means where main is now, however recently it was looked at.
#[tokio::test]
async fn approving_a_branch_asks_the_hub_where_it_is() {
    let world = World::bare().await;
    let model = world.hub.model("acme/moving");
    model.commit("One").file("a.txt", "1").push();
    world.approve("acme/moving@main").await;
    let second = model.commit("Two").file("a.txt", "2").push();
    world.approve("acme/moving@main").await;
    let info = world.get("/api/models/acme/moving", &world.developer().await).await.json();
    assert_eq!(info["sha"], json!(second));
}

/// A tag may be called like a branch, and a pull request like a number; neither moves the branch.
#[tokio::test]
async fn tags_and_pull_requests_are_no_branches() {
    let world = World::bare().await;
    let model = world.hub.model("acme/names");
    let first = model.commit("One").file("a.txt", "1").push();
    let second = model.commit("Two").file("a.txt", "2").push();
    world.approve("acme/names@main").await;
    model.tag("main", &first);
    model.pull_request(1, &first);
    world.approve(&format!("acme/names@{first}")).await;
    let developer = world.developer().await;
    let info = world.get("/api/models/acme/names", &developer).await.json();
    assert_eq!(info["sha"], json!(second), "a tag moved the branch of its name");
    let at = |path: &str| format!("/api/models/acme/names/revision/{path}");
    assert_eq!(world.get(&at("refs%2Ftags%2Fmain"), &developer).await.json()["sha"], json!(first));
    assert_ne!(world.get(&at("1"), &developer).await.status, 200, "a pull request is not a branch");
}

/// After a revocation `main` refuses, until somebody pins it to what is approved.
#[tokio::test]
async fn a_revoked_main_can_be_pinned_back() {
    let world = World::bare().await;
    let model = world.hub.model("acme/back");
    let first = model.commit("One").file("a.txt", "1").push();
    world.approve("acme/back@main").await;
    let second = model.commit("Two").file("a.txt", "2").push();
    world.approve("acme/back@main").await;
    world.revoke("acme/back@main").await;
    let developer = world.developer().await;
    assert_eq!(world.get("/api/models/acme/back", &developer).await.status, 404);
    let reviewer = world.token("reviewer", "").await;
    let pin = |commit: &str| {
        ["pin", &format!("acme/back@{commit}"), "--reason", "go back", "--env", "research"].map(str::to_owned)
    };
    let words = pin(&second);
    let refused = world.api_command(&words.each_ref().map(String::as_str), &reviewer).await;
    assert_eq!(refused.code, 1, "nothing is pinned to what was revoked");
    let words = pin(&first);
    world.api_command(&words.each_ref().map(String::as_str), &reviewer).await.good();
    assert_eq!(world.get("/api/models/acme/back", &developer).await.json()["sha"], json!(first));
}

/// What our hub token may see is not what everybody here may see.
#[tokio::test]
async fn a_private_repository_looks_like_none() {
    let world = World::bare().await;
    world.hub.model("acme/secret").private(true).commit("Add").file("a.txt", "1").push();
    let developer = world.developer().await;
    for path in ["/api/models/acme/secret", "/acme/secret/resolve/main/a.txt"] {
        let (there, not) =
            (world.get(path, &developer).await, world.get(&path.replace("secret", "nothing"), &developer).await);
        assert_eq!((there.status, there.header("x-error-code")), (404, "RepoNotFound"));
        assert_eq!(there.text().replace("secret", "nothing"), not.text());
    }
    let words = ["approve", "acme/secret@main", "--reason", "test", "--env", "research", "--yes"];
    let told = world.api_command(&words, &world.token("reviewer", "").await).await;
    assert_eq!(told.code, 1);
    assert!(told.all().contains("private"), "{}", told.all());
}

/// An approval answers the requests for what it approved, and no others.
#[tokio::test]
async fn an_approval_answers_its_own_requests() {
    let world = World::bare().await;
    let model = world.hub.model("acme/asked");
    let first = model.commit("One").file("a.txt", "1").push();
    model.tag("v1", &first);
    model.commit("Two").file("a.txt", "2").push();
    let developer = world.developer().await;
    for rev in ["main", "v1"] {
        world.api_command(&["request", &format!("acme/asked@{rev}"), "--reason", "need it"], &developer).await.good();
    }
    world.approve("acme/asked@main").await;
    let list = world.api_command(&["request", "list", "--json"], &developer).await.good().json();
    let mut states: Vec<_> = list["requests"].as_array().unwrap().iter().map(|r| (&r["rev"], &r["state"])).collect();
    states.sort_by_key(|(rev, _)| rev.to_string());
    assert_eq!(states, [(&json!("main"), &json!("approved")), (&json!("v1"), &json!("open"))]);
}

/// A model card is somebody else's text; this one used to end the process.
#[tokio::test]
async fn a_hostile_card_harms_nobody() {
    let world = World::bare().await;
    let card = format!("---\na:\n{}x\n---\n", "- ".repeat(100_000));
    world.hub.model("acme/card").commit("Add").file("README.md", card).push();
    world.approve("acme/card@main").await;
    assert_eq!(world.get("/api/models/acme/card", &world.developer().await).await.status, 200);
    assert_eq!(world.get("/-/healthz", "").await.status, 200);
}

/// What was approved keeps the name it was approved under, whatever the hub calls it later.
#[tokio::test]
async fn a_rename_at_the_hub_changes_no_approved_answer() {
    let world = World::bare().await;
    let model = world.hub.model("old/name");
    model.commit("Add").file("a.txt", "1").lfs("w.bin", "weights").push();
    world.approve("old/name@main").await;
    assert!(model.rename("old/other"));
    model.commit("Two").file("a.txt", "2").push();
    world.approve("old/other@main").await;
    let developer = world.developer().await;
    for name in ["old/name", "old/other"] {
        let info = world.get(&format!("/api/models/{name}"), &developer).await.json();
        assert_eq!(info["id"], json!("old/name"), "asked as {name}");
    }
    let reply = world.get("/old/name/resolve/main/w.bin", &developer).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "weights"));
}
