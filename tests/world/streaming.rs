//! Files that are sent while they are fetched: the first byte comes early, the end only when all of it was found right,
//! and whoever holds bytes that were not found right gets all of the file again.
//!
//! The hub is held in the middle of the file, so that what a client has by then left early for certain.

use std::time::Duration;

use reqwest::Response;
use serde_json::json;
use weighbridge_simulator::{Content, Fault, Side};

use crate::{
    bytes::Cutter,
    stock::{Desk, HUBS, begin_file},
    wire::{self, patient},
    world::{World, WorldOptions},
};

const PATH: &str = "/acme/weights/resolve/main/model.safetensors";
const FILE: &str = "model.safetensors";
const MIB: u64 = 1 << 20;
/// Where the hub is held, between two batches of the spool.
const HELD: u64 = 12 * MIB + 300_000;

/// A world whose rules have judged a model by its header, and nobody has fetched it yet.
struct Scene {
    world: World,
    good: Content,
    token: String,
    commit: String,
}

impl Scene {
    async fn new(size: u64) -> Self {
        let settings = vec![("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned())];
        let world = World::start(WorldOptions { sample: false, settings, ..WorldOptions::default() }).await;
        let good = Content::safetensors(11, size);
        let push = world.hub.model("acme/weights").commit("Add").file("config.json", "{}");
        let commit = push.lfs(FILE, good.clone()).push();
        let token = world.developer().await;
        let reply = world.get("/api/models/acme/weights", &token).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        Self { world, good, token, commit }
    }

    /// The same, with a hub that stops in the middle of the file until its faults are cleared.
    async fn held() -> Self {
        let scene = Self::new(20 * MIB).await;
        scene.fault(Fault::hold_after(HELD));
        scene
    }

    fn fault(&self, fault: Fault) {
        self.world.hub.fault(fault.on(FILE).side(Side::Cdn));
    }

    fn url(&self) -> String {
        format!("{}{PATH}", self.world.url())
    }

    async fn begin(&self) -> Early {
        Early::begin(&self.url(), &self.token, &self.good).await
    }

    async fn marks(&self) -> usize {
        let sql = format!("SELECT etag FROM streamed WHERE etag = '{}'", self.good.sha256());
        self.world.query_text(&sql).await.len()
    }

    /// Waits until a mark was lifted; it is, just after the last byte was let go.
    async fn no_marks(&self) {
        for _ in 0..600 {
            if self.marks().await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the mark still stands");
    }

    async fn from(&self, start: u64, agent: &str) -> wire::Reply {
        let range = format!("bytes={start}-");
        patient(&self.url(), &self.token, &[("range", &range), ("user-agent", agent)]).await.unwrap()
    }

    /// What every kind of client gets that goes on with bytes which may be wrong.
    async fn begins_again(&self) {
        let reply = self.from(5 * MIB, "python-requests/2").await;
        assert_eq!((reply.status, reply.header("content-range")), (200, ""), "all of it, from its start");
        assert_eq!(Content::bytes(reply.body).sha256(), self.good.sha256());
        let reply = self.from(self.good.len() - 1000, "unknown/1").await;
        assert_eq!((reply.status, reply.body.len() as u64), (200, self.good.len()));
        // The old Rust client never had any, and takes nothing but a part.
        let reply = self.from(5 * MIB, "hf-hub/0.4.3; rust").await;
        assert_eq!((reply.status, reply.body.len() as u64), (206, self.good.len() - 5 * MIB));
        let desk = Desk::new(&self.world).await;
        begin_file(&desk.home().join("part"), &[0xff; 4096]);
        let ran = desk.curl(&["-fL", "-C", "-", "-o", "part"], PATH).await;
        assert_ne!(ran.code, 0, "curl cannot go on, and says so: {}", ran.all());
        assert_eq!(std::fs::read(desk.home().join("part")).unwrap(), [0xff; 4096]);
    }
}

/// A client that reads as the file comes.
struct Early {
    reply: Response,
    good: Content,
    got: u64,
}

impl Early {
    async fn begin(url: &str, token: &str, good: &Content) -> Self {
        let client = wire::client();
        loop {
            let reply = client.get(url).bearer_auth(token).send().await.unwrap();
            match reply.status().as_u16() {
                200 => {
                    assert_eq!(reply.content_length(), Some(good.len()));
                    return Self { reply, good: good.clone(), got: 0 };
                }
                429 => tokio::time::sleep(Duration::from_secs(1)).await,
                other => panic!("{other}: {:?}", reply.text().await),
            }
        }
    }

    /// Reads until there is so much, which must be right.
    async fn until(&mut self, bytes: u64) {
        while self.got < bytes {
            let chunk = self.next().await.expect("it goes on").expect("there is more");
            let right = self.good.read(self.got - chunk.len() as u64, chunk.len());
            assert!(chunk == right, "wrong bytes before {}", self.got);
        }
    }

    /// Reads on, whatever comes. `Err` with what there is when the connection broke.
    async fn rest(mut self) -> Result<u64, u64> {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(self.got),
                Err(_) => return Err(self.got),
            }
        }
    }

    async fn next(&mut self) -> reqwest::Result<Option<bytes::Bytes>> {
        let chunk = tokio::time::timeout(Duration::from_mins(3), self.reply.chunk()).await.expect("nothing comes");
        if let Ok(Some(chunk)) = &chunk {
            self.got += chunk.len() as u64;
        }
        chunk
    }
}

#[tokio::test]
async fn the_first_byte_comes_before_the_last_one_is_fetched() {
    let mut scene = Scene::held().await;
    let mut early = scene.begin().await;
    // All that the hub has sent, also what fills no batch; and nothing waits for what it has not sent.
    early.until(HELD).await;
    let (sent, all) = (scene.world.fetched(FILE), scene.good.len());
    assert!(sent < all, "{sent} of {all} were fetched");
    assert!(scene.world.blobs().iter().all(|(name, _)| *name != scene.good.sha256()));
    assert_eq!(scene.marks().await, 1, "it is written down that bytes left early");
    scene.world.hub.clear_faults();
    early.until(all).await;
    assert_eq!(early.rest().await, Ok(all));
    scene.no_marks().await;
    let reply = scene.from(5 * MIB, "any/1").await;
    assert_eq!((reply.status, reply.body.len() as u64), (206, all - 5 * MIB), "what was right is gone on with");
    scene.world.ledger_is_whole().await;
    // What was counted is what left.
    let counted = "SELECT CAST(body AS TEXT) FROM ledger_entry WHERE kind = 'file.ended'";
    scene.world.gateway.stop().await;
    let ended = scene.world.query_text(counted).await;
    let ended: Vec<serde_json::Value> = ended.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let of_it = ended.iter().filter(|event| event["object"]["path"] == FILE);
    let bytes: u64 = of_it.map(|event| event["end"]["bytes"].as_u64().unwrap()).sum();
    assert_eq!(bytes, all + all - 5 * MIB, "{ended:?}");
}

#[tokio::test]
async fn wrong_bytes_in_any_place_are_never_a_whole_file() {
    for wrong in [0, 30, 6 * MIB, 14 * MIB, 20 * MIB - 1] {
        let scene = Scene::held().await;
        scene.fault(Fault::flip_byte(wrong));
        let mut early = scene.begin().await;
        // What was judged comes from the scanner's own copies, however wrong the second fetch is.
        early.until(if wrong < MIB { HELD - MIB } else { 5 * MIB }).await;
        scene.world.hub.clear_faults();
        scene.fault(Fault::flip_byte(wrong));
        let got = early.rest().await.expect_err("it is cut");
        assert!(got <= scene.good.len() - MIB, "{wrong}: the end is held back, and {got} bytes came");
        let reply = patient(&scene.url(), &scene.token, &[]).await.unwrap();
        assert!(reply.status == 403 || reply.status == 404, "{wrong}: {}: {}", reply.status, reply.text());
        assert_eq!(scene.world.get(PATH, &scene.token).await.status, 404, "{wrong}: it is suspended");
        let range = scene.world.ask("GET", PATH, &scene.token, &[("range", "bytes=1000-")]).await;
        assert_eq!(range.status, 404, "{wrong}: also for whoever goes on");
        assert!(scene.marks().await > 0, "{wrong}: the mark stays");
        assert!(scene.world.blobs().iter().all(|(name, sound)| *sound && *name != scene.good.sha256()));
        scene.world.ledger_is_whole().await;
    }
}

#[tokio::test]
async fn a_file_that_changed_after_it_was_judged_is_never_whole() {
    let scene = Scene::held().await;
    let push = scene.world.hub.model("acme/weights").commit("Add").sha(&scene.commit).file("config.json", "{}");
    push.lfs(FILE, Content::safetensors(12, 20 * MIB)).push();
    let early = scene.begin().await;
    scene.world.hub.clear_faults();
    assert!(early.rest().await.is_err());
    let reply = patient(&scene.url(), &scene.token, &[]).await.unwrap();
    assert!(matches!(reply.status, 403 | 404), "{}: {}", reply.status, reply.text());
    assert!(!scene.world.blobs().iter().any(|(name, _)| *name == scene.good.sha256()));
}

/// Bytes that were wrong once are fetched again, and then they are right; but somebody may have the wrong ones.
#[tokio::test]
async fn who_was_cut_begins_again() {
    let scene = Scene::held().await;
    scene.fault(Fault::flip_byte(6 * MIB).times(1));
    let mut early = scene.begin().await;
    early.until(5 * MIB).await;
    scene.world.hub.clear_faults();
    let got = early.rest().await.expect_err("it is cut");
    assert!(got <= scene.good.len() - MIB, "{got}");
    let reply = patient(&scene.url(), &scene.token, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, scene.good.sha256()));
    assert!(scene.marks().await > 0, "nobody has found the first bytes right");
    scene.begins_again().await;
    // What an older process of a client left behind, with wrong bytes in it.
    let steps = json!([
        { "do": "incomplete", "repo": "acme/weights", "etag": scene.good.sha256(), "first": vec![0xff_u8; 5000] },
        { "do": "download", "repo": "acme/weights", "file": FILE },
        { "do": "left_behind" },
    ]);
    for venv in &HUBS[..2] {
        let watch = Cutter::start(scene.world.gateway.address(), u64::MAX).await;
        let seen = Desk::with(&watch.url, &scene.token).steps(venv, &steps).await;
        assert!(watch.asked_for_the_rest(), "{venv} would have gone on");
        assert_eq!(seen[1]["value"]["sha256"], scene.good.sha256(), "{venv}: {}", seen[1]);
        assert_eq!(seen[2]["value"], json!({ "wrong": [], "half": [] }), "{venv}");
    }
    let desk = Desk::new(&scene.world).await;
    for way in ["tokio", "sync"] {
        desk.rust(&[way, "model", "acme/weights", "main", FILE]).await.good();
    }
    assert!(scene.marks().await > 0, "nothing of this lifts it");
}

/// Real clients in the middle of a stream whose bytes turn out wrong: each ends with the right file or with none.
#[tokio::test]
async fn every_client_that_was_cut_ends_with_the_right_file() {
    for venv in HUBS {
        let scene = Scene::held().await;
        scene.fault(Fault::flip_byte(6 * MIB).times(1));
        let watch = Cutter::start(scene.world.gateway.address(), u64::MAX).await;
        let desk = Desk::with(&watch.url, &scene.token);
        let step = json!({ "do": "download", "repo": "acme/weights", "file": FILE });
        let steps = json!([step, step, { "do": "left_behind" }]);
        let release = async {
            watch.has_carried(8 * MIB).await;
            scene.world.hub.clear_faults();
        };
        let (seen, ()) = tokio::join!(desk.steps(venv, &steps), release);
        // Older ones give up at a cut and go on when they are called again.
        assert_eq!(seen[1]["value"]["sha256"], scene.good.sha256(), "{venv}: {} then {}", seen[0], seen[1]);
        assert_eq!(seen[2]["value"]["wrong"], json!([]), "{venv}");
        assert!(watch.carried() >= 8 * MIB + scene.good.len(), "{venv}: {} bytes", watch.carried());
    }
}

/// And those that nobody cuts get it at the first try, early.
#[tokio::test]
async fn every_client_reads_along_to_the_end() {
    for venv in HUBS {
        let scene = Scene::held().await;
        let watch = Cutter::start(scene.world.gateway.address(), u64::MAX).await;
        let desk = Desk::with(&watch.url, &scene.token);
        let steps = json!([{ "do": "download", "repo": "acme/weights", "file": FILE }, { "do": "left_behind" }]);
        let release = async {
            watch.has_carried(8 * MIB).await;
            scene.world.hub.clear_faults();
        };
        let (seen, ()) = tokio::join!(desk.steps(venv, &steps), release);
        assert_eq!(seen[0]["value"]["sha256"], scene.good.sha256(), "{venv}: {}", seen[0]);
        assert_eq!(seen[1]["value"], json!({ "wrong": [], "half": [] }), "{venv}");
        assert_eq!(scene.world.fetched(FILE).saturating_sub(scene.good.len()) / MIB, 0, "{venv}: fetched once");
        scene.no_marks().await;
    }
}

#[tokio::test]
async fn a_range_waits_for_the_verified_file() {
    let scene = Scene::held().await;
    let mut early = scene.begin().await;
    early.until(8 * MIB).await;
    // None of them names the end, and all of these bytes are here.
    let (world, token) = (&scene.world, &scene.token);
    let ask = |range| async move { world.ask("GET", PATH, token, &[("range", range)]).await };
    let ranges = ["bytes=0-0", "bytes=0-4000000", "bytes=5000-9000", "bytes=0-20971518", "bytes=-1", "bytes=6000000-"];
    let replies = futures_util::future::join_all(ranges.map(ask)).await;
    for (range, reply) in ranges.iter().zip(&replies) {
        assert_eq!(reply.status, 429, "{range}: {}", reply.text());
    }
    // The old Rust client asks so, and waits as long as it takes.
    let rust = wire::client().get(scene.url()).bearer_auth(&scene.token).header("range", "bytes=0-9999");
    let rust = tokio::spawn(rust.header("user-agent", "hf-hub/0.4.3; rust").send());
    scene.world.hub.clear_faults();
    assert_eq!(rust.await.unwrap().unwrap().status(), 206);
    assert_eq!(early.rest().await, Ok(scene.good.len()));
    scene.no_marks().await;
    let reply = scene.from(8 * MIB, "any/1").await;
    assert_eq!((reply.status, reply.body.len() as u64), (206, scene.good.len() - 8 * MIB));
}

/// One that reads nothing holds nobody back, and costs no memory.
#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_back() {
    let scene = Scene::new(160 * MIB).await;
    scene.fault(Fault::hold_after(HELD));
    let before = scene.world.gateway.most_memory();
    let mut slow = scene.begin().await;
    slow.until(MIB).await;
    let mut second = scene.begin().await;
    second.until(HELD).await;
    scene.world.hub.clear_faults();
    second.until(scene.good.len()).await;
    assert_eq!(second.rest().await, Ok(scene.good.len()));
    scene.no_marks().await;
    assert_eq!(slow.got / (4 * MIB), 0, "it has not read on");
    let third = patient(&scene.url(), &scene.token, &[("range", "bytes=-5")]).await.unwrap();
    assert_eq!(third.status, 206);
    let more = scene.world.gateway.most_memory() - before;
    assert!(more < 100 * MIB, "the gateway took {} MiB more", more / MIB);
    slow.until(scene.good.len()).await;
    assert_eq!(slow.rest().await, Ok(scene.good.len()));
}

#[tokio::test]
async fn a_gateway_that_dies_in_the_middle_leaves_the_mark() {
    let mut scene = Scene::held().await;
    let mut early = scene.begin().await;
    early.until(8 * MIB).await;
    scene.world.kill();
    assert!(early.rest().await.is_err());
    scene.world.hub.clear_faults();
    scene.world.restart().await;
    let reply = patient(&scene.url(), &scene.token, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, scene.good.sha256()));
    assert!(scene.marks().await > 0);
    scene.begins_again().await;
    scene.world.ledger_is_whole().await;
}

#[tokio::test]
async fn a_revocation_cuts_what_is_sent_early() {
    let scene = Scene::held().await;
    let mut early = scene.begin().await;
    early.until(8 * MIB).await;
    scene.world.revoke("acme/weights@main").await;
    let got = early.rest().await.expect_err("it is cut while the hub holds still");
    assert!(got <= HELD, "{got}");
    scene.world.hub.clear_faults();
    assert_eq!(scene.world.get(PATH, &scene.token).await.status, 404);
}

/// A hub that announces another length than it listed sends nothing that anybody could take for the file.
#[tokio::test]
async fn another_length_than_listed_is_never_a_whole_file() {
    let scene = Scene::new(20 * MIB).await;
    for wrong in [scene.good.len() - 1, scene.good.len() + 1] {
        scene.fault(Fault::wrong_length(wrong));
        let reply = scene.world.get(PATH, &scene.token).await;
        assert!(matches!(reply.status, 429 | 503), "{}: {}", reply.status, reply.text());
        assert_eq!(scene.marks().await, 0, "nothing left");
        scene.world.hub.clear_faults();
    }
    let reply = patient(&scene.url(), &scene.token, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, scene.good.sha256()));
    assert_eq!(scene.world.get("/-/readyz", "").await.status, 200);
}

/// A header that claims 2^63 bytes was never judged, so nothing of its file leaves, early or late.
#[tokio::test]
async fn a_header_of_2_to_the_63_bytes_is_refused() {
    let settings = vec![("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned())];
    let world = World::start(WorldOptions { sample: false, settings, ..WorldOptions::default() }).await;
    let mut bytes = Content::safetensors(11, 9 * MIB).read(0, 9 << 20);
    bytes[..8].copy_from_slice(&(1_u64 << 63).to_le_bytes());
    world.hub.model("acme/weights").commit("Add").lfs(FILE, Content::bytes(bytes)).push();
    let token = world.developer().await;
    let reply = patient(&format!("{}{PATH}", world.url()), &token, &[]).await.unwrap();
    assert_eq!((reply.status, reply.header("x-error-code")), (403, "GatedRepo"), "{}", reply.text());
    assert_eq!(world.query_text("SELECT etag FROM streamed").await, Vec::<String>::new());
    assert_eq!(world.get("/-/readyz", "").await.status, 200);
}

/// Where it is not allowed, or the scanner's copies are gone, the file is verified first.
#[tokio::test]
async fn nothing_leaves_early_where_it_must_not() {
    let scene = Scene::held().await;
    let prod = scene.world.token("developer", "prod").await;
    let reply = scene.world.get("/api/models/acme/weights", &prod).await;
    if reply.status != 200 {
        scene.world.approve_in("acme/weights@main", "prod").await;
    }
    let reply = scene.world.get(PATH, &prod).await;
    assert_eq!(reply.status, 429, "production waits: {}", reply.text());
    std::fs::remove_dir_all(scene.world.folder.path().join("data/spool/kept")).unwrap();
    let reply = scene.world.get(PATH, &scene.token).await;
    assert_eq!(reply.status, 429, "{}", reply.text());
    assert_eq!(scene.marks().await, 0, "nothing left");
    scene.world.hub.clear_faults();
    for token in [&prod, &scene.token] {
        let reply = patient(&scene.url(), token, &[]).await.unwrap();
        assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, scene.good.sha256()));
    }
}
