//! A herd at one file: fetched once from the hub, whatever the herd, in little memory.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio::task::JoinSet;
use weighbridge_simulator::{Content, Fault, Side};

use crate::{
    wire,
    world::{World, WorldOptions, long},
};

/// 64 MiB each, or 1 GiB with `--long`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_cost_one_fetch_and_little_memory() {
    let world = World::bare().await;
    let content = Content::safetensors(1, if long() { 1 << 30 } else { 64 << 20 });
    world.hub.model("acme/herd").commit("Add").lfs("weights.bin", content.clone()).file("config.json", "{}").push();
    world.approve("acme/herd@main").await;
    world.hub.reset_counters();
    let token = world.developer().await;
    let url: Arc<str> = format!("{}/acme/herd/resolve/main/weights.bin", world.url()).into();
    let mut herd = JoinSet::new();
    for _ in 0..200 {
        herd.spawn(pull(Arc::clone(&url), token.clone(), content.clone()));
    }
    while let Some(one) = herd.join_next().await {
        one.unwrap();
    }
    assert_eq!(world.fetched("weights.bin"), content.len(), "every byte of it is fetched exactly once");
    let memory = world.gateway.most_memory();
    assert!(memory < 300 << 20, "the gateway took {} MiB", memory >> 20);
    world.nothing_leaked();
    world.ledger_is_whole().await;
}

/// As huggingface_hub waits: comes back when it is told to, and asks again when its connection ended before an answer, as one
/// does on which nothing was asked for ten seconds; and then reads all of it.
async fn pull(url: Arc<str>, token: String, content: Content) {
    let (client, mut broken) = (wire::client(), 0);
    loop {
        let reply = match client.get(&*url).bearer_auth(&token).send().await {
            Ok(reply) => reply,
            Err(trouble) => {
                broken += 1;
                assert!(broken < 5, "{trouble:?}");
                continue;
            }
        };
        match reply.status().as_u16() {
            200 => return read(reply, &content).await,
            429 | 503 => {
                let seconds = reply.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
                tokio::time::sleep(Duration::from_secs(seconds.unwrap())).await;
            }
            other => panic!("{other}: {:?}", reply.text().await),
        }
    }
}

async fn read(reply: reqwest::Response, content: &Content) {
    let (mut stream, mut at) = (reply.bytes_stream(), 0_u64);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.unwrap();
        // Comparing every byte two hundred times would measure this test and nothing else.
        for place in [0, chunk.len() / 2, chunk.len().saturating_sub(64)] {
            let part = &chunk[place..(place + 64).min(chunk.len())];
            assert_eq!(part, content.read(at + place as u64, part.len()), "at {}", at + place as u64);
        }
        at += chunk.len() as u64;
    }
    assert_eq!(at, content.len());
}

/// The same herd where files are sent while they are fetched: still one fetch, and nobody's bytes wait in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_that_reads_along_costs_one_fetch_and_little_memory() {
    let settings = vec![("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned())];
    let world = World::start(WorldOptions { sample: false, settings, ..WorldOptions::default() }).await;
    let content = Content::safetensors(1, if long() { 1 << 30 } else { 48 << 20 });
    world.hub.model("acme/herd").commit("Add").lfs("weights.safetensors", content.clone()).push();
    let token = world.developer().await;
    assert_eq!(world.get("/api/models/acme/herd", &token).await.status, 200);
    world.hub.reset_counters();
    // It ends only when all of them read along.
    world.hub.fault(Fault::hold_after(24 << 20).on("weights.safetensors").side(Side::Cdn));
    let url: Arc<str> = format!("{}/acme/herd/resolve/main/weights.safetensors", world.url()).into();
    let waiting = Arc::new(tokio::sync::Semaphore::new(0));
    let mut herd = JoinSet::new();
    for _ in 0..100 {
        let (url, token, content, waiting) = (Arc::clone(&url), token.clone(), content.clone(), Arc::clone(&waiting));
        herd.spawn(async move {
            let reply = wire::client().get(&*url).bearer_auth(&token).send().await.unwrap();
            assert_eq!(reply.status(), 200);
            waiting.add_permits(1);
            read(reply, &content).await;
        });
    }
    let all = waiting.acquire_many(100).await.unwrap();
    world.hub.clear_faults();
    drop(all);
    while let Some(one) = herd.join_next().await {
        one.unwrap();
    }
    assert_eq!(world.fetched("weights.safetensors"), content.len(), "every byte of it is fetched exactly once");
    let memory = world.gateway.most_memory();
    assert!(memory < 300 << 20, "the gateway took {} MiB", memory >> 20);
    world.ledger_is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_at_many_names_of_one_file_is_one_fetch() {
    let world = World::bare().await;
    let content = Content::safetensors(2, 8 << 20);
    let repo = world.hub.model("old/herd");
    let sha = repo.commit("Add").lfs("a.bin", content.clone()).lfs("b.bin", content.clone()).push();
    assert!(repo.rename("acme/herd"));
    world.approve("acme/herd@main").await;
    world.hub.reset_counters();
    let token = world.developer().await;
    let mut herd = JoinSet::new();
    for path in
        ["old/herd/resolve/main/a.bin", "Acme/Herd/resolve/main/b.bin", "acme/herd/resolve/refs%2Fheads%2Fmain/a.bin"]
            .map(str::to_owned)
            .into_iter()
            .chain([
                format!("acme/herd/resolve/{sha}/b.bin"),
                format!("api/resolve-cache/models/acme/herd/{sha}/a.bin"),
            ])
    {
        for _ in 0..4 {
            herd.spawn(pull(format!("{}/{path}", world.url()).into(), token.clone(), content.clone()));
        }
    }
    while let Some(one) = herd.join_next().await {
        one.unwrap();
    }
    assert_eq!(world.fetched(".bin"), content.len());
}
