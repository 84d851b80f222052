//! When something changes: the hub moves on, or takes back what it had; the configuration is another one at the next start.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weighbridge_simulator::{Content, Gated, Repo};

use crate::{
    stock::{Desk, HUBS},
    wire::Reply,
    world::{World, WorldOptions},
};

const SECRET: &str = "what-the-hub-says-at-our-door";
/// A pickle that runs a command, a harmless one.
const EVIL: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09echo gone\x85R.";

async fn followed() -> World {
    let settings = vec![
        ("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned()),
        ("WEIGHBRIDGE_UPSTREAM__WEBHOOK_SECRET", SECRET.to_owned()),
    ];
    World::start(WorldOptions { sample: false, settings, ..WorldOptions::default() }).await
}

fn push(model: &Repo, n: u64) -> String {
    let weights = Content::safetensors(n, 9_000);
    model.commit(format!("Step {n}")).file("config.json", "{}").lfs("model.safetensors", weights).push()
}

/// Tells the webhook that this model has moved, as the hub does.
async fn tell(world: &World, secret: &str, id: &str) -> Reply {
    let message = json!({
        "event": { "action": "update", "scope": "repo.content" },
        "repo": { "type": "model", "name": id, "id": "x", "private": false, "headSha": "f".repeat(40) },
        "updatedRefs": [{ "ref": "refs/heads/main", "oldSha": "0".repeat(40), "newSha": "e".repeat(40) }],
        "webhook": { "id": "y", "version": 3 },
    });
    let url = format!("{}/-/webhooks/upstream", world.url());
    let sent = crate::wire::client().post(url).header("x-webhook-secret", secret).json(&message).send().await.unwrap();
    let (status, headers) = (sent.status().as_u16(), sent.headers().clone());
    Reply { status, headers, body: sent.bytes().await.unwrap().to_vec() }
}

/// Waits until the rows say so. Nobody asks the gateway meanwhile: that would make it look at the hub by itself.
async fn until(world: &World, sql: &str, wanted: &[&str]) {
    let began = Instant::now();
    loop {
        let found = world.query_text(sql).await;
        if found == wanted {
            return;
        }
        assert!(began.elapsed() < Duration::from_mins(3), "{sql}: {found:?} instead of {wanted:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

const POINTER: &str = "SELECT commit_id FROM pointer WHERE environment = 'research' AND name = 'refs/heads/main'";

/// A push is heard of, goes through intake, and `main` moves on when rules allow it; malware moves nothing, and answers say
/// that the hub has moved on.
#[tokio::test]
async fn a_webhook_makes_main_follow_and_never_to_malware() {
    let world = followed().await;
    let model = world.hub.model("acme/moving");
    let first = push(&model, 1);
    let token = world.developer().await;
    let reply = world.get("/api/models/acme/moving", &token).await;
    assert_eq!(reply.json()["sha"], json!(first), "{}", reply.text());
    assert!(
        reply.header("x-weighbridge-upstream-checked").ends_with('Z')
            && reply.header("x-weighbridge-upstream-commit").is_empty()
    );

    let second = push(&model, 2);
    for secret in ["", "what-the-hub-says-at-our-doo", "something else altogether"] {
        let refused = tell(&world, secret, "acme/moving").await;
        assert_eq!(refused.status, 401, "{}", refused.text());
        assert!(!refused.text().contains(SECRET));
    }
    assert_eq!(world.query_text("SELECT \"key\" FROM job WHERE kind = 'follow' AND state <> 'done'").await.len(), 0);
    let heard = tell(&world, SECRET, "acme/moving").await;
    assert_eq!((heard.status, &heard.json()["queued"]), (200, &json!(true)), "{}", heard.text());
    until(&world, POINTER, &[&second]).await;
    Desk::new(&world).await.hf(HUBS[HUBS.len() - 1], &["download", "acme/moving"]).await.good();

    let bad = model.commit("Improve").lfs("model.pkl", EVIL).push();
    tell(&world, SECRET, "acme/moving").await;
    let denied = format!(
        "SELECT state FROM standing JOIN revision ON revision.id = revision_id WHERE environment = 'research' AND commit_id = '{bad}'"
    );
    until(&world, &denied, &["denied"]).await;
    assert_eq!(world.query_text(POINTER).await, [second.as_str()]);
    let info = world.get("/api/models/acme/moving", &token).await;
    let file = world.head("/acme/moving/resolve/main/config.json", &token).await;
    for reply in [&info, &file] {
        assert_eq!(reply.header("x-repo-commit"), second);
        assert_eq!(reply.header("x-weighbridge-upstream-commit"), bad, "the lag is told");
        assert!(!reply.header("x-weighbridge-upstream-checked").is_empty());
    }
    let told = world.get("/-/api/v1/pointers/models", &token).await.json();
    let one = &told["pointers"][0];
    assert_eq!(
        (&one["repo"], &one["behind"], &one["upstream_standing"], &one["upstream"]),
        (&json!("acme/moving"), &json!(1), &json!("denied"), &json!("live")),
        "{told}"
    );
    let pair = [("WEIGHBRIDGE_URL", world.url()), ("WEIGHBRIDGE_TOKEN", token.as_str())];
    let doctor = world.gateway.command(&["doctor"], &pair).await.good();
    assert!(doctor.out.contains("acme/moving main: 1 commit behind") && doctor.out.contains("W-001"), "{}", doctor.out);
    assert!(!world.gateway.log().contains(SECRET), "the secret is in the log");
    world.ledger_is_whole().await;
}

/// What a webhook says beyond a name is never believed, and a name that is not known here is not looked up.
#[tokio::test]
async fn a_webhook_only_makes_us_look() {
    let world = followed().await;
    world.hub.model("acme/stranger").push_file("config.json", "{}");
    for id in ["acme/stranger", "acme/nothing", "ours/secret"] {
        assert_eq!(tell(&world, SECRET, id).await.status, 200);
    }
    until(&world, "SELECT \"key\" FROM job WHERE state IN ('waiting', 'running') AND kind = 'follow'", &[]).await;
    assert_eq!(world.hub.count("acme") + world.hub.count("ours"), 0, "the hub was asked");
    assert_eq!(world.query_text("SELECT id FROM repository").await.len(), 0);
    let plain = World::bare().await;
    assert_eq!(tell(&plain, SECRET, "acme/stranger").await.status, 404, "without a secret there is no such address");
    let mut short = world.gateway.weighbridge();
    short.args(["config", "check"]).env("WEIGHBRIDGE_UPSTREAM__WEBHOOK_SECRET", "short");
    let ran = crate::stock::run(short, Duration::from_mins(1)).await;
    assert!(ran.code != 0 && ran.all().contains("upstream.webhook_secret"), "{}", ran.all());
    let shown = world.gateway.command(&["config", "check"], &[]).await;
    assert!(!shown.all().contains(SECRET) && shown.all().contains("poll = \"1h\""), "{}", shown.all());
}

/// Nobody asks and nobody tells: a repository that is served is looked up by itself, and never when that is switched off.
#[tokio::test]
async fn a_repository_that_is_served_is_looked_up_by_itself() {
    let mut world = followed().await;
    world.gateway.set("WEIGHBRIDGE_UPSTREAM__POLL", "0");
    world.restart().await;
    let model = world.hub.model("acme/quiet");
    let first = push(&model, 1);
    let token = world.developer().await;
    assert_eq!(world.get("/api/models/acme/quiet", &token).await.json()["sha"], json!(first));
    let open = "SELECT \"key\" FROM job WHERE state IN ('waiting', 'running') AND kind <> 'redecide'";
    until(&world, open, &[]).await;
    let second = push(&model, 2);
    world.hub.reset_counters();
    world.restart().await;
    assert_eq!(world.get("/-/readyz", "").await.status, 200);
    assert_eq!(world.hub.count("acme/quiet"), 0, "it is switched off");
    world.gateway.set("WEIGHBRIDGE_UPSTREAM__POLL", "1h");
    world.restart().await;
    until(&world, POINTER, &[&second]).await;
}

/// Deleted, disabled, made private, registered anew: what was approved still comes, and what is said is plain.
#[tokio::test]
async fn what_the_hub_takes_back_stays_served_and_is_said() {
    type Happens = fn(&Repo);
    let world = followed().await;
    let token = world.developer().await;
    let pair = [("WEIGHBRIDGE_URL", world.url()), ("WEIGHBRIDGE_TOKEN", token.as_str())];
    let changes: [(&str, Happens); 5] = [
        ("gated", |model| {
            model.gated(Gated::Manual);
        }),
        ("private", |model| {
            model.private(true);
        }),
        ("disabled", |model| {
            model.disabled(true);
        }),
        ("gone", |model| model.delete()),
        ("taken", |model| {
            model.reregister().push_file("config.json", "{\"evil\": 1}");
        }),
    ];
    for (number, (state, change)) in changes.into_iter().enumerate() {
        let id = format!("acme/{state}");
        let model = world.hub.model(&id);
        let commit = push(&model, 1);
        Desk::new(&world).await.hf(HUBS[number % HUBS.len()], &["download", &id]).await.good();
        change(&model);
        assert_eq!(tell(&world, SECRET, &id).await.status, 200);
        let row = format!("SELECT state FROM hub_state JOIN repository ON id = repository_id WHERE name = '{id}'");
        until(&world, &row, &[state]).await;
        for venv in HUBS {
            let ran = Desk::new(&world).await.hf(venv, &["download", &id]).await.good();
            assert!(!ran.all().contains("403"), "{state}: {}", ran.all());
        }
        let reply = world.get(&format!("/api/models/{id}"), &token).await;
        assert_eq!((reply.status, &reply.json()["sha"]), (200, &json!(commit)), "{state}");
        assert_eq!(reply.header("x-weighbridge-upstream-state"), state);
        let doctor = world.gateway.command(&["doctor"], &pair).await.good();
        assert!(doctor.out.contains(&format!("{id} main: ")) && doctor.out.contains("stays served"), "{}", doctor.out);
    }
    // Who has to look again is asked to; a name that somebody else has now brings nothing of theirs.
    let asked = world.query_text("SELECT reason FROM request WHERE state = 'open' ORDER BY made_at").await;
    assert!(
        ["private", "disabled", "another repository"].iter().all(|word| asked.iter().any(|one| one.contains(word))),
        "{asked:?}"
    );
    let evil = world.hub.model("acme/taken").head("main").unwrap();
    let ran = Desk::new(&world).await.hf(HUBS[2], &["download", "acme/taken", "--revision", &evil]).await;
    assert!(ran.code != 0 && ran.all().contains("W-003"), "{}", ran.all());
    // What nobody approved before is refused, and says why; what is private looks like nothing at all.
    let disabled = world.hub.model("acme/never");
    push(&disabled, 1);
    disabled.disabled(true);
    let ran = Desk::new(&world).await.hf(HUBS[2], &["download", "acme/never"]).await;
    assert!(ran.code != 0 && ran.all().contains("W-023"), "{}", ran.all());
    let private = world.hub.model("acme/hidden");
    push(&private, 1);
    private.private(true);
    for venv in HUBS {
        let ran = Desk::new(&world).await.hf(venv, &["download", "acme/hidden"]).await;
        let nothing = ran.all().contains("Repository Not Found") || ran.all().contains("There is no model acme/hidden");
        assert!(ran.code != 0 && nothing, "{venv}: {}", ran.all());
    }
    world.ledger_is_whole().await;
}

/// A renamed repository is followed under its new name, and served under both.
#[tokio::test]
async fn a_renamed_repository_is_followed() {
    let world = followed().await;
    let model = world.hub.model("acme/before");
    push(&model, 1);
    let token = world.developer().await;
    assert_eq!(world.get("/api/models/acme/before", &token).await.status, 200);
    assert!(model.rename("acme/after"));
    let second = push(&model, 2);
    tell(&world, SECRET, "acme/before").await;
    until(&world, POINTER, &[&second]).await;
    for id in ["acme/before", "acme/after"] {
        let desk = Desk::new(&world).await;
        let seen = desk.steps(HUBS[2], &json!([{ "do": "info", "repo": id }])).await;
        assert_eq!(seen[0]["value"]["sha"], json!(second), "{id}: {}", seen[0]);
    }
    // Given away: what its next owner pushes is nobody's who was ever approved here.
    assert!(model.rename("other/after"));
    let third = push(&model, 3);
    let told = world.get(&format!("/api/models/acme/before/revision/{third}"), &token).await;
    assert!(told.status == 403 && told.text().contains("W-003"), "{}: {}", told.status, told.text());
    until(&world, POINTER, &[&second]).await;
}

/// What a person stopped or pinned, rules do not undo: neither with the next commit nor by asking again.
#[tokio::test]
async fn rules_undo_no_revocation_and_no_pin() {
    let world = followed().await;
    let (revoked, pinned) = (world.hub.model("acme/revoked"), world.hub.model("acme/pinned"));
    let first = push(&pinned, 1);
    push(&revoked, 1);
    let token = world.developer().await;
    for id in ["acme/revoked", "acme/pinned"] {
        assert_eq!(world.get(&format!("/api/models/{id}"), &token).await.status, 200);
    }
    let reviewer = world.token("reviewer", "").await;
    let words = ["revoke", "acme/revoked", "--reason", "it is bad", "--env", "research", "--yes"];
    world.api_command(&words, &reviewer).await.good();
    let next = push(&revoked, 2);
    let told = world.get(&format!("/api/models/acme/revoked/revision/{next}"), &token).await;
    assert!(told.status == 403 && told.text().contains("revoked"), "{}: {}", told.status, told.text());
    assert_eq!(world.get("/api/models/acme/revoked", &token).await.status, 404, "main is refused");

    let second = push(&pinned, 2);
    assert_eq!(world.get(&format!("/api/models/acme/pinned/revision/{second}"), &token).await.status, 200);
    let at = format!("acme/pinned@{first}");
    world.api_command(&["pin", &at, "--reason", "back", "--env", "research"], &reviewer).await.good();
    assert_eq!(world.get(&format!("/api/models/acme/pinned/revision/{second}"), &token).await.status, 200);
    tell(&world, SECRET, "acme/pinned").await;
    let third = push(&pinned, 3);
    assert_eq!(world.get(&format!("/api/models/acme/pinned/revision/{third}"), &token).await.status, 200);
    let told: serde_json::Value =
        serde_json::from_str(&world.get("/api/models/acme/pinned", &token).await.text()).unwrap();
    assert_eq!(told["sha"], first, "it stays where it was pinned");
    world.ledger_is_whole().await;
}

/// Another configuration at the next start: everything is decided about anew, and what may not be served any more stops,
/// with the rule in the client's terminal.
#[tokio::test]
async fn a_changed_configuration_stops_what_it_does_not_allow() {
    let mut world = followed().await;
    push(&world.hub.model("acme/one"), 1);
    push(&world.hub.model("other/two"), 1);
    for id in ["acme/one", "other/two"] {
        Desk::new(&world).await.hf(HUBS[2], &["download", id]).await.good();
    }
    world.kill();
    world.hub.offline(true);
    world.gateway.set("WEIGHBRIDGE_ADMISSION__PUBLISHERS__PROHIBITED", "acme");
    world.restart().await;
    let states = "SELECT DISTINCT name || ' ' || state FROM standing JOIN repository ON repository.id = repository_id \
                  WHERE environment = 'research' ORDER BY 1";
    until(&world, states, &["acme/one suspended", "other/two approved"]).await;
    let ran = Desk::new(&world).await.hf(HUBS[2], &["download", "acme/one"]).await;
    assert!(ran.code != 0, "{}", ran.all());
    let token = world.developer().await;
    let reply = world.get("/api/models/acme/one", &token).await;
    assert!(reply.status == 404 && reply.text().contains("W-004"), "{}: {}", reply.status, reply.text());
    Desk::new(&world).await.hf(HUBS[2], &["download", "other/two"]).await.good();
    let told: Vec<Value> = world
        .query_text("SELECT words FROM basis ORDER BY number")
        .await
        .iter()
        .map(|words| serde_json::from_str(words).unwrap())
        .collect();
    assert_eq!(told.len(), 2);
    assert_ne!(told[0]["publishers"], told[1]["publishers"]);
    assert_eq!(told[0]["policy"], told[1]["policy"]);
    world.ledger_is_whole().await;
}
