//! kill -9 in the middle of fetches and of commits: nothing half is ever seen, and the work goes on where it was.

use std::time::Duration;

use weighbridge_simulator::{Content, Fault, Side};

use crate::{
    wire::{self, patient},
    world::{Database, World, WorldOptions, long},
};

fn rounds() -> u64 {
    if long() { 100 } else { 5 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_a_fetch() {
    fetches(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_a_fetch_on_postgres() {
    fetches(Database::Postgres).await;
}

async fn fetches(database: Database) {
    let mut world = World::start(WorldOptions { database, sample: false, ..WorldOptions::default() }).await;
    let content = Content::safetensors(1, rounds() * (12 << 20));
    world.hub.model("acme/big").commit("Add").lfs("weights.bin", content.clone()).file("config.json", "{}").push();
    world.approve("acme/big@main").await;
    world.hub.reset_counters();
    let token = world.developer().await;
    let url = format!("{}/acme/big/resolve/main/weights.bin", world.url());
    world.hub.fault(Fault::bandwidth(16 << 20).on("weights.bin").side(Side::Cdn));
    for round in 0..rounds() {
        let before = world.fetched("weights.bin");
        let asking = tokio::spawn({
            let (url, token) = (url.clone(), token.clone());
            async move { wire::ask("GET", &url, &token, &[]).await.map(|reply| reply.status) }
        });
        // Some bytes of this round have come, and then a little more, never the same.
        let mut waited = 0;
        while world.fetched("weights.bin") < before + (1 << 20) && waited < 1000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            waited += 1;
        }
        assert!(waited < 1000, "round {round}: the fetch does not go on");
        tokio::time::sleep(Duration::from_millis(37 * (round % 11))).await;
        world.kill();
        let answer = asking.await.unwrap();
        assert!(!matches!(answer, Ok(200)), "round {round}: a file was answered before it was whole");
        assert!(
            !world.blobs().iter().any(|(name, _)| name == content.sha256()),
            "round {round}: a partial blob has a name"
        );
        world.restart().await;
    }
    world.hub.clear_faults();
    let reply = patient(&url, &token, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, content.sha256()));
    // What was between the hub and the disk when the process died is lost: some buffers of it each time.
    let (sent, allowance) = (world.fetched("weights.bin"), rounds() * (6 << 20));
    assert!(sent <= content.len() + allowance, "{sent} bytes were fetched for {}", content.len());
    assert!(world.blobs().iter().all(|(_, sound)| *sound));
    world.ledger_is_whole().await;
}

/// At any point of an intake: it goes on at the first file that has no report, and nothing leaves before the verdict.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_an_intake() {
    intakes(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_an_intake_on_postgres() {
    intakes(Database::Postgres).await;
}

const REPORTED: &str = "SELECT path FROM report WHERE path LIKE 'part-%'";

async fn intakes(database: Database) {
    let rounds = if long() { 100 } else { 6 };
    let settings = vec![("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned())];
    let mut world = World::start(WorldOptions { database, sample: false, settings, ..WorldOptions::default() }).await;
    let token = world.developer().await;
    // A long form has more to kill it in.
    let files: usize = if long() { 120 } else { 16 };
    let content = |n: usize| Content::safetensors(n as u64, 5_000 + n as u64);
    let mut push = world.hub.model("acme/way").commit("Add").file("config.json", "{}").file("README.md", "# Way");
    for n in 0..files {
        push = push.lfs(format!("part-{n:03}.safetensors"), content(n));
    }
    push.push();
    world.hub.fault(Fault::latency(Duration::from_millis(300)).on("part-").side(Side::Cdn));
    let first = format!("{}/acme/way/resolve/main/part-000.safetensors", world.url());
    let mut known: Vec<String> = Vec::new();
    for round in 0..rounds {
        world.hub.reset_counters();
        let asking = tokio::spawn({
            let (url, token) = (first.clone(), token.clone());
            async move { wire::ask("GET", &url, &token, &[]).await.ok().filter(|reply| reply.status == 200) }
        });
        // Somewhere between the first question and the verdict, never at the same place; and each third time only when
        // the work has got on, which may wait for a dead worker's lease.
        tokio::time::sleep(Duration::from_millis(150 + (round * 733) % 3500)).await;
        let mut waited = 0;
        while round % 3 == 2 && known.len() < files && world.query_text(REPORTED).await.len() <= known.len() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            waited += 1;
            assert!(waited < 3000, "round {round}: the intake does not go on");
        }
        world.kill();
        let decided = world.query_text("SELECT state FROM standing WHERE state = 'approved'").await;
        if let Some(reply) = asking.await.unwrap() {
            assert!(!decided.is_empty(), "round {round}: a file left before anybody had decided");
            assert_eq!(Content::bytes(reply.body).sha256(), content(0).sha256(), "round {round}");
        }
        assert!(world.blobs().iter().all(|(_, sound)| *sound), "round {round}: {:?}", world.blobs());
        let granted = world.query_text("SELECT kind FROM ledger_entry WHERE kind = 'file.granted'").await;
        assert!(granted.is_empty() || !decided.is_empty(), "round {round}: {granted:?}");
        // What had its report when the last process died was not asked for again, unless it was pulled.
        for path in known.iter().filter(|path| !path.ends_with("part-000.safetensors")) {
            assert_eq!(world.fetched(path), 0, "round {round}: {path} was fetched once more");
        }
        let reported = world.query_text(REPORTED).await;
        assert!(known.iter().all(|path| reported.contains(path)), "round {round}: a report is gone");
        known = reported;
        world.restart().await;
        world.ledger_is_whole().await;
    }
    world.hub.clear_faults();
    let reply = patient(&first, &token, &[]).await.unwrap();
    assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, content(0).sha256()));
    for n in [1, files / 2, files - 1] {
        let url = format!("{}/acme/way/resolve/main/part-{n:03}.safetensors", world.url());
        let reply = patient(&url, &token, &[]).await.unwrap();
        assert_eq!((reply.status, Content::bytes(reply.body).sha256()), (200, content(n).sha256()), "part {n}");
    }
    assert!(!known.is_empty(), "no process lived long enough to write anything down");
    assert!(world.blobs().iter().all(|(_, sound)| *sound));
    world.ledger_is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_commits() {
    commits(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_commits_on_postgres() {
    commits(Database::Postgres).await;
}

async fn commits(database: Database) {
    let mut world = World::start(WorldOptions { database, sample: false, ..WorldOptions::default() }).await;
    let count = rounds();
    for n in 0..count {
        let mut push = world.hub.model(&format!("acme/m{n}")).commit("Add");
        for file in 0..12 {
            push = push.file(format!("part-{file}.json"), format!("{{\"n\": {n}, \"file\": {file}}}"));
        }
        push.push();
    }
    let (reviewer, developer) = (world.token("reviewer", "").await, world.developer().await);
    for n in 0..count {
        let id = format!("acme/m{n}");
        let mut approve = world.gateway.weighbridge();
        approve.args(["approve", &format!("{id}@main"), "--reason", "looked", "--env", "research", "--yes"]);
        approve.env("WEIGHBRIDGE_URL", world.url()).env("WEIGHBRIDGE_TOKEN", &reviewer);
        let approving = tokio::spawn(crate::stock::run(approve, Duration::from_mins(1)));
        let url = format!("{}/{id}/resolve/main/part-{}.json", world.url(), n % 12);
        let pulling = tokio::spawn({
            let (url, token) = (url.clone(), developer.clone());
            async move {
                while wire::ask("GET", &url, &token, &[]).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(100 + 173 * (n % 9))).await;
        world.kill();
        let _ = (approving.await, pulling.await);
        world.restart().await;
        assert!(world.blobs().iter().all(|(_, sound)| *sound), "round {n}: {:?}", world.blobs());
        world.ledger_is_whole().await;
        // Either it was approved, or it was not, or a dead worker's lease still runs; asked again, it is.
        let status = wire::ask("GET", &url, &developer, &[]).await.unwrap().status;
        assert!(matches!(status, 200 | 403 | 429), "round {n}: {status}");
        world.approve(&format!("{id}@main")).await;
        let reply = patient(&url, &developer, &[]).await.unwrap();
        assert_eq!((reply.status, reply.text()), (200, format!("{{\"n\": {n}, \"file\": {}}}", n % 12)));
    }
    world.ledger_is_whole().await;
}

#[tokio::test]
async fn told_to_stop_it_ends_well() {
    let mut world = World::new().await;
    world.approve("acme/tiny@main").await;
    assert_eq!(world.gateway.stop().await, Some(0));
    world.ledger_is_whole().await;
    world.gateway.spawn().await;
    let reply = world.get("/acme/tiny/resolve/main/config.json", &world.developer().await).await;
    assert_eq!(reply.status, 200);
}
