//! Nothing ever leads a client past the gateway: no address of another host, no trace of Xet, on any route.

use weighbridge_simulator::Content;

use crate::{
    stock::{Desk, HUBS},
    wire::{Reply, ask},
    world::{World, WorldOptions},
};

#[tokio::test]
async fn a_crawl_of_every_route_finds_no_way_out() {
    crawl("").await;
}

#[tokio::test]
async fn a_crawl_under_a_prefix_finds_no_way_out() {
    crawl("/hf").await;
}

async fn crawl(prefix: &'static str) {
    let world = World::start(WorldOptions { prefix, ..WorldOptions::default() }).await;
    world.hub.tree_page(Some(3));
    for revision in ["acme/tiny@main", "acme/revs@refs/pr/1", "datasets/acme/rows@main"] {
        world.approve(revision).await;
    }
    let tokens = [String::new(), world.developer().await, world.token("reviewer", "").await];
    let mut paths: Vec<String> =
        weighbridge::routes::all().unwrap().iter().map(|endpoint| endpoint.sample.clone()).collect();
    paths.extend(MORE.map(str::to_owned));
    let mut good = 0;
    for path in &paths {
        for token in &tokens {
            for method in ["GET", "HEAD"] {
                let reply = ask(method, &format!("{}{path}", world.url()), token, &[]).await.unwrap();
                good += u32::from((200..300).contains(&reply.status));
                keeps_inside(&world, path, &reply);
            }
        }
    }
    assert!(good > 20, "the crawl saw only {good} good answers");
    let token = world.developer().await;
    for path in ["/api/models/acme/tiny/paths-info/main", "/api/validate-yaml"] {
        let reply = world.ask("POST", path, &token, &[("content-type", "application/json")]).await;
        keeps_inside(&world, path, &reply);
    }
    world.nothing_leaked();
}

fn keeps_inside(world: &World, path: &str, reply: &Reply) {
    for (name, value) in &reply.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let lower = value.to_lowercase();
        // Our sentences may speak of it, and an id may hold the three letters by chance.
        let leads = ["xet-auth", "xet-read", "xet-write", "xethash", "/cas/"].iter().any(|trace| lower.contains(trace));
        assert!(!name.as_str().contains("xet") && !leads, "{path}: {name}: {value}");
        assert!(name != "x-linked-etag" && name != "x-linked-size", "{path}: {name}: {value}");
        if matches!(name.as_str(), "location" | "link" | "content-location" | "refresh") {
            let target = value.trim_start_matches('<');
            let own = target.starts_with(world.url()) || (target.starts_with('/') && !target.starts_with("//"));
            assert!(own, "{path}: {name}: {value}");
        }
    }
    let body = reply.text();
    for trace in ["xetHash", "xet-read-token", "xet-auth", world.hub.cdn_url()] {
        assert!(!body.contains(trace), "{path}: the body holds {trace}");
    }
    let is_page = path.starts_with("/-");
    assert!(is_page || !body.contains(world.hub.url()), "{path}: the body names the hub's address");
}

#[tokio::test]
async fn clients_with_xet_on_never_reach_it() {
    let world = World::bare().await;
    let weights = Content::safetensors(5, 3_000_000);
    world
        .hub
        .model("acme/xet")
        .commit("Add")
        .file("config.json", "{}")
        .file("model.safetensors", weights.clone())
        .push();
    world.approve("acme/xet@main").await;
    world.hub.reset_counters();
    let steps = serde_json::json!([
        { "do": "download", "repo": "acme/xet", "file": "model.safetensors" },
        { "do": "snapshot", "repo": "acme/xet" },
    ]);
    for venv in HUBS {
        let seen = Desk::new(&world).await.steps(venv, &steps).await;
        assert_eq!(seen[0]["value"]["sha256"], weights.sha256(), "{venv}: {}", seen[0]);
        assert_eq!(seen[1]["value"]["files"]["model.safetensors"], weights.sha256(), "{venv}: {}", seen[1]);
    }
    world.nothing_leaked();
    assert_eq!(world.fetched("acme/xet/model.safetensors"), weights.len(), "fetched once for three clients");
    let strange = world.hub.requests().into_iter().filter(|seen| seen.user_agent.as_deref().is_some_and(is_a_client));
    assert_eq!(strange.count(), 0, "a client talked to the hub itself");
}

fn is_a_client(agent: &str) -> bool {
    agent.contains("hf_hub") || agent.contains("xet")
}

#[tokio::test]
async fn the_gateways_own_token_stays_between_it_and_the_hub() {
    let world = World::new().await;
    world.approve("acme/gated@main").await;
    let token = world.developer().await;
    let reply =
        crate::wire::patient(&format!("{}/acme/gated/resolve/main/model.safetensors", world.url()), &token, &[]).await;
    assert_eq!(reply.unwrap().status, 200);
    for seen in world.hub.requests() {
        assert_ne!(
            seen.token.as_deref(),
            Some(token.as_str()),
            "a client's token went upstream: {} {}",
            seen.method,
            seen.path
        );
    }
    world.nothing_leaked();
    assert!(!world.gateway.log().contains(&token), "a token stands in the log");
    assert!(!world.gateway.log().contains("hf_gateway"), "the hub's token stands in the log");
}

/// More addresses than the samples of the routes reach.
const MORE: [&str; 20] = [
    "/api/models/acme/tiny?blobs=true&securityStatus=true&expand=safetensors",
    "/api/models/acme/tiny/revision/main?blobs=true",
    "/api/models/acme/tiny/tree/main?recursive=true&expand=true",
    "/api/models/acme/tiny/tree/main?recursive=true&limit=2",
    "/api/models/acme/revs/tree/refs%2Fpr%2F1",
    "/api/models?search=tiny&limit=1",
    "/api/models?search=tiny&upstream=true",
    "/api/datasets/acme/rows",
    "/datasets/acme/rows/resolve/main/data/train.parquet",
    "/acme/tiny/resolve/main/model.safetensors",
    "/oldorg/tiny/resolve/main/model.safetensors",
    "/Acme/Tiny/resolve/main/config.json",
    "/api/models/oldorg/tiny",
    "/acme/tiny/raw/main/model.safetensors",
    "/api/models/acme/tiny/xet-read-token/main",
    "/acme/tiny",
    "/acme/tiny/tree/main",
    "/",
    "/acme/tiny.git/info/refs?service=git-upload-pack",
    "/v2/acme/tiny/manifests/latest",
];
