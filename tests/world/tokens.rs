//! Tokens of people and of machines: what each may do, who makes and ends them, how soon they end everywhere, and that no bad
//! one opens anything.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use weighbridge_simulator::Content;

use crate::{
    signed_in::now,
    wire::{self, patient},
    world::{Database, Gateway, World, WorldOptions},
};

async fn world() -> World {
    World::of_people(WorldOptions::default()).await
}

#[tokio::test]
async fn a_personal_token_does_what_its_scopes_and_its_owner_allow_and_no_more() {
    let world = world().await;
    world.approve_as_reviewer("acme/tiny@main").await;
    world.hub.model("other/thing").commit("Add").file("config.json", "{}").push();
    let ada = world.person("ada", &["developer", "reviewer"]).await;
    let signed_in = world.terminal(&ada).await.access;
    let make = |wish: Value| {
        let world = &world;
        let signed_in = &signed_in;
        async move {
            let reply = world.send_json("/-/api/v1/tokens", signed_in, &wish).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply.json()
        }
    };
    let file = "/acme/tiny/resolve/main/config.json";
    let everything = make(json!({"name": "all"})).await;
    let acme = make(json!({"name": "acme", "scopes": ["read:repo:acme/*"], "environments": ["research"]})).await;
    let prod = make(json!({"name": "prod", "scopes": ["read:repo:acme/*"], "environments": ["prod"]})).await;
    let asks = make(json!({"name": "asks", "scopes": ["request"], "lifetime_seconds": 60, "shape": "hf"})).await;
    let text = |made: &Value| made["token"].as_str().unwrap().to_owned();
    assert!(text(&everything).starts_with("wbgp_") && text(&asks).starts_with("hf_wbg"));
    assert_eq!(patient(&format!("{}{file}", world.url()), &text(&everything), &[]).await.unwrap().status, 200);
    assert_eq!(world.get(file, &text(&acme)).await.status, 200);
    assert_ne!(world.get(file, &text(&prod)).await.status, 200, "in production it is not approved");
    assert_eq!(world.get(file, &text(&asks)).await.status, 403, "asking is not pulling");
    let beyond = world.get("/other/thing/resolve/main/config.json", &text(&acme)).await;
    assert!(beyond.status == 403 && beyond.text().contains("scopes"), "{}", beyond.text());
    let wish = json!({"reason": "for a test"});
    let request = "/-/api/v1/environments/research/requests/models/acme/tiny/main";
    assert_eq!(world.send_json(request, &text(&acme), &wish).await.status, 403, "pulling is not asking");
    assert_ne!(world.send_json(request, &text(&asks), &wish).await.status, 403);

    // No token makes, renews or lists what its scopes do not say; none makes another; none outlives what it is.
    for token in [text(&everything), text(&acme)] {
        assert_eq!(world.send_json("/-/api/v1/tokens", &token, &json!({"name": "more"})).await.status, 403);
        let rotation = format!("/-/api/v1/tokens/{}/rotation", acme["id"].as_str().unwrap());
        assert_eq!(world.send_json(&rotation, &token, &json!({})).await.status, 403);
    }
    for bad in [
        json!({"name": ""}),
        json!({"name": "x", "scopes": []}),
        json!({"name": "x", "scopes": ["everything"]}),
        json!({"name": "x", "environments": ["nowhere"]}),
        json!({"name": "x", "environments": []}),
        json!({"name": "x", "lifetime_seconds": 90 * 86400 + 1}),
        json!({"name": "x", "lifetime_seconds": 0}),
        json!({"name": "x", "role": "admin"}),
    ] {
        assert_eq!(world.send_json("/-/api/v1/tokens", &signed_in, &bad).await.status, 400, "{bad}");
    }

    // The owner's rights as they are now: what they lose, their tokens lose.
    world
        .change_row(&format!("DELETE FROM person_group WHERE person_id = '{}' AND group_name = 'developer'", ada.id))
        .await;
    world.change_row(&format!("DELETE FROM person_group WHERE person_id = '{}'", ada.id)).await;
    world.move_the_gate().await;
    let gone = world.get(file, &text(&everything)).await;
    assert!(gone.status == 403, "{} {}", gone.status, gone.text());
    world.ledger_is_whole().await;
}

#[tokio::test]
async fn people_list_rotate_and_end_their_own_and_nobody_elses() {
    let world = world().await;
    let (ada, bob) = (world.person("ada", &["developer"]).await, world.person("bob", &["developer"]).await);
    let (ada, bob) = (world.terminal(&ada).await.access, world.terminal(&bob).await.access);
    let words = [
        "my-token",
        "create",
        "--name",
        "nightly",
        "--scope",
        "read:repo:acme/*,request",
        "--env",
        "research",
        "--json",
    ];
    let made = world.api_command(&words, &ada).await.good().json();
    let (id, old) = (made["id"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned());
    assert_eq!(made["scopes"], json!(["read:repo:acme/*", "request"]));
    for path in ["revocation", "rotation"] {
        let reply = world.send_json(&format!("/-/api/v1/tokens/{id}/{path}"), &bob, &json!({})).await;
        assert_eq!(reply.status, 404, "somebody else's token is not there");
    }
    assert!(!world.get("/-/api/v1/tokens", &bob).await.text().contains(&id));

    // Rotated, both work for a day; then the old one does not.
    let rotated = world.api_command(&["my-token", "rotate", &id, "--json"], &ada).await.good().json();
    let (new_id, new) = (rotated["id"].as_str().unwrap().to_owned(), rotated["token"].as_str().unwrap().to_owned());
    assert_eq!((&rotated["name"], &rotated["scopes"]), (&made["name"], &made["scopes"]));
    assert_eq!(world.api_command(&["my-token", "rotate", &id], &ada).await.code, 1, "once is enough");
    for token in [&old, &new] {
        assert_eq!(world.get("/api/whoami-v2", token).await.status, 200);
    }
    assert_eq!(world.get("/api/whoami-v2", &new).await.json()["auth"]["accessToken"]["displayName"], "nightly");
    let day_ago = now() - 86_401_000_000;
    world.change_row(&format!("UPDATE token SET replaced_at = {day_ago} WHERE id = '{id}'")).await;
    world.move_the_gate().await;
    assert_eq!(world.get("/api/whoami-v2", &old).await.status, 401, "its day is over");
    assert_eq!(world.get("/api/whoami-v2", &new).await.status, 200);

    let listed = world.api_command(&["my-token", "list"], &ada).await.good().out;
    assert!(
        listed.contains(&new_id) && listed.contains("terminal at 127.0.0.1") && listed.contains("nightly"),
        "{listed}"
    );
    assert!(!listed.contains("refresh") && !listed.contains(&new), "{listed}");
    world.api_command(&["my-token", "revoke", &new_id, "--reason", "not needed"], &ada).await.good();
    assert_eq!(world.get("/api/whoami-v2", &new).await.status, 401);
    let listed = world.get("/-/api/v1/tokens", &ada).await.json();
    let one = listed["tokens"].as_array().unwrap().iter().find(|one| one["id"] == json!(new_id)).unwrap();
    assert_eq!((&one["state"], &one["ended_why"]), (&json!("revoked"), &json!("not needed")));
    assert_eq!(world.api_command(&["my-token", "revoke", &new], &ada).await.code, 3, "a token is no id");

    // A machine's token is nobody's own.
    let ci = world.token("ci", "research").await;
    assert_eq!(world.send_json("/-/api/v1/tokens", &ci, &json!({"name": "x"})).await.status, 403);
    world.ledger_is_whole().await;
}

#[tokio::test]
async fn where_people_sign_in_the_host_makes_tokens_for_machines_only() {
    let world = world().await;
    for role in ["developer", "reviewer", "policy-admin", "operator", "admin"] {
        let refused = world.gateway.command(&["token", "create", "--name", "x", "--role", role], &[]).await;
        assert!(refused.code == 3 && refused.err.contains("hf auth login"), "{role}: {}", refused.all());
    }
    for role in ["cluster", "ci", "auditor"] {
        let words = ["token", "create", "--name", "x", "--role", role, "--env", "research"];
        assert!(world.gateway.command(&words, &[]).await.good().out.starts_with("wbgs_"));
    }
    let idp = world.gateway.command(&["token", "create", "--directory", "--name", "idp"], &[]).await.good();
    let idp = idp.out.trim();
    assert!(idp.starts_with("wbgs_"));
    for path in ["/-/api/v1/account", "/api/whoami-v2", "/-/api/v1/tokens", "/acme/tiny/resolve/main/config.json"] {
        assert_eq!(world.get(path, idp).await.status, 403, "{path}: a directory reads no models and no tokens");
    }
    let both = ["token", "create", "--directory", "--role", "ci", "--name", "x"];
    assert_eq!(world.gateway.command(&both, &[]).await.code, 3);
    let neither = ["token", "create", "--name", "x"];
    assert_eq!(world.gateway.command(&neither, &[]).await.code, 3);
}

#[tokio::test]
async fn operators_make_and_end_machines_tokens_once_they_have_proved_who_they_are() {
    let world = world().await;
    let (olga, ada) = (world.person("olga", &["operator"]).await, world.person("ada", &["developer"]).await);
    let adas = world.terminal(&ada).await.access;
    let token = world.terminal(&olga).await.access;
    let order = json!({"name": "gpu-a", "role": "cluster", "environments": ["prod"], "cluster": "gpu-a"});
    let stale = world.send_json("/-/api/v1/all-tokens", &token, &order).await;
    assert!(stale.status == 403 && stale.json()["code"] == "step_up_required", "{}", stale.text());
    assert!(stale.text().contains("/-/step-up?for="), "{}", stale.text());
    world.raise(&olga, &token).await;
    let made = world.send_json("/-/api/v1/all-tokens", &token, &order).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let (id, gpu) = (made.json()["id"].as_str().unwrap().to_owned(), made.json()["token"].as_str().unwrap().to_owned());
    assert_eq!(world.get("/-/api/v1/account", &gpu).await.json()["cluster"], "gpu-a");
    for bad in [
        json!({"name": "x", "role": "developer"}),
        json!({"name": "x", "role": "operator"}),
        json!({"name": "x", "role": "cluster"}),
        json!({"name": "x", "role": "cluster", "environments": ["nowhere"]}),
        json!({"name": "x", "role": "ci", "environments": ["prod"], "cluster": "a"}),
        json!({"name": "x", "role": "auditor", "lifetime_seconds": 366 * 86400}),
    ] {
        let reply = world.send_json("/-/api/v1/all-tokens", &token, &bad).await;
        assert!(matches!(reply.status, 400 | 403), "{bad}: {}", reply.text());
    }
    let rotated = world.send_json(&format!("/-/api/v1/all-tokens/{id}/rotation"), &token, &json!({})).await;
    assert_eq!((rotated.status, &rotated.json()["cluster"]), (200, &json!("gpu-a")), "{}", rotated.text());
    assert_eq!(world.get("/-/api/v1/account", &gpu).await.status, 200, "the old one has its day");
    let all = world.get("/-/api/v1/all-tokens", &token).await.json();
    let terminal = all["tokens"].as_array().unwrap().iter().find(|one| one["person"] == "ada").unwrap();
    assert_eq!(world.send_json(&format!("/-/api/v1/all-tokens/{id}/revocation"), &token, &json!({})).await.status, 200);
    assert_eq!(world.get("/-/api/v1/account", &gpu).await.status, 401);
    let terminal = terminal["id"].as_str().unwrap();
    let path = format!("/-/api/v1/all-tokens/{terminal}/revocation");
    assert_eq!(world.send_json(&path, &adas, &json!({})).await.status, 403, "a developer ends no token by that door");
    assert_eq!(world.send_json(&path, &token, &json!({"reason": "lost laptop"})).await.status, 200);
    assert_eq!(world.get("/-/api/v1/account", &adas).await.status, 401);
    assert_eq!(world.get("/-/api/v1/all-tokens", &adas).await.status, 401);
    world.ledger_is_whole().await;
}

#[tokio::test]
async fn whoever_finds_a_token_ends_it_and_learns_nothing() {
    let world = world().await;
    let ada = world.person("ada", &["developer"]).await;
    let (leaked, kept) = (world.terminal(&ada).await, world.terminal(&ada).await.access);
    let made = world.send_json("/-/api/v1/tokens", &kept, &json!({"name": "in a notebook"})).await.json();
    let personal = made["token"].as_str().unwrap().to_owned();
    let nothing = json!({"credentials": ["hf_abcdefghijklmnopqrstuvwxyzabcdefgh", "wbgp_x", "", 7]});
    let nothing = world.send_json("/api/credentials/revoke", "", &nothing).await;
    let body = json!({"credentials": [personal, leaked.refresh, "hf_thatIsNotOurs"]});
    let found = world.send_json("/api/credentials/revoke", "", &body).await;
    let again = world.send_json("/api/credentials/revoke", "", &body).await;
    for reply in [&nothing, &found, &again] {
        assert_eq!((reply.status, reply.text()), (202, nothing.text()), "the answer is the same for all");
    }
    assert_eq!(world.get("/api/whoami-v2", &personal).await.status, 401);
    assert_eq!(world.get("/api/whoami-v2", &leaked.access).await.status, 401, "a terminal's tokens end together");
    assert_eq!(world.renew(&leaked.refresh).await.status, 400);
    let list = world.get("/-/api/v1/tokens", &kept).await.json();
    let told = list["tokens"].as_array().unwrap().iter().filter(|one| one["ended_why"] == "reported as leaked");
    assert_eq!(told.count(), 2, "its owner can see why: {list}");
    assert_eq!(world.entries("token.reported").await, 1);
    let many = world.send_json("/api/credentials/revoke", "", &json!({"credentials": vec!["x"; 60_000]})).await;
    assert!(matches!(many.status, 202 | 413), "{}", many.status);
    let mut last = 202;
    for _ in 0..100 {
        last = world.send_json("/api/credentials/revoke", "", &json!({})).await.status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429, "reports have a pace");
    world.ledger_is_whole().await;
}

#[tokio::test]
async fn every_bad_token_is_401_and_counted() {
    let mut world = world().await;
    let (ada, bob) = (world.person("ada", &["developer"]).await, world.person("bob", &["developer"]).await);
    let (terminal, bobs) = (world.terminal(&ada).await, world.terminal(&bob).await.access);
    let make = |name: &'static str, by: String| {
        let world = &world;
        async move {
            let made = world.send_json("/-/api/v1/tokens", &by, &json!({"name": name})).await.json();
            (made["id"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned())
        }
    };
    let good = make("good", terminal.access.clone()).await;
    let (revoked, replaced, expired) = (
        make("revoked", terminal.access.clone()).await,
        make("replaced", terminal.access.clone()).await,
        make("expired", terminal.access.clone()).await,
    );
    let of_a_leaver = make("leaver", bobs.clone()).await;
    let exchanged = make("exchanged", terminal.access.clone()).await;
    world.api_command(&["my-token", "revoke", &revoked.0], &terminal.access).await.good();
    world
        .change_row(&format!("UPDATE token SET replaced_at = {} WHERE id = '{}'", now() - 86_401_000_000, replaced.0))
        .await;
    world.change_row(&format!("UPDATE token SET expires_at = {} WHERE id = '{}'", now() - 1, expired.0)).await;
    // A row whose class is another than its prefix says, as no way of ours would write it.
    world.change_row(&format!("UPDATE token SET class = 'exchanged' WHERE id = '{}'", exchanged.0)).await;
    world.change_row(&format!("UPDATE person SET deactivated_at = {} WHERE id = '{}'", now(), bob.id)).await;
    world.move_the_gate().await;

    let typo = {
        let mut text = good.1.clone().into_bytes();
        text[20] ^= 1;
        String::from_utf8_lossy(&text).into_owned()
    };
    let other_prefix = good.1.replacen("wbgp_", "wbgs_", 1);
    let table: Vec<(&str, &str)> = vec![
        ("a refresh token", &terminal.refresh),
        ("revoked", &revoked.1),
        ("replaced for more than a day", &replaced.1),
        ("expired", &expired.1),
        ("of somebody deactivated", &of_a_leaver.1),
        ("a terminal's of somebody deactivated", &bobs),
        ("a wrong checksum", &typo),
        ("another class's prefix", &other_prefix),
        ("cut short", &good.1[..50]),
        ("the hub's own", "hf_abcdefghijklmnopqrstuvwxyzabcdefgh"),
        ("two in one", "a b"),
    ];
    let mut tried = 0;
    for (what, token) in &table {
        for path in ["/api/whoami-v2", "/-/api/v1/account"] {
            let reply = world.get(path, token).await;
            assert_eq!(reply.status, 401, "{what}: {}", reply.text());
            assert!(!reply.text().contains(token) && reply.header("www-authenticate").starts_with("Bearer"), "{what}");
            tried += 1;
        }
    }
    // A class that is not its prefix's is our own fault and opens nothing.
    assert!(matches!(world.get("/api/whoami-v2", &exchanged.1).await.status, 401 | 500 | 503));
    let url = format!("{}/-/api/v1/account", world.url());
    let two = wire::client().get(&url).header("authorization", format!("Bearer {}", good.1));
    let two = two.header("authorization", format!("Bearer {}", terminal.access));
    assert_eq!(wire::reply(two).await.status, 401, "two Authorization headers");
    let basic = wire::client().get(&url).basic_auth("ada", Some(&good.1));
    assert_eq!(wire::reply(basic).await.status, 401, "no bearer token");
    let cookie = format!("__Host-wb_sid={}", ada.cookie);
    let by_cookie = world.ask("GET", "/-/api/v1/account", "", &[("cookie", &cookie)]).await;
    assert_eq!(by_cookie.status, 401, "a cookie is for pages");
    let on_a_page = world.get("/-/device", &good.1).await;
    assert_eq!(on_a_page.status, 401, "a token is not for pages");
    let both = world.ask("GET", "/-/device", &good.1, &[("cookie", &cookie)]).await;
    assert_eq!(both.status, 401, "nor beside a cookie");
    tried += 5;
    assert_eq!(world.get("/api/whoami-v2", &good.1).await.status, 200);
    assert_eq!(world.gateway.stop().await, Some(0));
    let times: u64 =
        world.bodies("auth.failed").await.iter().map(|body| body["count"]["times"].as_u64().unwrap_or(1)).sum();
    assert!(times >= tried, "{times} of {tried} failures are in the ledger");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_at_one_replica_ends_streams_at_another() {
    let options = WorldOptions { database: Database::Postgres, sample: false, ..WorldOptions::default() };
    let world = World::of_people(options).await;
    let other = world.another("second").await;
    let content = Content::safetensors(1, 64 << 20);
    world.hub.model("acme/big").commit("Add").lfs("weights.bin", content.clone()).push();
    world.approve_as_reviewer("acme/big@main").await;
    let (ada, bob) = (world.person("ada", &["developer"]).await, world.person("bob", &["developer"]).await);
    let (terminal, again) = (world.terminal(&ada).await, world.terminal(&ada).await);
    let bobs = world.terminal(&bob).await.access;
    let made = world.send_json("/-/api/v1/tokens", &again.access, &json!({"name": "script"})).await.json();
    let (id, personal) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap().to_owned());
    let first = patient(&format!("{}{PATH}", world.url()), &again.access, &[("range", "bytes=0-0")]).await.unwrap();
    assert_eq!(first.status, 206, "{}", first.text());

    let mut stays = streams(&other, &again.access, content.len());
    let mut of_device = streams(&other, &terminal.access, content.len());
    let mut of_personal = streams(&other, &personal, content.len());
    let mut of_bob = streams(&other, &bobs, content.len());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let list = world.get("/-/api/v1/tokens", &terminal.access).await.json();
    let mut devices = list["tokens"].as_array().unwrap().iter().filter(|one| one["class"] == "device");
    let oldest = devices.next_back().unwrap()["id"].as_str().unwrap().to_owned();
    let end = |id: String| {
        let (world, token) = (&world, again.access.clone());
        async move {
            let reply = world.send_json(&format!("/-/api/v1/tokens/{id}/revocation"), &token, &json!({})).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
    };
    end(oldest).await;
    all_end_soon("the terminal's", &mut of_device).await;
    end(id.to_owned()).await;
    all_end_soon("the script's", &mut of_personal).await;
    world.change_row(&format!("UPDATE person SET deactivated_at = {} WHERE id = '{}'", now(), bob.id)).await;
    world.move_the_gate().await;
    all_end_soon("the leaver's", &mut of_bob).await;
    while let Some(ended) = stays.try_join_next() {
        assert!(ended.unwrap().1, "somebody else's stream was cut");
    }
    for (what, token) in [("terminal", &terminal.access), ("script", &personal), ("leaver", &bobs)] {
        let reply = wire::ask("GET", &format!("{}{PATH}", other.url), token, &[]).await.unwrap();
        assert_eq!(reply.status, 401, "{what}");
    }
    stays.abort_all();
}

/// Clients at the other replica that would need a minute and more.
fn streams(gateway: &Gateway, token: &str, size: u64) -> JoinSet<(u64, bool)> {
    let mut streams = JoinSet::new();
    for _ in 0..3 {
        let (url, token) = (format!("{}{PATH}", gateway.url), token.to_owned());
        streams.spawn(async move {
            let reply = wire::client().get(url).bearer_auth(token).send().await.unwrap();
            assert_eq!(reply.status().as_u16(), 200);
            let (mut stream, mut came) = (reply.bytes_stream(), 0);
            while let Some(chunk) = stream.next().await {
                let Ok(chunk) = chunk else { return (came, false) };
                came += chunk.len() as u64;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (came, came == size)
        });
    }
    streams
}

async fn all_end_soon(whose: &str, streams: &mut JoinSet<(u64, bool)>) {
    let began = Instant::now();
    while !streams.is_empty() {
        let left = Duration::from_millis(5500).saturating_sub(began.elapsed());
        let one = tokio::time::timeout(left, streams.join_next()).await;
        let one = one.unwrap_or_else(|_| panic!("{whose}: {} streams still run", streams.len()));
        let (came, whole) = one.unwrap().unwrap();
        assert!(!whole && came > 0, "{whose}: a stream ended with {came} bytes, whole: {whole}");
    }
}

const PATH: &str = "/acme/big/resolve/main/weights.bin";
