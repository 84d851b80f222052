//! Stock clients pull what is approved, and get exactly what the hub itself would give them.
//!
//! The hub asked directly is the measure: the same steps are done there, by the same client with Xet off.

use serde_json::{Value, json};

use crate::{
    stock::{Desk, HUBS, TRANSFORMERS},
    world::{World, WorldOptions},
};

#[tokio::test]
async fn huggingface_hub_0_36_2_gets_what_the_hub_would_give() {
    same_as_the_hub(HUBS[0]).await;
}

#[tokio::test]
async fn huggingface_hub_1_10_2_gets_what_the_hub_would_give() {
    same_as_the_hub(HUBS[1]).await;
}

#[tokio::test]
async fn huggingface_hub_2_4_0_gets_what_the_hub_would_give() {
    same_as_the_hub(HUBS[2]).await;
}

async fn same_as_the_hub(venv: &str) {
    let world = World::new().await;
    for revision in
        ["acme/tiny@main", "acme/revs@main", "acme/revs@refs/pr/1", "acme/revs@v1.0", "datasets/acme/rows@main"]
    {
        world.approve(revision).await;
    }
    let config = world.hub.model("acme/revs").head("v1.0").unwrap();
    let steps = json!([
        { "do": "download", "repo": "acme/tiny", "file": "config.json" },
        { "do": "download", "repo": "acme/tiny", "file": "model.safetensors" },
        { "do": "download", "repo": "acme/tiny", "file": "model.safetensors" },
        { "do": "download", "repo": "acme/tiny", "file": "empty.txt" },
        { "do": "download", "repo": "acme/tiny", "file": "naïve/模型.txt" },
        { "do": "download", "repo": "acme/tiny", "file": "onnx/a b.json" },
        { "do": "snapshot", "repo": "acme/tiny" },
        { "do": "snapshot", "repo": "acme/tiny" },
        { "do": "snapshot", "repo": "acme/revs", "revision": "refs/pr/1" },
        { "do": "snapshot", "repo": "acme/revs", "revision": "v1.0" },
        { "do": "snapshot", "repo": "acme/revs", "revision": config },
        { "do": "snapshot", "repo": "acme/rows", "type": "dataset" },
        { "do": "files", "repo": "acme/tiny" },
        { "do": "files", "repo": "acme/revs", "revision": "refs/pr/1" },
        { "do": "tree", "repo": "acme/tiny" },
        { "do": "tree", "repo": "acme/tiny", "recursive": false },
        { "do": "tree", "repo": "acme/tiny", "expand": true },
        { "do": "tree", "repo": "acme/tiny", "path": "naïve" },
        { "do": "paths_info", "repo": "acme/tiny", "paths": ["config.json", "model.safetensors", "naïve/模型.txt", "onnx", "nope"] },
        { "do": "paths_info", "repo": "acme/tiny", "paths": ["config.json"], "expand": true },
        { "do": "info", "repo": "acme/tiny" },
        { "do": "info", "repo": "acme/tiny", "files_metadata": true },
        { "do": "info", "repo": "acme/revs", "revision": "refs/pr/1" },
        { "do": "info", "repo": "acme/rows", "type": "dataset" },
        { "do": "exists", "repo": "acme/tiny", "file": "config.json" },
        { "do": "exists", "repo": "acme/tiny", "file": "nope.json" },
        { "do": "auth_check", "repo": "acme/tiny" },
    ]);
    let direct = Desk::with(world.hub.url(), ALICE).variable("HF_HUB_DISABLE_XET", "1").steps(venv, &steps).await;
    world.hub.reset_counters();
    let desk = Desk::new(&world).await;
    let ours = desk.steps(venv, &steps).await;
    for ((step, ours), direct) in steps.as_array().unwrap().iter().zip(&ours).zip(direct) {
        assert!(direct.get("value").is_some(), "the measure itself: {step}: {direct}");
        assert_eq!(*ours, without_xet(direct), "{venv}: {step}");
    }
    world.nothing_leaked();
    let seen = desk.steps(venv, &json!([{ "do": "left_behind" }])).await;
    assert_eq!(seen[0]["value"], json!({ "wrong": [], "half": [] }));
}

/// A direct answer names Xet; ours must not.
fn without_xet(mut value: Value) -> Value {
    for entry in value["value"].as_array_mut().into_iter().flatten() {
        if let Some(entry) = entry.as_object_mut().filter(|entry| entry.contains_key("xet")) {
            entry.insert("xet".to_owned(), Value::Null);
        }
    }
    value
}

#[tokio::test]
async fn pointers_and_people_are_ours() {
    let world = World::new().await;
    for revision in ["acme/tiny@main", "acme/revs@main"] {
        world.approve(revision).await;
    }
    let main = world.hub.model("acme/revs").head("main").unwrap();
    let steps = json!([
        { "do": "refs", "repo": "acme/revs", "include_pull_requests": true },
        { "do": "commits", "repo": "acme/revs" },
        { "do": "whoami" },
        { "do": "listing", "author": "acme" },
        { "do": "listing", "search": "tiny" },
        { "do": "listing", "kind": "datasets" },
    ]);
    for venv in HUBS {
        let seen = Desk::new(&world).await.steps(venv, &steps).await;
        // The other branch holds the approved commit too; the tag and the pull request hold nothing that is approved.
        let pointers = json!({ "refs/heads/main": main, "refs/heads/dev": main });
        assert_eq!(seen[0]["value"], pointers, "{venv}: only what is approved is a pointer");
        assert_eq!(seen[1]["value"][0], main, "{venv}");
        assert_eq!(seen[2]["value"], "developer-research", "{venv}");
        assert_eq!(seen[3]["value"], json!(["acme/revs", "acme/tiny"]), "{venv}");
        assert_eq!(seen[4]["value"], json!(["acme/tiny"]), "{venv}");
        assert_eq!(seen[5]["value"], json!([]), "{venv}");
    }
    world.nothing_leaked();
}

#[tokio::test]
async fn what_is_not_there_raises_the_right_exception() {
    let world = World::new().await;
    world.approve("acme/tiny@main").await;
    let steps = json!([
        { "do": "download", "repo": "acme/tiny", "file": "nope.json" },
        { "do": "download", "repo": "acme/tiny", "file": "config.json", "revision": "nope" },
        { "do": "snapshot", "repo": "acme/tiny", "revision": "nope" },
        { "do": "download", "repo": "acme/nowhere", "file": "config.json" },
        { "do": "snapshot", "repo": "acme/nowhere" },
        { "do": "info", "repo": "acme/nowhere" },
        { "do": "info", "repo": "acme/tiny", "revision": "nope" },
        { "do": "download", "repo": "acme/unsafe", "file": "config.json" },
        { "do": "info", "repo": "acme/unsafe" },
        { "do": "cached", "repo": "acme/tiny", "file": "nope.json" },
    ]);
    let kinds = [
        "EntryNotFoundError",
        "RevisionNotFoundError",
        "RevisionNotFoundError",
        "RepositoryNotFoundError",
        "RepositoryNotFoundError",
        "RepositoryNotFoundError",
        "RevisionNotFoundError",
        "GatedRepoError",
        "GatedRepoError",
    ];
    for venv in HUBS {
        let seen = Desk::new(&world).await.steps(venv, &steps).await;
        for ((step, seen), kind) in steps.as_array().unwrap().iter().zip(&seen).zip(kinds) {
            let raised = seen["kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|one| one == kind));
            assert!(raised, "{venv}: {step} should raise {kind}: {seen}");
            if kind == "RepositoryNotFoundError" {
                let gated =
                    seen["kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|one| one == "GatedRepoError"));
                assert!(!gated, "{venv}: {step}: {seen}");
            }
        }
        assert_eq!(seen.last().unwrap()["value"], "missing", "{venv}: a missing file is remembered as missing");
    }
}

#[tokio::test]
async fn the_hf_command_downloads() {
    let world = World::new().await;
    world.approve("acme/tiny@main").await;
    let weights = digest_at_hub(&world, "acme/tiny", "model.safetensors").await;
    for venv in HUBS {
        let desk = Desk::new(&world).await;
        desk.hf(venv, &["download", "acme/tiny"]).await.good();
        desk.hf(venv, &["download", "acme/tiny", "model.safetensors", "--local-dir", "here"]).await.good();
        let here = std::fs::read(desk.home().join("here/model.safetensors")).unwrap();
        assert_eq!(weighbridge_simulator::Content::bytes(here).sha256(), weights, "{venv}");
        let who = desk.hf(venv, &["auth", "whoami"]).await.good();
        assert!(who.all().contains("developer-research"), "{venv}: {}", who.all());
    }
    world.nothing_leaked();
}

#[tokio::test]
async fn transformers_load_config_and_tokenizer() {
    let world = World::new().await;
    for revision in ["acme/tiny@main", "acme/revs@main", "acme/revs@refs/pr/1"] {
        world.approve(revision).await;
    }
    let desk = Desk::new(&world).await;
    let told = desk.script(TRANSFORMERS, "config.py", &json!({ "repo": "acme/tiny", "tokenizer": true })).await.good();
    assert_eq!(told.json()["config"], json!({ "model_type": "bert", "hidden_size": 32 }));
    assert_eq!(told.json()["tokens"], json!(["the", "model", "is", "weighed"]));
    let asked = json!({ "repo": "acme/revs", "revision": "refs/pr/1" });
    let told = desk.script(TRANSFORMERS, "config.py", &asked).await.good().json();
    assert_eq!(told["config"]["hidden_size"], 96);
    world.nothing_leaked();
}

#[tokio::test]
async fn the_rust_crate_pulls_in_both_ways() {
    let world = World::new().await;
    for revision in ["acme/tiny@main", "acme/revs@main", "acme/revs@refs/pr/1", "gpt2@main", "datasets/acme/rows@main"]
    {
        world.approve(revision).await;
    }
    let files = ["config.json", "model.safetensors", "onnx/a b.json", "naïve/模型.txt", "empty.txt"];
    for way in ["tokio", "sync"] {
        let desk = Desk::new(&world).await;
        let told = desk.rust(&[&[way, "model", "acme/tiny", "main"], &files[..]].concat()).await.good().json();
        for file in files {
            let here = std::fs::read(told[file].as_str().unwrap()).unwrap();
            let here = weighbridge_simulator::Content::bytes(here).sha256().to_owned();
            assert_eq!(here, digest_at_hub(&world, "acme/tiny", file).await, "{way}: {file}");
        }
        for (kind, id, rev, file) in [
            ("model", "acme/revs", "refs/pr/1", "config.json"),
            ("model", "oldorg/tiny", "main", "model.safetensors"),
            ("model", "Acme/Tiny", "main", "config.json"),
            ("model", "gpt2", "main", "model.safetensors"),
            ("dataset", "acme/rows", "main", "data/train.parquet"),
        ] {
            desk.rust(&[way, kind, id, rev, file]).await.good();
        }
        let info = desk.rust(&[way, "model", "acme/tiny", "main"]).await.good().json();
        assert_eq!(info["sha"].as_str().map(str::to_owned), world.hub.model("acme/tiny").head("main"), "{way}");
        assert!(info["files"].as_array().unwrap().contains(&json!("config.json")), "{way}: {info}");
    }
    world.nothing_leaked();
}

#[tokio::test]
async fn curl_pulls_parts_and_goes_on() {
    let world = World::new().await;
    world.approve("acme/tiny@main").await;
    let path = "/acme/tiny/resolve/main/model.safetensors";
    let desk = Desk::new(&world).await;
    desk.curl(&["-fL", "--retry", "5", "-o", "whole"], path).await.good();
    let whole = std::fs::read(desk.home().join("whole")).unwrap();
    let digest = weighbridge_simulator::Content::bytes(whole.clone()).sha256().to_owned();
    assert_eq!(digest, digest_at_hub(&world, "acme/tiny", "model.safetensors").await);

    let told = ["-w", "%{http_code} %header{content-range} %header{etag}"];
    let size = whole.len();
    for (range, status, bytes) in [
        ("0-0", 206, &whole[..1]),
        ("100-199", 206, &whole[100..200]),
        ("-7", 206, &whole[size - 7..]),
        ("1000-999999999", 206, &whole[1000..]),
    ] {
        let ran = desk.curl(&[&["-L", "-o", "part", "-r", range], &told[..]].concat(), path).await.good();
        assert_eq!(std::fs::read(desk.home().join("part")).unwrap(), bytes, "{range}");
        let from = if range == "-7" { size - 7 } else { range.split('-').next().unwrap().parse().unwrap() };
        let expected = format!("{status} bytes {from}-{}/{size} \"{digest}\"", from + bytes.len() - 1);
        assert_eq!(ran.out, expected, "{range}");
    }
    let outside = desk.curl(&[&["-L", "-o", "no", "-r", "999999999-"], &told[..]].concat(), path).await.good();
    assert!(outside.out.starts_with(&format!("416 bytes */{size}")), "{}", outside.out);

    crate::stock::begin_file(&desk.home().join("rest"), &whole[..300_000]);
    desk.curl(&["-fL", "-C", "-", "-o", "rest"], path).await.good();
    assert_eq!(std::fs::read(desk.home().join("rest")).unwrap(), whole);
    // Everything is there already: 416 says so, and curl takes it as the end.
    desk.curl(&["-L", "-C", "-", "-o", "rest"], path).await;
    assert_eq!(std::fs::read(desk.home().join("rest")).unwrap(), whole);

    let head = desk.curl(&["-fI"], path).await.good().out.to_lowercase();
    for line in [format!("content-length: {size}"), format!("etag: \"{digest}\""), "accept-ranges: bytes".to_owned()] {
        assert!(head.contains(&line), "{line}: {head}");
    }
    assert!(head.contains(&format!("x-repo-commit: {}", world.hub.model("acme/tiny").head("main").unwrap())), "{head}");
    let same = format!("If-None-Match: \"{digest}\"");
    let ran = desk.curl(&["-o", "no", "-H", &same, "-w", "%{http_code}"], path).await.good();
    assert_eq!(ran.out, "304");
    world.nothing_leaked();
}

#[tokio::test]
async fn everything_works_under_a_path_prefix() {
    let world = World::start(WorldOptions { prefix: "/hf", ..WorldOptions::default() }).await;
    for revision in ["acme/tiny@main", "gpt2@main", "acme/revs@refs/pr/1", "datasets/acme/rows@main"] {
        world.approve(revision).await;
    }
    let steps = json!([
        { "do": "snapshot", "repo": "acme/tiny" },
        { "do": "snapshot", "repo": "gpt2" },
        { "do": "snapshot", "repo": "oldorg/tiny" },
        { "do": "download", "repo": "Acme/Tiny", "file": "config.json" },
        { "do": "snapshot", "repo": "acme/revs", "revision": "refs/pr/1" },
        { "do": "snapshot", "repo": "acme/rows", "type": "dataset" },
        { "do": "tree", "repo": "acme/tiny" },
        { "do": "info", "repo": "gpt2" },
    ]);
    for venv in HUBS {
        let direct = Desk::with(world.hub.url(), ALICE).variable("HF_HUB_DISABLE_XET", "1").steps(venv, &steps).await;
        world.hub.reset_counters();
        let ours = Desk::new(&world).await.steps(venv, &steps).await;
        for ((step, ours), direct) in steps.as_array().unwrap().iter().zip(&ours).zip(direct) {
            assert_eq!(*ours, without_xet(direct), "{venv}: {step}");
        }
        world.nothing_leaked();
    }
    let desk = Desk::new(&world).await;
    for way in ["tokio", "sync"] {
        desk.rust(&[way, "model", "acme/tiny", "main", "config.json", "model.safetensors"]).await.good();
    }
    desk.curl(&["-fL", "-o", "whole"], "/acme/tiny/resolve/main/config.json").await.good();
    assert_eq!(world.gateway.command(&["token", "list"], &[]).await.good().code, 0);
}

/// The digest of a file as the hub itself serves it.
async fn digest_at_hub(world: &World, repo: &str, file: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply = client.get(format!("{}/{repo}/resolve/main/{file}", world.hub.url())).send().await.unwrap();
    assert!(reply.status().is_success());
    weighbridge_simulator::Content::bytes(reply.bytes().await.unwrap()).sha256().to_owned()
}

/// One of the sample's tokens, for asking the hub directly.
const ALICE: &str = "hf_aliceAliceAliceAliceAliceAliceAlice00";
