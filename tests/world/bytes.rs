//! Wrong bytes from the hub never become a complete file anywhere, whatever is wrong about them.
//!
//! The client is told, the revision is suspended, the gateway goes on.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use weighbridge_simulator::{Content, Fault, Side};

use crate::{
    stock::{Desk, HUBS, begin_file},
    wire::patient,
    world::World,
};

const PATH: &str = "/acme/weights/resolve/main/model.safetensors";

#[tokio::test]
async fn one_wrong_byte_of_the_right_length() {
    never_a_file(Wrong::Fault(|_| Fault::flip_byte(2_000_000))).await;
}

#[tokio::test]
async fn a_wrong_first_byte() {
    never_a_file(Wrong::Fault(|_| Fault::flip_byte(0))).await;
}

#[tokio::test]
async fn a_wrong_last_byte() {
    never_a_file(Wrong::Fault(|len| Fault::flip_byte(len - 1))).await;
}

/// A proxy's page of excuses has another length too: nothing of it is kept, nobody is suspended, and it is tried again.
#[tokio::test]
async fn a_file_of_another_length_than_listed_is_tried_again() {
    let world = World::bare().await;
    let good = Content::safetensors(3, 3_000_000);
    world.hub.model("acme/weights").commit("Add").file("a.txt", "{}").file("model.safetensors", good.clone()).push();
    world.approve("acme/weights@main").await;
    let token = world.developer().await;
    for wrong in [good.len() - 1, good.len() + 1] {
        world.hub.fault(Fault::wrong_length(wrong).on("model.safetensors").side(Side::Cdn));
        let reply = world.get(PATH, &token).await;
        assert!(matches!(reply.status, 429 | 503), "{}: {}", reply.status, reply.text());
        assert!(!world.blobs().iter().any(|(name, _)| name == good.sha256()));
        assert_eq!(world.get("/acme/weights/resolve/main/a.txt", &token).await.status, 200);
        world.hub.clear_faults();
    }
    let reply = patient(&format!("{}{PATH}", world.url()), &token, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, good.sha256()));
    world.ledger_is_whole().await;
}

#[tokio::test]
async fn a_byte_that_flips_once_on_the_way_stops_nothing() {
    let world = World::bare().await;
    let good = Content::safetensors(3, 3_000_000);
    world.hub.model("acme/weights").commit("Add").file("model.safetensors", good.clone()).push();
    world.approve("acme/weights@main").await;
    world.hub.fault(Fault::flip_byte(2_000_000).on("model.safetensors").side(Side::Cdn).times(1));
    let reply = patient(&format!("{}{PATH}", world.url()), &world.developer().await, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, good.sha256()));
}

#[tokio::test]
async fn a_file_that_changed_after_it_was_listed() {
    never_a_file(Wrong::Changed).await;
}

#[tokio::test]
async fn a_file_that_never_had_the_digest_it_claims() {
    never_a_file(Wrong::Claimed).await;
}

enum Wrong {
    Fault(fn(u64) -> Fault),
    Changed,
    Claimed,
}

async fn never_a_file(wrong: Wrong) {
    let world = World::bare().await;
    let good = Content::safetensors(3, 3_000_000);
    let repo = world.hub.model("acme/weights");
    let push = repo.commit("Add").file("config.json", "{}");
    let sha = match wrong {
        Wrong::Claimed => {
            push.lfs_claiming("model.safetensors", Content::safetensors(8, 3_000_000), good.sha256()).push()
        }
        _ => push.file("model.safetensors", good.clone()).push(),
    };
    world.approve("acme/weights@main").await;
    match wrong {
        Wrong::Fault(fault) => drop(world.hub.fault(fault(good.len()).on("model.safetensors").side(Side::Cdn))),
        Wrong::Changed => {
            let other = Content::safetensors(4, 3_000_000);
            repo.commit("Add").sha(&sha).file("config.json", "{}").file("model.safetensors", other).push();
        }
        Wrong::Claimed => {}
    }
    let mut told = String::new();
    for venv in HUBS {
        let desk = Desk::new(&world).await;
        let steps = json!([
            { "do": "download", "repo": "acme/weights", "file": "model.safetensors" },
            { "do": "snapshot", "repo": "acme/weights", "revision": sha },
            { "do": "left_behind" },
        ]);
        let seen = desk.steps(venv, &steps).await;
        assert!(seen[0].get("error").is_some(), "{venv}: {}", seen[0]);
        // A refused snapshot of a commit answers with what the cache has of it, without a word.
        let listed = &seen[1]["value"]["files"]["model.safetensors"];
        assert!(listed.is_null(), "{venv}: {}", seen[1]);
        assert_eq!(seen[2]["value"]["wrong"], json!([]), "{venv}: a wrong file lies in the cache");
        told.push_str(seen[0]["text"].as_str().unwrap_or_default());
    }
    assert!(told.contains("model.safetensors") || told.contains("suspended"), "nobody was told why: {told}");

    // Nor by going on from a part that somebody has.
    let token = world.developer().await;
    let desk = Desk::new(&world).await;
    begin_file(&desk.home().join("part"), &good.read(0, 1_000_000));
    let ran = desk.curl(&["-fL", "-C", "-", "-o", "part"], PATH).await;
    assert_ne!(ran.code, 0);
    assert_eq!(std::fs::metadata(desk.home().join("part")).unwrap().len(), 1_000_000);
    for range in ["bytes=0-0", "bytes=1000000-", "bytes=-1"] {
        for path in [PATH, &format!("/acme/weights/resolve/{sha}/model.safetensors")] {
            let reply = patient(&format!("{}{path}", world.url()), &token, &[("range", range)]).await.unwrap();
            assert!(reply.status >= 400, "{range} of {path}: {}", reply.status);
        }
    }
    for way in ["tokio", "sync"] {
        assert_ne!(desk.rust(&[way, "model", "acme/weights", "main", "model.safetensors"]).await.code, 0, "{way}");
    }

    // The store holds nothing wrong, the revision is stopped, and its sound file with it.
    assert!(world.blobs().iter().all(|(_, sound)| *sound), "{:?}", world.blobs());
    assert!(!world.blobs().iter().any(|(name, _)| name == good.sha256()));
    for path in ["/acme/weights/resolve/main/config.json", "/api/models/acme/weights/revision/main"] {
        let reply = world.get(path, &token).await;
        assert_eq!((reply.status, reply.header("x-error-code")), (404, "RevisionNotFound"), "{path}: {}", reply.text());
        assert!(reply.header("x-hf-warning").contains("suspended"), "{}", reply.header("x-hf-warning"));
    }
    assert_eq!(world.get("/-/readyz", "").await.status, 200);
    world.ledger_is_whole().await;

    // Also when the hub comes to its senses: a person has to look first.
    world.hub.clear_faults();
    assert_eq!(world.get(PATH, &token).await.status, 404);
}

#[tokio::test]
async fn a_hub_that_breaks_off_is_gone_on_with() {
    let world = World::bare().await;
    let good = Content::safetensors(6, 8_000_000);
    world.hub.model("acme/weights").commit("Add").file("model.safetensors", good.clone()).push();
    world.approve("acme/weights@main").await;
    world.hub.fault(Fault::cut_after(1_500_000).on("model.safetensors").side(Side::Cdn).times(3));
    world.hub.fault(Fault::status(503).on("model.safetensors").side(Side::Cdn).times(1).after(1));
    let url = format!("{}{PATH}", world.url());
    let reply = patient(&url, &world.developer().await, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, good.sha256()));
    let sent = world.fetched("model.safetensors");
    assert!(sent < good.len() + 3_000_000, "{sent} bytes were fetched for {}", good.len());
}

#[tokio::test]
async fn a_connection_that_breaks_is_resumed_by_every_client() {
    let world = World::bare().await;
    let good = Content::safetensors(7, 30_000_000);
    world
        .hub
        .model("acme/weights")
        .commit("Add")
        .file("config.json", "{}")
        .file("model.safetensors", good.clone())
        .push();
    world.approve("acme/weights@main").await;
    let token = world.developer().await;
    patient(&format!("{}{PATH}", world.url()), &token, &[]).await.unwrap();
    for venv in HUBS {
        let cutter = Cutter::start(world.gateway.address(), 25_000_000).await;
        let desk = Desk::with(&cutter.url, &token);
        let step = json!({ "do": "download", "repo": "acme/weights", "file": "model.safetensors" });
        let seen = desk.steps(venv, &json!([step, step])).await;
        // Older ones give up at a cut and go on when they are called again; 2.4.0 goes on by itself.
        let done = if venv == HUBS[2] { &seen[0] } else { &seen[1] };
        assert_eq!(done["value"]["sha256"], good.sha256(), "{venv}: {} then {}", seen[0], seen[1]);
        assert!(cutter.asked_for_the_rest(), "{venv} began again instead of going on: {}", cutter.requests());
    }
    let cutter = Cutter::start(world.gateway.address(), 25_000_000).await;
    let desk = Desk::with(&cutter.url, &token);
    assert_eq!(desk.curl(&["-fL", "-o", "part"], PATH).await.code, 18, "curl saw the cut");
    desk.curl(&["-fL", "-C", "-", "-o", "part"], PATH).await.good();
    assert_eq!(Content::bytes(std::fs::read(desk.home().join("part")).unwrap()).sha256(), good.sha256());
    assert!(cutter.asked_for_the_rest());
}

#[tokio::test]
async fn what_an_interrupted_process_left_is_gone_on_with() {
    let world = World::bare().await;
    let good = Content::safetensors(9, 3_000_000);
    world.hub.model("acme/weights").commit("Add").file("model.safetensors", good.clone()).push();
    world.approve("acme/weights@main").await;
    let part = good.read(0, 1000);
    // 2.4.0 takes a new file for every process and never goes on with another one's.
    for venv in &HUBS[..2] {
        let watch = Cutter::start(world.gateway.address(), u64::MAX).await;
        let steps = json!([
            { "do": "incomplete", "repo": "acme/weights", "etag": good.sha256(), "first": part },
            { "do": "download", "repo": "acme/weights", "file": "model.safetensors" },
            { "do": "left_behind" },
        ]);
        let seen = Desk::with(&watch.url, &world.developer().await).steps(venv, &steps).await;
        assert_eq!(seen[1]["value"]["sha256"], good.sha256(), "{venv}: {}", seen[1]);
        assert!(watch.asked_for_the_rest(), "{venv} began again instead of going on");
        assert_eq!(seen[2]["value"], json!({ "wrong": [], "half": [] }), "{venv}");
    }
}

/// Stands between a client and the gateway and breaks the first connection that has carried so many bytes.
pub struct Cutter {
    pub url: String,
    seen: Arc<Mutex<Vec<u8>>>,
    carried: Arc<AtomicU64>,
}

impl Cutter {
    pub async fn start(gateway: &str, after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, carried) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
        let (gateway, requests, all) = (gateway.to_owned(), Arc::clone(&seen), Arc::clone(&carried));
        let mut cuts = 1_u32;
        tokio::spawn(async move {
            let (told, mut cut) = tokio::sync::mpsc::unbounded_channel::<()>();
            while let Ok((client, _)) = listener.accept().await {
                while cut.try_recv().is_ok() {
                    cuts = cuts.saturating_sub(1);
                }
                let limit = if cuts > 0 { after } else { u64::MAX };
                let (gateway, requests, told) = (gateway.clone(), Arc::clone(&requests), told.clone());
                let all = Arc::clone(&all);
                tokio::spawn(async move {
                    if pass(client, &gateway, limit, (&requests, &all)).await {
                        let _ = told.send(());
                    }
                });
            }
        });
        Self { url, seen, carried }
    }

    fn requests(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).to_lowercase()
    }

    /// How many bytes went to clients.
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }

    pub async fn has_carried(&self, bytes: u64) {
        while self.carried() < bytes {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn asked_for_the_rest(&self) -> bool {
        let seen = self.requests();
        seen.lines().filter_map(|line| line.strip_prefix("range: bytes=")).any(|range| !range.starts_with('0'))
    }
}

/// True when the connection was cut.
async fn pass(client: TcpStream, gateway: &str, limit: u64, (requests, all): (&Mutex<Vec<u8>>, &AtomicU64)) -> bool {
    let Ok(server) = TcpStream::connect(gateway).await else { return false };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n @ 1..) = from_client.read(&mut buffer).await {
            requests.lock().unwrap().extend_from_slice(&buffer[..n]);
            if to_server.write_all(&buffer[..n]).await.is_err() {
                break;
            }
        }
        let _ = to_server.shutdown().await;
    };
    let down = async {
        let (mut buffer, mut carried) = (vec![0; 64 << 10], 0);
        while let Ok(n @ 1..) = from_server.read(&mut buffer).await {
            carried += n as u64;
            if carried > limit {
                return true;
            }
            if to_client.write_all(&buffer[..n]).await.is_err() {
                return false;
            }
            all.fetch_add(n as u64, Ordering::Relaxed);
        }
        false
    };
    // A client that is done asking still wants its answer.
    let up = async {
        up.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        cut = down => cut,
        () = up => false,
    }
}
