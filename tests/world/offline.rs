//! When others are down: what is approved and stored flows, everything else is refused clearly, nothing opens.

use std::time::{Duration, Instant};

use serde_json::json;
use weighbridge_simulator::{Content, Fault};

use crate::{
    stock::{Desk, HUBS},
    wire::patient,
    world::World,
};

#[tokio::test]
async fn without_the_hub_stored_files_flow_and_the_rest_is_refused() {
    let mut world = World::new().await;
    for revision in ["acme/tiny@main", "acme/revs@main"] {
        world.approve(revision).await;
    }
    let steps = json!([{ "do": "snapshot", "repo": "acme/tiny" }, { "do": "snapshot", "repo": "oldorg/tiny" }]);
    let before = Desk::new(&world).await.steps(HUBS[2], &steps).await;
    world.hub.offline(true);
    for venv in HUBS {
        let seen = Desk::new(&world).await.steps(venv, &steps).await;
        assert_eq!(seen, before, "{venv}");
    }
    world.restart().await;
    let seen = Desk::new(&world).await.steps(HUBS[1], &steps).await;
    assert_eq!(seen, before, "after a new start");
    let token = world.developer().await;
    for path in ["/acme/unsafe/resolve/main/config.json", "/api/models/gpt2", "/api/models/acme/tiny/revision/nope"] {
        let began = Instant::now();
        let reply = world.get(path, &token).await;
        assert!((400..600).contains(&reply.status), "{path}: {}", reply.status);
        assert!(!reply.header("x-error-message").is_empty(), "{path}");
        assert!(began.elapsed() < Duration::from_secs(10), "{path} took {:?}", began.elapsed());
    }
    let reviewer = world.token("reviewer", "").await;
    let words = ["approve", "gpt2@main", "--reason", "x", "--env", "research", "--yes"];
    let ran = world.api_command(&words, &reviewer).await;
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert_eq!(world.get("/-/readyz", "").await.status, 200, "a hub that is down does not make us unready");
}

#[tokio::test]
async fn a_file_that_cannot_be_fetched_now_is_said_to_come_later() {
    let world = World::bare().await;
    let content = Content::safetensors(1, 64 << 20);
    world.hub.model("acme/late").commit("Add").lfs("weights.safetensors", content.clone()).push();
    world.approve("acme/late@main").await;
    world.hub.fault(Fault::status(503).on("weights.safetensors"));
    let token = world.developer().await;
    let path = "/acme/late/resolve/main/weights.safetensors";
    let head = world.head(path, &token).await;
    assert_eq!(head.status, 200, "what is known of a decided revision is answered at once");
    assert_eq!(head.header("content-length"), content.len().to_string());
    let began = Instant::now();
    let reply = world.get(path, &token).await;
    assert!(reply.status == 429 && !reply.header("retry-after").is_empty(), "{}: {}", reply.status, reply.text());
    assert!(began.elapsed() < Duration::from_secs(10), "a body is held for 8 seconds at most: {:?}", began.elapsed());
    world.hub.clear_faults();
    let reply = patient(&format!("{}{path}", world.url()), &token, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, content.sha256()));
}

#[tokio::test]
async fn huggingface_hub_0_36_2_waits_for_a_slow_hub() {
    waits(async |desk, id| {
        desk.steps(HUBS[0], &json!([{ "do": "download", "repo": id, "file": "weights.safetensors" }])).await
    })
    .await;
}

#[tokio::test]
async fn huggingface_hub_1_10_2_waits_for_a_slow_hub() {
    waits(async |desk, id| {
        desk.steps(HUBS[1], &json!([{ "do": "download", "repo": id, "file": "weights.safetensors" }])).await
    })
    .await;
}

#[tokio::test]
async fn huggingface_hub_2_4_0_waits_for_a_slow_hub() {
    waits(async |desk, id| {
        desk.steps(HUBS[2], &json!([{ "do": "download", "repo": id, "file": "weights.safetensors" }])).await
    })
    .await;
}

#[tokio::test]
async fn the_rust_crate_waits_for_a_slow_hub() {
    for way in ["tokio", "sync"] {
        waits(async |desk, id| {
            let told = desk.rust(&[way, "model", id, "main", "weights.safetensors"]).await.good().json();
            let bytes = std::fs::read(told["weights.safetensors"].as_str().unwrap()).unwrap();
            vec![json!({ "value": { "sha256": Content::bytes(bytes).sha256() } })]
        })
        .await;
    }
}

/// Longer than a body is held, so that everybody has to come back at least once.
async fn waits(pull: impl AsyncFn(&Desk, &str) -> Vec<serde_json::Value>) {
    let world = World::bare().await;
    world.hub.fault(Fault::bandwidth(1 << 20).on("weights.safetensors"));
    let content = Content::safetensors(1, 12 << 20);
    world.hub.model("acme/slow").commit("Add").lfs("weights.safetensors", content.clone()).push();
    world.approve("acme/slow@main").await;
    world.hub.reset_counters();
    let desk = Desk::new(&world).await;
    let seen = pull(&desk, "acme/slow").await;
    assert_eq!(seen[0]["value"]["sha256"], content.sha256(), "{}", seen[0]);
    assert_eq!(world.fetched("acme/slow/weights.safetensors"), content.len());
}

#[tokio::test]
async fn a_hub_that_limits_us_is_not_pressed() {
    let world = World::new().await;
    world.hub.fault(Fault::status_retry_after(429, 2).on("/api/models/acme/tiny").times(2));
    world.approve("acme/tiny@main").await;
    let token = world.developer().await;
    assert_eq!(world.get("/acme/tiny/resolve/main/config.json", &token).await.status, 200);
}
