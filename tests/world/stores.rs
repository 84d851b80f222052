//! The same journey on both databases and both blob stores, and two replicas that share them.

use serde_json::json;
use tokio::task::JoinSet;
use weighbridge_simulator::Content;

use crate::{
    stock::{Desk, HUBS},
    wire::{self, patient},
    world::{Blobs, Database, World, WorldOptions},
};

#[tokio::test]
async fn the_journey_on_sqlite_and_disk() {
    journey(Database::Sqlite, Blobs::Disk).await;
}

#[tokio::test]
async fn the_journey_on_sqlite_and_s3() {
    journey(Database::Sqlite, Blobs::S3).await;
}

#[tokio::test]
async fn the_journey_on_postgres_and_disk() {
    journey(Database::Postgres, Blobs::Disk).await;
}

#[tokio::test]
async fn the_journey_on_postgres_and_s3() {
    journey(Database::Postgres, Blobs::S3).await;
}

/// Refused, asked for, approved, pulled, pulled again after a new start, revoked.
async fn journey(database: Database, blobs: Blobs) {
    let mut world = World::start(WorldOptions { database, blobs, ..WorldOptions::default() }).await;
    let desk = Desk::new(&world).await;
    let steps = json!([{ "do": "snapshot", "repo": "acme/tiny" }]);
    let seen = desk.steps(HUBS[2], &steps).await;
    assert_eq!(seen[0]["error"], "GatedRepoError", "{}", seen[0]);
    let developer = world.developer().await;
    let words = ["request", "acme/tiny@main", "--reason", "we need it"];
    world.api_command(&words, &developer).await.good();
    world.approve("acme/tiny@main").await;
    let pulled = desk.steps(HUBS[2], &steps).await;
    assert_eq!(pulled[0]["value"]["files"].as_object().map(serde_json::Map::len), Some(12), "{}", pulled[0]);
    world.nothing_leaked();
    world.restart().await;
    let sent = world.hub.bytes_sent("/resolve/");
    assert_eq!(Desk::new(&world).await.steps(HUBS[1], &steps).await, pulled);
    assert_eq!(world.hub.bytes_sent("/resolve/"), sent, "a second pull needs no file from the hub");
    assert!(!world.blobs().is_empty() && world.blobs().iter().all(|(_, sound)| *sound));
    let part =
        world.ask("GET", "/acme/tiny/resolve/main/model.safetensors", &developer, &[("range", "bytes=5-9")]).await;
    assert_eq!((part.status, part.body.len()), (206, 5));
    world.revoke("acme/tiny@main").await;
    let seen = desk.steps(HUBS[2], &steps).await;
    assert_eq!(seen[0]["error"], "RevisionNotFoundError", "{}", seen[0]);
    world.ledger_is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_fetch_a_file_once() {
    let options =
        WorldOptions { database: Database::Postgres, blobs: Blobs::S3, sample: false, ..WorldOptions::default() };
    let world = World::start(options).await;
    let other = world.another("second").await;
    let content = Content::safetensors(1, 40 << 20);
    world.hub.model("acme/shared").commit("Add").lfs("weights.bin", content.clone()).file("config.json", "{}").push();
    world.approve("acme/shared@main").await;
    world.hub.reset_counters();
    let token = world.developer().await;
    let mut pulls = JoinSet::new();
    for base in [world.url(), &other.url] {
        for _ in 0..5 {
            let (url, token) = (format!("{base}/acme/shared/resolve/main/weights.bin"), token.clone());
            pulls.spawn(async move { patient(&url, &token, &[]).await.unwrap() });
        }
    }
    while let Some(reply) = pulls.join_next().await {
        let reply = reply.unwrap();
        assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, content.sha256()));
    }
    // A try that broke in one replica may be gone on with in the other, which has nothing of it: then this says so.
    let tries = "SELECT \"key\" || ' ' || state || ' ' || attempts || ' ' || outcome FROM job WHERE kind = 'fetch'";
    let fetched = world.fetched("weights.bin");
    assert_eq!(fetched, content.len(), "{:?} {:?}", world.query_text(tries).await, world.hub.counts("weights.bin"));
    world.ledger_is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over_from_one_that_died() {
    let options =
        WorldOptions { database: Database::Postgres, blobs: Blobs::S3, sample: false, ..WorldOptions::default() };
    let mut world = World::start(options).await;
    let other = world.another("second").await;
    let content = Content::safetensors(2, 20 << 20);
    world.hub.model("acme/shared").commit("Add").lfs("weights.bin", content.clone()).push();
    world.approve("acme/shared@main").await;
    world.hub.reset_counters();
    let token = world.developer().await;
    let slow = weighbridge_simulator::Fault::bandwidth(4 << 20).on("weights.bin");
    world.hub.fault(slow);
    let url = format!("{}/acme/shared/resolve/main/weights.bin", world.url());
    let first = tokio::spawn({
        let token = token.clone();
        async move { wire::ask("GET", &url, &token, &[]).await.map(|reply| reply.status) }
    });
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    world.kill();
    assert!(!matches!(first.await.unwrap(), Ok(200)));
    world.hub.clear_faults();
    let reply = patient(&format!("{}/acme/shared/resolve/main/weights.bin", other.url), &token, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, content.sha256()));
    world.ledger_is_whole().await;
}

#[tokio::test]
async fn a_damaged_blob_is_never_served() {
    let world = World::new().await;
    world.approve("acme/tiny@main").await;
    let token = world.developer().await;
    let url = format!("{}/acme/tiny/resolve/main/model.safetensors", world.url());
    let good = patient(&url, &token, &[]).await.unwrap();
    let digest = Content::bytes(good.body).sha256().to_owned();
    let path = crate::world::files_under(&world.folder.path().join("blobs"));
    let path = path.into_iter().find(|path| path.ends_with(&digest)).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[500_000] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let reply = patient(&url, &token, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, digest.as_str()), "it is fetched again");
}
