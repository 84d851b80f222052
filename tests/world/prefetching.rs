//! What is fetched before anybody pulls it, what goes when there is no room, and what is seen of the work meanwhile.

use std::{fmt::Write as _, fs, time::Duration};

use serde_json::Value;
use tokio::task::JoinSet;
use weighbridge_simulator::{Content, Fault};

use crate::{
    stock::{Desk, HUBS},
    wire::{self, patient},
    world::{Blobs, Database, World, WorldOptions, long},
};

/// A pickle that runs a command, a harmless one.
const EVIL: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09echo gone\x85R.";
const MIB: u64 = 1 << 20;

async fn guarded(blobs: Blobs, storage: &[(&'static str, String)]) -> World {
    let mut settings = vec![("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned())];
    settings.extend(storage.iter().cloned());
    World::start(WorldOptions { blobs, sample: false, settings, ..WorldOptions::default() }).await
}

fn model(world: &World, name: &str, seed: u64, size: u64) -> String {
    let push = world.hub.model(name).commit("Add").file("config.json", format!("{{\"seed\": {seed}}}"));
    push.lfs("model.safetensors", Content::safetensors(seed, size)).push()
}

impl World {
    async fn prefetch(&self, words: &[&str]) -> crate::stock::Ran {
        let all: Vec<&str> = ["prefetch"].into_iter().chain(words.iter().copied()).collect();
        self.api_command(&all, &self.developer().await).await
    }

    /// The jobs as an operator sees them.
    async fn jobs(&self) -> Vec<Value> {
        let operator = self.token("operator", "").await;
        let answer = self.get("/-/api/v1/jobs", &operator).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["jobs"].as_array().unwrap().clone()
    }

    /// The first job of this kind about this, once there is one.
    async fn job(&self, kind: &str, subject: &str, is: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..3000 {
            let jobs = self.jobs().await;
            let found = jobs.into_iter().find(|job| {
                job["kind"] == kind && job["subject"].as_str().is_some_and(|text| text.contains(subject)) && is(job)
            });
            if let Some(found) = found {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no such job of {kind} {subject}: {:#?}", self.jobs().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_prefetched_needs_no_hub() {
    let world = guarded(Blobs::Disk, &[]).await;
    model(&world, "acme/one", 1, 3 * MIB);
    model(&world, "acme/two", 2, MIB);
    let push = world.hub.model("acme/evil").commit("Add").file("config.json", "{}");
    push.lfs("model.pkl", EVIL).push();
    let ran = world.prefetch(&["acme/one", "acme/two@main"]).await.good();
    assert!(ran.out.contains("2 of 2 are here and verified"), "{}", ran.all());
    assert!(ran.out.contains("acme/one@main: here and verified, 2 files, 3.1 MB"), "{}", ran.all());
    // Asked again, nothing is fetched again.
    world.hub.reset_counters();
    let ran = world.prefetch(&["acme/one", "acme/two", "--json"]).await.good();
    assert_eq!(ran.json()["prefetches"][1]["progress"]["files"], 2, "{}", ran.all());
    assert_eq!(world.hub.bytes_sent("/resolve/") + world.fetched("model.safetensors"), 0);
    // What is refused says why, and is an exit code; the rest of the list is not held up by it.
    model(&world, "acme/three", 3, MIB);
    let list = world.folder.path().join("list.txt");
    fs::write(&list, "acme/evil   # a bad one\n\nacme/three\nacme/absent\n").unwrap();
    let ran = world.prefetch(&["--from", list.to_str().unwrap()]).await;
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.all().contains("W-001") && ran.all().contains("acme/evil"), "{}", ran.all());
    assert!(ran.out.contains("1 of 3 are here and verified"), "{}", ran.all());
    // Pulled while the hub is gone.
    world.hub.offline(true);
    let desk = Desk::new(&world).await;
    for repo in ["acme/one", "acme/three"] {
        desk.hf(HUBS[2], &["download", repo]).await.good();
    }
    world.ledger_is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_files_that_are_meant_are_prefetched() {
    let world = guarded(Blobs::Disk, &[]).await;
    let push = world.hub.model("acme/parts").commit("Add").file("config.json", "{}");
    let push = push.lfs("model.safetensors", Content::safetensors(1, 2 * MIB));
    push.lfs("onnx/model.safetensors", Content::safetensors(2, 2 * MIB)).push();
    let words = ["acme/parts", "--include", "*.safetensors", "--exclude", "onnx/", "--json"];
    let ran = world.prefetch(&words).await.good();
    let far = &ran.json()["prefetches"][0]["progress"];
    assert_eq!((far["files"].as_u64(), far["of_files"].as_u64()), (Some(1), Some(1)), "{far}");
    assert!(far["bytes"].as_u64() >= Some(2 * MIB) && far["bytes"] == far["of_bytes"], "{far}");
    let ran = world.prefetch(&["acme/parts", "--include", "*.nothing"]).await;
    assert!(ran.code == 1 && ran.all().contains("no file that is wanted"), "{}", ran.all());
    assert_eq!(world.prefetch(&["no revision"]).await.code, 3);
}

/// Forty models, or three hundred with `--long`, while a pull comes in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_list_does_not_keep_a_pull_waiting() {
    let world = guarded(Blobs::Disk, &[]).await;
    let count = if long() { 300 } else { 40 };
    let mut list = String::new();
    for n in 0..count {
        model(&world, &format!("acme/many-{n}"), n, 50_000);
        let _ = writeln!(list, "acme/many-{n}");
    }
    model(&world, "acme/pulled", 7777, MIB);
    let file = world.folder.path().join("list.txt");
    fs::write(&file, list).unwrap();
    // As long as this stands, the list takes minutes.
    let held = world.hub.fault(Fault::latency(Duration::from_secs(5)).on("many-"));
    world.prefetch(&["--from", file.to_str().unwrap(), "--no-wait"]).await.good();
    Desk::new(&world).await.hf(HUBS[2], &["download", "acme/pulled"]).await.good();
    let open = world.jobs().await.iter().filter(|job| job["kind"] == "prefetch" && job["state"] != "done").count();
    assert!(open > 0, "the pull waited for the whole list");
    world.hub.clear_fault(held);
    let ran = world.prefetch(&["--from", file.to_str().unwrap()]).await.good();
    assert!(ran.out.contains(&format!("{count} of {count} are here and verified")), "{}", ran.all());
}

/// The gateway dies in the middle of the second file: the first is not fetched again, nor what came of the second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_prefetch_goes_on_at_the_first_unfinished_file() {
    let mut world = guarded(Blobs::Disk, &[]).await;
    let push = world.hub.model("acme/parts").commit("Add").file("config.json", "{}");
    let (first, second) = (Content::safetensors(1, 20 * MIB), Content::safetensors(2, 20 * MIB));
    push.lfs("a.safetensors", first.clone()).lfs("b.safetensors", second.clone()).push();
    world.hub.fault(Fault::stall_after(12 * MIB).on("b.safetensors"));
    world.prefetch(&["acme/parts", "--no-wait"]).await.good();
    let at_work = |job: &Value| job["progress"]["files"] == 2 && job["progress"]["bytes"].as_u64() > Some(28 * MIB);
    let job = world.job("prefetch", "acme/parts", at_work).await;
    assert_eq!(job["progress"]["of_files"], 3, "{job}");
    assert_eq!(job["by"], "developer-research", "{job}");
    world.kill();
    world.hub.clear_faults();
    world.hub.reset_counters();
    world.restart().await;
    let ran = world.prefetch(&["acme/parts", "--json"]).await.good();
    assert_eq!(ran.json()["prefetches"][0]["progress"]["files"], 3, "{}", ran.all());
    let again = world.fetched("b.safetensors");
    assert_eq!(world.fetched("a.safetensors"), 0, "the first file was there");
    assert!(again > 0 && again < 12 * MIB, "{again} bytes of the second came again");
    assert!(world.blobs().iter().all(|(_, sound)| *sound));
    world.ledger_is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_is_made_on_disk() {
    room_is_made(Blobs::Disk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_is_made_on_s3() {
    room_is_made(Blobs::S3).await;
}

/// Room for two models: of three one has to go. What is approved stays; what was revoked goes; when nothing may go, the
/// reason is said to whoever pulls and to whoever asks the doctor.
async fn room_is_made(blobs: Blobs) {
    let world = guarded(blobs, &[("WEIGHBRIDGE_STORAGE__QUOTA", "25MiB".to_owned())]).await;
    for (n, name) in ["acme/one", "acme/two", "acme/three"].into_iter().enumerate() {
        model(&world, name, n as u64, 10 * MIB);
    }
    let token = world.developer().await;
    let url = |name: &str| format!("{}/acme/{name}/resolve/main/model.safetensors", world.url());
    let mut bodies = Vec::new();
    for name in ["one", "two"] {
        let reply = patient(&url(name), &token, &[]).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        bodies.push(Content::bytes(reply.body).sha256().to_owned());
    }
    // Both are approved: nothing may go, and the third is refused with the reason.
    let refused = refused_for_room(&url("three"), &token).await;
    assert_eq!((refused.status, refused.header("x-error-code")), (503, ""), "{}", refused.text());
    assert!(refused.text().contains("25.0 MiB") && refused.text().contains("storage.quota"), "{}", refused.text());
    let operator = world.token("operator", "").await;
    let doctor = world.api_command(&["doctor"], &operator).await;
    let line = doctor.out.lines().find(|line| line.contains("storage:")).unwrap_or_default();
    assert!(doctor.code == 1 && line.starts_with("FAIL") && line.contains("storage.quota"), "{}", doctor.all());
    let ran = world.prefetch(&["acme/three"]).await;
    assert!(ran.code == 1 && ran.all().contains("storage.quota"), "{}", ran.all());
    // What is revoked goes, and with it there is room.
    world.revoke("acme/one@main").await;
    let reply = patient(&url("three"), &token, &[]).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let evicted = world.query_text("SELECT CAST(body AS TEXT) FROM ledger_entry WHERE kind = 'blob.evicted'").await;
    assert!(evicted.iter().any(|body| body.contains(&bodies[0])), "{evicted:?}");
    assert!(!evicted.iter().any(|body| body.contains(&bodies[1])), "what is approved was evicted: {evicted:?}");
    // Its bytes have left the store, and those that are approved are still served.
    while world.blobs().iter().any(|(name, _)| *name == bodies[0]) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let sent = world.fetched("model.safetensors");
    let reply = patient(&url("two"), &token, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, bodies[1].as_str()));
    assert_eq!(world.fetched("model.safetensors"), sent, "it was there");
    world.ledger_is_whole().await;
}

/// The first answer that is no "come back": a full store may take a moment to find out that nothing can go.
async fn refused_for_room(url: &str, token: &str) -> wire::Reply {
    loop {
        let reply = wire::ask("GET", url, token, &[]).await.unwrap();
        if reply.status != 429 && !reply.text().contains("being looked at") {
            return reply;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Where it is allowed, approved files go too; a client that is reading one gets all of it, and who pulls it later gets
/// bytes that were fetched and verified again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_evicted_under_a_stream_is_sent_to_its_end_and_verified_when_it_comes_again() {
    let settings =
        [("WEIGHBRIDGE_STORAGE__QUOTA", "25MiB".to_owned()), ("WEIGHBRIDGE_STORAGE__EVICT", "least-used".to_owned())];
    let world = guarded(Blobs::Disk, &settings).await;
    for (n, name) in ["acme/one", "acme/two", "acme/three"].into_iter().enumerate() {
        model(&world, name, n as u64, 10 * MIB);
    }
    let token = world.developer().await;
    let url = |name: &str| format!("{}/acme/{name}/resolve/main/model.safetensors", world.url());
    for name in ["one", "two"] {
        assert_eq!(patient(&url(name), &token, &[]).await.unwrap().status, 200);
    }
    // Somebody reads the older one slowly, while the third needs room.
    let mut slow = wire::client().get(url("one")).bearer_auth(&token).send().await.unwrap();
    let mut read = slow.chunk().await.unwrap().unwrap().to_vec();
    let reply = patient(&url("three"), &token, &[]).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    while let Some(chunk) = slow.chunk().await.unwrap() {
        read.extend_from_slice(&chunk);
    }
    let first = Content::safetensors(0, 10 * MIB);
    assert_eq!(Content::bytes(read).sha256(), first.sha256());
    let evicted = world.query_text("SELECT CAST(body AS TEXT) FROM ledger_entry WHERE kind = 'blob.evicted'").await;
    let second = Content::safetensors(1, 10 * MIB);
    assert!(!evicted.is_empty() && evicted.iter().all(|body| !body.contains(first.sha256())), "{evicted:?}");
    assert!(evicted.iter().any(|body| body.contains(second.sha256())), "{evicted:?}");
    // The one that went comes again, and is read by the scanner before any of it leaves.
    let verified = "SELECT CAST(count(*) AS TEXT) FROM job WHERE kind = 'verify' AND state = 'done'";
    let before = world.query_text(verified).await;
    world.hub.reset_counters();
    let reply = patient(&url("two"), &token, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, second.sha256()), "{before:?}");
    assert_eq!(world.fetched("model.safetensors"), second.len());
    let stage = "SELECT stage FROM report JOIN file ON file.path = report.path AND file.revision_id = \
                 report.revision_id WHERE sha256 = ";
    assert_eq!(world.query_text(&format!("{stage}'{}'", second.sha256())).await, ["verified"]);
    world.ledger_is_whole().await;
}

/// A fetch and an inspection that never end; what is stored is served all the same, and what is refused is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approved_content_flows_while_other_things_are_stuck() {
    let world = guarded(Blobs::Disk, &[]).await;
    model(&world, "acme/ready", 1, MIB);
    model(&world, "acme/big", 2, 30 * MIB);
    let push = world.hub.model("acme/evil").commit("Add").file("config.json", "{}");
    push.lfs("model.pkl", EVIL).push();
    let desk = Desk::new(&world).await;
    desk.hf(HUBS[2], &["download", "acme/ready"]).await.good();
    let evil = desk.hf(HUBS[2], &["download", "acme/evil"]).await;
    assert!(evil.all().contains("W-001"), "{}", evil.all());
    let token = world.developer().await;
    // Approved, and its bytes do not come.
    assert_eq!(world.head("/acme/big/resolve/main/config.json", &token).await.status, 200);
    world.hub.fault(Fault::stall_after(MIB).on("model.safetensors"));
    let mut stuck = JoinSet::new();
    let big = format!("{}/acme/big/resolve/main/model.safetensors", world.url());
    stuck.spawn({
        let token = token.clone();
        async move { wire::ask("GET", &big, &token, &[]).await.map(|reply| reply.status) }
    });
    for n in 0..6 {
        let name = format!("acme/stuck-{n}");
        let push = world.hub.model(&name).commit("Add").file("config.json", format!("{{\"n\": {n}}}"));
        push.lfs("pytorch_model.bin", Content::generated(50 + n, 20 * MIB)).push();
        let url = format!("{}/{name}/resolve/main/config.json", world.url());
        let token = token.clone();
        stuck.spawn(async move { wire::ask("GET", &url, &token, &[]).await.map(|reply| reply.status) });
    }
    world.hub.fault(Fault::stall_after(1000).on("pytorch_model.bin"));
    world.job("fetch", "model.safetensors of acme/big", |job| job["state"] == "running").await;
    world.job("inspect", "acme/stuck", |job| job["state"] == "running").await;
    let fresh = Desk::new(&world).await;
    fresh.hf(HUBS[2], &["download", "acme/ready"]).await.good();
    let evil = fresh.hf(HUBS[2], &["download", "acme/evil"]).await;
    assert!(evil.code != 0 && evil.all().contains("W-001"), "{}", evil.all());
    let jobs = world.jobs().await;
    let under_way = |kind: &str| jobs.iter().any(|job| job["kind"] == kind && job["state"] == "running");
    assert!(under_way("fetch") && under_way("inspect"), "nothing was stuck: {jobs:#?}");
    world.hub.clear_faults();
}

/// A job that was given up says why, to those who may look; and begins anew when an operator says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buried_job_says_why_and_can_be_tried_again() {
    let world =
        World::start(WorldOptions { database: Database::Sqlite, sample: false, ..WorldOptions::default() }).await;
    let token = world.developer().await;
    let reviewer = world.token("reviewer", "").await;
    let examine = "/-/api/v1/environments/research/examinations/models/acme/late/main";
    let ask = || async {
        let url = format!("{}{examine}", world.url());
        let body = serde_json::json!({"anew": false});
        wire::client().post(url).bearer_auth(&reviewer).json(&body).send().await.unwrap()
    };
    ask().await;
    let job = world.job("examine", "acme/late", |job| job["state"] == "failed").await;
    assert!(job["why"].as_str().is_some_and(|why| !why.is_empty()), "{job}");
    let operator = world.token("operator", "").await;
    let listed = world.api_command(&["jobs"], &operator).await.good();
    assert!(listed.out.contains("acme/late@main") && listed.out.contains("1 failed"), "{}", listed.all());
    let id = job["id"].as_str().unwrap();
    let shown = world.api_command(&["jobs", "show", id], &operator).await.good();
    assert!(shown.out.contains("failed") && shown.out.contains(job["why"].as_str().unwrap()), "{}", shown.all());
    // Only an operator tries it again; a developer does not even see it.
    world.hub.model("acme/late").commit("Add").file("config.json", "{}").push();
    for (who, code) in [(&reviewer, 1), (&token, 1), (&operator, 0)] {
        let ran = world.api_command(&["jobs", "retry", id], who).await;
        assert_eq!(ran.code, code, "{}", ran.all());
    }
    assert_eq!(world.get("/-/api/v1/jobs", &token).await.status, 403);
    // The hub's no is remembered for some seconds; then what was pushed meanwhile is found.
    let mut retried = 1;
    while world.job("examine", "acme/late", |job| job["state"] != "running").await["state"] != "done" {
        let again = world.api_command(&["jobs", "retry", id], &operator).await;
        retried += usize::from(again.code == 0);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let again = world.api_command(&["jobs", "retry", id], &operator).await;
    assert!(again.code == 1 && again.all().contains("not buried"), "{}", again.all());
    let told = world.query_text("SELECT CAST(body AS TEXT) FROM ledger_entry WHERE kind = 'job.retried'").await;
    assert_eq!(told.len(), retried);
    let watched = world.api_command(&["jobs", "--watch", "--all"], &operator).await.good();
    assert!(watched.out.contains("0 running, 0 waiting"), "{}", watched.all());
    world.ledger_is_whole().await;
}
