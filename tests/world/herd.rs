//! A herd at one file: fetched once from the hub, whatever the herd, in little memory.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio::task::JoinSet;
use weighbridge_simulator::Content;

use crate::{
    wire,
    world::{World, long},
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

/// As huggingface_hub waits: comes back when it is told to, and then reads all of it.
async fn pull(url: Arc<str>, token: String, content: Content) {
    let client = wire::client();
    loop {
        let reply = client.get(&*url).bearer_auth(&token).send().await.unwrap();
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
