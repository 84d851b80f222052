//! Names and revisions of every shape mean the one thing they mean at the hub, and pages stay on our own host.

use serde_json::json;
use weighbridge_simulator::Content;

use crate::{
    stock::{Desk, HUBS},
    world::World,
};

#[tokio::test]
async fn old_names_wrong_case_and_one_segment_lead_to_the_same_files() {
    let world = World::new().await;
    for revision in ["acme/tiny@main", "gpt2@main", "datasets/acme/rows@main", "spaces/acme/app@main"] {
        world.approve(revision).await;
    }
    let commit = world.hub.model("acme/tiny").head("main").unwrap();
    let steps = json!([
        { "do": "snapshot", "repo": "acme/tiny" },
        { "do": "snapshot", "repo": "oldorg/tiny" },
        { "do": "snapshot", "repo": "Acme/Tiny" },
        { "do": "download", "repo": "oldorg/tiny", "file": "model.safetensors" },
        { "do": "download", "repo": "Acme/Tiny", "file": "model.safetensors" },
        { "do": "info", "repo": "oldorg/tiny" },
        { "do": "snapshot", "repo": "gpt2" },
        { "do": "snapshot", "repo": "acme/app", "type": "space" },
        { "do": "info", "repo": "acme/app", "type": "space" },
        { "do": "snapshot", "repo": "acme/rows", "type": "dataset" },
    ]);
    for venv in HUBS {
        let seen = Desk::new(&world).await.steps(venv, &steps).await;
        for (step, seen) in steps.as_array().unwrap().iter().zip(&seen) {
            assert!(seen.get("value").is_some(), "{venv}: {step}: {seen}");
        }
        for other in [1, 2] {
            assert_eq!(seen[other]["value"], seen[0]["value"], "{venv}: {}", steps[other]);
        }
        assert_eq!(seen[3]["value"], seen[4]["value"], "{venv}");
        assert_eq!(
            (&seen[5]["value"]["id"], &seen[5]["value"]["sha"]),
            (&json!("acme/tiny"), &json!(commit)),
            "{venv}"
        );
        assert!(seen[6]["value"]["files"].get("model.safetensors").is_some(), "{venv}: {}", seen[6]);
        assert!(seen[7]["value"]["files"].get("app.py").is_some(), "{venv}: {}", seen[7]);
        assert!(seen[9]["value"]["files"].get("data/train.parquet").is_some(), "{venv}: {}", seen[9]);
    }
    world.nothing_leaked();
}

#[tokio::test]
async fn strange_names_survive_the_way() {
    let world = World::bare().await;
    let names = [
        "100% +#.txt",
        "a b/c d.json",
        "naïve/模型.txt",
        "q?x=1&y.txt",
        "semi;colon.txt",
        "dots..in/x..y",
        "[b]{c}.txt",
        "~tilde'quote.txt",
    ];
    let mut push = world.hub.model("acme/odd").commit("Add odd names");
    for (seed, name) in names.iter().enumerate() {
        push = push.file(*name, words(seed));
    }
    push.push();
    world.approve("acme/odd@main").await;
    for venv in HUBS {
        let seen = Desk::new(&world).await.steps(venv, &json!([{ "do": "snapshot", "repo": "acme/odd" }])).await;
        for (seed, name) in names.iter().enumerate() {
            let digest = words(seed).sha256().to_owned();
            assert_eq!(seen[0]["value"]["files"][*name], digest, "{venv}: {name}: {}", seen[0]);
        }
    }
}

#[tokio::test]
async fn main_moves_by_approval_alone() {
    let world = World::bare().await;
    let repo = world.hub.model("acme/moving");
    let first = repo.push_file("config.json", "{\"n\": 1}");
    world.approve("acme/moving@main").await;
    let token = world.developer().await;
    let second = repo.push_file("config.json", "{\"n\": 2}");
    let path = "/acme/moving/resolve/main/config.json";
    let before = world.get(path, &token).await;
    assert_eq!((before.status, before.header("x-repo-commit")), (200, first.as_str()), "{}", before.text());
    let refused = world.get(&format!("/acme/moving/resolve/{second}/config.json"), &token).await;
    assert_eq!((refused.status, refused.header("x-error-code")), (403, "GatedRepo"));
    world.approve("acme/moving@main").await;
    let after = world.get(path, &token).await;
    assert_eq!(
        (after.status, after.header("x-repo-commit"), after.text().as_str()),
        (200, second.as_str(), "{\"n\": 2}")
    );
    let old = world.get(&format!("/acme/moving/resolve/{first}/config.json"), &token).await;
    assert_eq!(old.status, 200, "what was approved by commit stays so");
}

#[tokio::test]
async fn upstream_renames_deletes_and_reregisters_change_no_approved_answer() {
    let world = World::bare().await;
    let token = world.developer().await;
    for id in ["acme/renamed", "acme/deleted", "acme/taken"] {
        world.hub.model(id).push_file("config.json", format!("{{\"id\": \"{id}\"}}"));
        world.approve(&format!("{id}@main")).await;
        assert_eq!(world.get(&format!("/{id}/resolve/main/config.json"), &token).await.status, 200);
    }
    assert!(world.hub.model("acme/renamed").rename("other/renamed"));
    world.hub.model("acme/deleted").delete();
    let stranger = world.hub.model("acme/taken").reregister();
    let evil = stranger.push_file("config.json", "{\"id\": \"evil\"}");
    for id in ["acme/renamed", "acme/deleted", "acme/taken"] {
        let reply = world.get(&format!("/{id}/resolve/main/config.json"), &token).await;
        assert_eq!((reply.status, reply.text()), (200, format!("{{\"id\": \"{id}\"}}")));
    }
    // Whoever takes a name does not inherit what was approved under it, and cannot slip in by an approval of the name.
    assert_ne!(world.get(&format!("/acme/taken/resolve/{evil}/config.json"), &token).await.status, 200);
    let reviewer = world.token("reviewer", "").await;
    let words = ["approve", "acme/taken@main", "--reason", "no look", "--env", "research", "--yes"];
    let ran = world.api_command(&words, &reviewer).await;
    assert_eq!(ran.code, 1, "{}", ran.all());
    let reply = world.get("/acme/taken/resolve/main/config.json", &token).await;
    assert_eq!(reply.text(), "{\"id\": \"acme/taken\"}");
}

#[tokio::test]
async fn pages_link_to_our_own_host() {
    let world = World::bare().await;
    let mut push = world.hub.model("acme/pages").commit("Add files");
    for n in 0..23 {
        push = push.file(format!("part-{n:02}.txt"), format!("{n}"));
    }
    push.push();
    world.hub.tree_page(Some(5));
    world.approve("acme/pages@main").await;
    let token = world.developer().await;
    let mut path = "/api/models/acme/pages/tree/main?recursive=true&limit=10".to_owned();
    let mut files = Vec::new();
    loop {
        let reply = world.get(&path, &token).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        files.extend(reply.json().as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap().to_owned()));
        let link = reply.header("link").to_owned();
        let Some(next) = link.strip_prefix('<').and_then(|rest| rest.split_once('>')) else { break };
        path = next.0.strip_prefix(world.url()).unwrap_or_else(|| panic!("a foreign link: {link}")).to_owned();
    }
    files.sort();
    files.dedup();
    assert_eq!(files.len(), 23, "{files:?}");
    // Whoever does not follow pages gets all of it at once.
    let whole = world.get("/api/models/acme/pages/tree/main?recursive=true", &token).await;
    assert_eq!(whole.json().as_array().map(Vec::len), Some(23));
}

#[tokio::test]
async fn llama_cpp_finds_its_file_on_one_page() {
    let world = World::bare().await;
    let weights = Content::safetensors(1, 500_000);
    let mut push = world.hub.model("acme/gguf").commit("Add").lfs("zz/model-Q4_K_M.gguf", weights.clone());
    for n in 0..1200_u64 {
        push = push.lfs(format!("part-{n:04}.json"), format!("[{n}]\n"));
    }
    let sha = push.push();
    world.approve("acme/gguf@main").await;
    let shaped = ["token", "create", "--name", "llama", "--role", "developer", "--env", "research", "--shape", "hf"];
    let token = world.gateway.command(&shaped, &[]).await.good().out.trim().to_owned();
    let agent = [("user-agent", "llama-cpp/b7000")];
    let refs = world.ask("GET", "/api/models/acme/gguf/refs", &token, &agent).await;
    assert_eq!(refs.json()["branches"][0]["targetCommit"], sha, "{}", refs.text());
    let tree = format!("/api/models/acme/gguf/tree/{sha}?recursive=true");
    let tree = world.ask("GET", &tree, &token, &agent).await;
    let found = tree.json().as_array().unwrap().iter().any(|entry| entry["path"] == "zz/model-Q4_K_M.gguf");
    assert!(
        found,
        "it follows no link ({}) and {} entries came",
        tree.header("link"),
        tree.json().as_array().map_or(0, Vec::len)
    );
    let path = format!("/acme/gguf/resolve/{sha}/zz/model-Q4_K_M.gguf");
    let head = world.ask("HEAD", &path, &token, &agent).await;
    assert_eq!((head.status, head.header("accept-ranges")), (200, "bytes"));
    assert_eq!(head.header("etag"), format!("\"{}\"", weights.sha256()));
    assert_eq!(head.header("content-length"), weights.len().to_string());
    let part =
        crate::wire::patient(&format!("{}{path}", world.url()), &token, &[("range", "bytes=100000-")]).await.unwrap();
    assert_eq!((part.status, part.body), (206, weights.read(100_000, usize::MAX)));
}

#[tokio::test]
async fn our_own_namespaces_are_never_asked_for() {
    let world = World::bare().await;
    world.hub.model("ours/secret").push_file("config.json", "{}");
    let token = world.developer().await;
    for path in ["/ours/secret/resolve/main/config.json", "/api/models/OURS/secret", "/api/models/ours/secret/refs"] {
        let reply = world.get(path, &token).await;
        assert_eq!((reply.status, reply.header("x-error-code")), (403, "GatedRepo"), "{path}: {}", reply.text());
    }
    let reviewer = world.token("reviewer", "").await;
    let words = ["approve", "ours/secret@main", "--reason", "x", "--env", "research", "--yes"];
    assert_eq!(world.api_command(&words, &reviewer).await.code, 1);
    assert_eq!(world.hub.count("secret"), 0, "the hub was asked about one of our own names");
}

/// A file that no scanner minds.
fn words(seed: usize) -> Content {
    Content::from(format!("[{seed}]\n"))
}
