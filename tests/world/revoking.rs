//! What is revoked stops: at every replica within five seconds, streams in flight included.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
};
use weighbridge_simulator::Content;

use crate::{
    wire::{self, patient},
    world::{Database, Gateway, World, WorldOptions},
};

const PATH: &str = "/acme/big/resolve/main/weights.bin";
const SOON: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_cuts_slow_streams() {
    let (world, content) = with_a_big_file(Database::Sqlite).await;
    let token = world.developer().await;
    let mut streams = slow_streams(&world.gateway, &token, content.len()).await;
    world.revoke("acme/big@main").await;
    all_end_soon(&mut streams).await;
    let after = world.get(PATH, &token).await;
    assert_eq!((after.status, after.header("x-error-code")), (404, "RevisionNotFound"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_at_one_replica_cuts_streams_at_another() {
    let (world, content) = with_a_big_file(Database::Postgres).await;
    let other = world.another("second").await;
    let token = world.developer().await;
    let mut streams = slow_streams(&other, &token, content.len()).await;
    world.revoke("acme/big@main").await;
    all_end_soon(&mut streams).await;
    let after = wire::ask("GET", &format!("{}{PATH}", other.url), &token, &[]).await.unwrap();
    assert_eq!(after.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_cuts_its_streams_and_no_others() {
    let (world, content) = with_a_big_file(Database::Sqlite).await;
    let made = ["token", "create", "--name", "leaver", "--role", "developer", "--env", "research", "--json"];
    let made = world.gateway.command(&made, &[]).await.good().json();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let mut streams = slow_streams(&world.gateway, token, content.len()).await;
    let mut others = slow_streams(&world.gateway, &world.developer().await, content.len()).await;
    world.gateway.command(&["token", "revoke", id], &[]).await.good();
    all_end_soon(&mut streams).await;
    assert!(others.try_join_next().is_none(), "somebody else's stream was cut");
    assert_eq!(world.get(PATH, token).await.status, 401);
    assert_eq!(world.get("/-/api/v1/account", &world.developer().await).await.status, 200);
    others.abort_all();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_is_cut_too() {
    let (world, content) = with_a_big_file(Database::Sqlite).await;
    let token = world.developer().await;
    let mut socket = TcpStream::connect(world.gateway.address()).await.unwrap();
    let request = format!("GET {PATH} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut first = vec![0; 1000];
    assert!(socket.read(&mut first).await.unwrap() > 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.revoke("acme/big@main").await;
    tokio::time::sleep(SOON).await;
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection is still open after {} more bytes", rest.len());
    assert!((rest.len() as u64) < content.len() / 2, "{} bytes came", rest.len());
}

#[tokio::test]
async fn one_environment_can_be_revoked_alone() {
    let world = World::new().await;
    world.approve_in("acme/tiny@main", "research").await;
    world.approve_in("acme/tiny@main", "prod").await;
    let reviewer = world.token("reviewer", "").await;
    let words = ["revoke", "acme/tiny@main", "--reason", "not in production", "--env", "prod", "--yes"];
    world.api_command(&words, &reviewer).await.good();
    let path = "/acme/tiny/resolve/main/config.json";
    let cluster = ["token", "create", "--name", "gpu", "--role", "cluster", "--env", "prod", "--cluster", "gpu-a"];
    let cluster = world.gateway.command(&cluster, &[]).await.good().out.trim().to_owned();
    assert_eq!(world.get(path, &cluster).await.status, 404);
    assert_eq!(world.get(path, &world.developer().await).await.status, 200);
}

#[tokio::test]
async fn one_file_and_a_denied_digest_can_be_revoked() {
    let world = World::bare().await;
    let evil = Content::safetensors(66, 5_000);
    for id in ["acme/a", "acme/b"] {
        world.hub.model(id).commit("Add").file("config.json", "{}").lfs("weights.bin", evil.clone()).push();
        world.approve(&format!("{id}@main")).await;
    }
    let (reviewer, developer) = (world.token("reviewer", "").await, world.developer().await);
    let words = ["revoke", "acme/a@main", "--reason", "malware", "--malicious", "--file", "weights.bin", "--yes"];
    world.api_command(&words, &reviewer).await.good();
    for id in ["acme/a", "acme/b"] {
        let reply = world.get(&format!("/{id}/resolve/main/weights.bin"), &developer).await;
        assert!(matches!(reply.status, 403 | 404), "{id}: {}", reply.status);
    }
    let words = ["approve", "acme/b@main", "--reason", "again", "--env", "research", "--yes"];
    assert_eq!(world.api_command(&words, &reviewer).await.code, 1, "denied bytes cannot be approved again");
}

async fn with_a_big_file(database: Database) -> (World, Content) {
    let world = World::start(WorldOptions { database, sample: false, ..WorldOptions::default() }).await;
    let content = Content::safetensors(1, 64 << 20);
    world.hub.model("acme/big").commit("Add").lfs("weights.bin", content.clone()).push();
    world.approve("acme/big@main").await;
    let url = format!("{}{PATH}", world.url());
    let reply = patient(&url, &world.developer().await, &[("range", "bytes=0-0")]).await.unwrap();
    assert_eq!(reply.status, 206, "{}", reply.text());
    (world, content)
}

/// Ten clients that would need a minute and more, each of which has its first bytes; each ends with how much came and whether
/// it was all.
async fn slow_streams(gateway: &Gateway, token: &str, size: u64) -> JoinSet<(u64, bool)> {
    let (mut streams, begun) = (JoinSet::new(), Arc::new(Semaphore::new(0)));
    for _ in 0..10 {
        let (url, token, begun) = (format!("{}{PATH}", gateway.url), token.to_owned(), Arc::clone(&begun));
        streams.spawn(async move {
            let reply = wire::client().get(url).bearer_auth(token).send().await.unwrap();
            assert_eq!(reply.status().as_u16(), 200);
            let (mut stream, mut came) = (reply.bytes_stream(), 0);
            while let Some(chunk) = stream.next().await {
                let Ok(chunk) = chunk else { return (came, false) };
                if came == 0 {
                    begun.add_permits(1);
                }
                came += chunk.len() as u64;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (came, came == size)
        });
    }
    let all = tokio::time::timeout(Duration::from_mins(3), begun.acquire_many(10)).await;
    assert!(all.is_ok_and(|all| all.is_ok()), "not all of them have begun");
    streams
}

async fn all_end_soon(streams: &mut JoinSet<(u64, bool)>) {
    let began = Instant::now();
    while !streams.is_empty() {
        let left = (SOON + Duration::from_millis(500)).saturating_sub(began.elapsed());
        let one = tokio::time::timeout(left, streams.join_next()).await;
        let one = one.unwrap_or_else(|_| panic!("{} streams still run after {:?}", streams.len(), began.elapsed()));
        let (came, whole) = one.unwrap().unwrap();
        assert!(!whole && came > 0, "a stream ended with {came} bytes, whole: {whole}");
    }
}
