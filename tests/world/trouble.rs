//! A hub that lies, breaks off, and sends what no reader should have to read: never served, always explained, and the gateway
//! stays well.

use std::time::Duration;

use futures_util::future::join_all;
use weighbridge_simulator::{Content, Fault, Side, weights::zip};

use crate::{
    wire::{self, Reply},
    world::{World, WorldOptions, long},
};

async fn guarded() -> World {
    let settings = vec![("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned())];
    World::start(WorldOptions { sample: false, settings, ..WorldOptions::default() }).await
}

/// Asks for a file until there is an answer that is not "later".
async fn settled(world: &World, path: &str, token: &str) -> Reply {
    let url = format!("{}{path}", world.url());
    for _ in 0..120 {
        // What was sent early and then was not right is cut off: whoever asks again hears why.
        match wire::ask("GET", &url, token, &[]).await {
            Ok(reply) if !matches!(reply.status, 429 | 503) => return reply,
            _ => {}
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("nobody is told anything about {path}");
}

async fn is_well(world: &World) {
    let ready = wire::client().get(format!("{}/-/readyz", world.url())).send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 200);
    let most = world.gateway.most_memory();
    assert!(most < 600 << 20, "the gateway held {most} bytes");
}

/// A text in so many archives.
fn nested(depth: usize) -> Content {
    (0..depth).fold(Content::from("hello"), |inner, level| {
        let name = if level == 0 { "hello.txt".to_owned() } else { format!("{level}.zip") };
        zip(&[(name, inner)])
    })
}

/// What never becomes a file that is served, and a word of the explanation for each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_hub_should_not_send_is_never_served_and_always_explained() {
    let world = guarded().await;
    let bomb: &[u8] = include_bytes!("../../scanners/tests/rules/WB-ZIP-009/bad/data.zip");
    let length = |length: u64| Content::bytes([&length.to_le_bytes()[..], b"{}      ", &[0; 64]].concat());
    // Each its own: the same bytes of two repositories would be fetched for both by one job.
    let good = |seed| Content::safetensors(seed, 50_000);
    let cases: Vec<(&str, &str, Content, Option<Fault>, &str)> = vec![
        ("bomb", "model.zip", Content::bytes(bomb), None, "W-0"),
        ("nested", "nested.zip", nested(3), None, "W-015"),
        ("length", "model.safetensors", length(1 << 63), None, "W-002"),
        ("longest", "model.safetensors", length(u64::MAX), None, "W-002"),
        ("short", "short.safetensors", good(1), Some(Fault::wrong_length(512)), "announces 512"),
        ("much", "much.safetensors", good(2), Some(Fault::wrong_length(90_000)), "announces 90000"),
        ("cut", "cut.safetensors", good(3), Some(Fault::cut_after(20)), "could not be inspected"),
        ("missing", "missing.safetensors", good(4), Some(Fault::short_body(5)), "could not be inspected"),
        ("gone", "gone.safetensors", good(5), Some(Fault::status(404)), "answered 404"),
        ("wrong", "wrong.safetensors", good(6), Some(Fault::flip_byte(1)), "W-0"),
        ("shut", "shut.safetensors", good(7), Some(Fault::disconnect()), "could not be inspected"),
    ];
    for (repo, file, content, fault, _) in &cases {
        let push = world.hub.model(&format!("acme/{repo}")).commit("Add").file("config.json", "{}");
        push.lfs(*file, content.clone()).push();
        if let Some(fault) = fault {
            world.hub.fault(fault.clone().on(*file).side(Side::Cdn));
        }
    }
    // A hub that sends whoever asks from one address to the same again.
    world.hub.model("acme/round").commit("Add").lfs("round.safetensors", good(8)).push();
    let sha = world.hub.model("acme/round").head("main").unwrap();
    let there = format!("{}/acme/round/resolve/{sha}/round.safetensors", world.hub.url());
    world.hub.fault(Fault::set_header("location", there).on("round.safetensors").side(Side::Hub));
    let token = world.developer().await;
    let asked = cases.iter().map(|(repo, file, _, _, word)| (*repo, *file, *word));
    let asked: Vec<_> = asked.chain([("round", "round.safetensors", "redirects more than")]).collect();
    join_all(asked.iter().map(async |(repo, file, word)| {
        for path in [*file, "config.json"] {
            if *repo == "round" && path == "config.json" {
                continue;
            }
            let reply = settled(&world, &format!("/acme/{repo}/resolve/main/{path}"), &token).await;
            let said = reply.text();
            assert_eq!(reply.status, 403, "{repo}/{path}: {said}");
            assert!(said.contains(word) && said.contains("/-/r/"), "{repo}/{path} lacks `{word}`: {said}");
        }
    }))
    .await;
    let granted = world.query_text("SELECT kind FROM ledger_entry WHERE kind = 'file.granted'").await;
    assert!(granted.is_empty(), "{} files were granted", granted.len());
    is_well(&world).await;
    world.ledger_is_whole().await;
}

/// A hub that answers ranges oddly is not asked for ranges: the file comes whole, and what is served is what was listed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_answers_to_ranges_lead_to_the_whole_file() {
    let world = guarded().await;
    for (file, fault) in [
        ("whole.safetensors", Fault::ignore_range()),
        ("size.safetensors", Fault::set_header("content-range", "bytes 0-99/5000").times(1)),
        ("place.safetensors", Fault::set_header("content-range", "bytes 7-106/70192").times(1)),
    ] {
        world.hub.fault(fault.on(file).side(Side::Cdn));
    }
    world.hub.fault(Fault::set_header("x-linked-etag", format!("\"{}\"", "ab".repeat(32))).on("etag.safetensors"));
    let files = ["whole", "size", "place", "etag"];
    let weights = |file: &str| Content::safetensors(file.len() as u64, 70_000 + u64::from(file.as_bytes()[0]));
    for file in files {
        let push = world.hub.model(&format!("acme/{file}")).commit("Add");
        push.lfs(format!("{file}.safetensors"), weights(file)).push();
    }
    let token = world.developer().await;
    join_all(files.map(async |file| {
        let reply = settled(&world, &format!("/acme/{file}/resolve/main/{file}.safetensors"), &token).await;
        assert_eq!(reply.status, 200, "{file}: {}", reply.text());
        assert_eq!(Content::bytes(reply.body).sha256(), weights(file).sha256(), "{file}");
    }))
    .await;
    let whole = world.query_text("SELECT state FROM job WHERE kind = 'fetch'").await;
    assert!(!whole.is_empty() && whole.iter().all(|state| state == "done"), "{whole:?}");
    // Nothing was judged by ranges that had to be verified afterwards.
    let verified = world.query_text("SELECT payload FROM job WHERE kind = 'verify'").await;
    assert!(verified.is_empty(), "{verified:?}");
    is_well(&world).await;
}

/// The ranges that were judged came out wrong, and the file that is fetched is another one: it is not served.
#[tokio::test]
async fn bytes_that_differ_between_two_asks_are_caught() {
    let world = guarded().await;
    let weights = Content::safetensors(1, 3_000_000);
    world.hub.model("acme/twice").commit("Add").lfs("model.safetensors", weights).push();
    // The tensor has another name in what is inspected, and everything else is as it should be.
    let shown = world.hub.fault(Fault::xor_byte(10, 1).on("model.safetensors").side(Side::Cdn));
    let token = world.developer().await;
    assert_eq!(world.get("/api/models/acme/twice", &token).await.status, 200);
    world.hub.clear_fault(shown);
    let reply = settled(&world, "/acme/twice/resolve/main/model.safetensors", &token).await;
    assert!(matches!(reply.status, 403 | 404), "{}: {}", reply.status, reply.text());
    assert!(reply.text().contains("not what the hub had listed"), "{}", reply.text());
    assert_eq!(world.query_text("SELECT state FROM standing WHERE environment = 'research'").await, ["suspended"]);
    world.ledger_is_whole().await;
}

/// A tree of a hundred thousand files: whoever asks is told to wait, others are served meanwhile, and memory is bounded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_tree_keeps_nobody_else_waiting() {
    let world = guarded().await;
    let files = if long() { 100_000 } else { 8_000 };
    let mut push = world.hub.model("acme/endless").commit("Add");
    for n in 0..files {
        push = push.plain(format!("part-{:03}/{n:06}.txt", n % 500), format!("{n}"));
    }
    push.push();
    world.hub.model("acme/small").commit("Add").lfs("model.safetensors", Content::safetensors(1, 9_000)).push();
    let token = world.developer().await;
    let asking = tokio::spawn({
        let (url, token) = (format!("{}/acme/endless/resolve/main/part-000/000000.txt", world.url()), token.clone());
        async move { wire::ask("GET", &url, &token, &[]).await.unwrap() }
    });
    let reply = settled(&world, "/acme/small/resolve/main/model.safetensors", &token).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let reply = asking.await.unwrap();
    assert!(reply.status == 429 && !reply.header("retry-after").is_empty(), "{}: {}", reply.status, reply.text());
    is_well(&world).await;
}
