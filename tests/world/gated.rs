//! What is gated or private at the hub: opened with somebody's own credential, and theirs alone; private namespaces that
//! are open to some, and for everybody else are not there.

use std::{
    fs,
    io::Write as _,
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use weighbridge_simulator::{Content, Gated, Token};

use crate::{
    wire::{self, Reply},
    world::{World, WorldOptions, files_under},
};

const PLAIN: &str = "hf_plainPlainPlainPlainPlainPlainPlain00";
const LAB: &str = "hf_canaryCanaryCanaryCanaryCanaryCana00";
const OTHER: &str = "hf_otherOtherOtherOtherOtherOtherOther0";
const PATH: &str = "/theirs/gated/resolve/main/weights.bin";

/// A hub with a gated model that the gateway's own token does not open and the lab's does.
async fn with_a_gated_model() -> (World, Content) {
    let settings = vec![("WEIGHBRIDGE_UPSTREAM__TOKEN", PLAIN.to_owned())];
    let world = World::start(WorldOptions { sample: false, settings, ..WorldOptions::default() }).await;
    let content = Content::safetensors(5, 60_000);
    let model = world.hub.model("theirs/gated");
    model.commit("Add").lfs("weights.bin", content.clone()).file("config.json", "{}").push();
    world.hub.model("theirs/gated").gated(Gated::Manual).card(json!({ "license": "apache-2.0" }));
    world.hub.add_token(Token::new("nobody", PLAIN));
    world.hub.add_token(Token::new("the-lab", LAB).may_read("theirs/gated"));
    world.hub.add_token(Token::new("others", OTHER));
    (world, content)
}

/// Gives a token on stdin, as nobody may give it anywhere else.
async fn set(world: &World, environment: &str, token: &'static str) -> Output {
    let mut command = world.gateway.weighbridge();
    command.args(["upstream-credential", "set", "--env", environment]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap()
}

/// Asks until there is an answer that does not say "later".
async fn settled(world: &World, path: &str, token: &str) -> Reply {
    wire::patient(&format!("{}{path}", world.url()), token, &[]).await.unwrap()
}

/// Asks until the answer has this status: what changes it takes its way through the ledger.
async fn becomes(world: &World, path: &str, token: &str, status: u16) -> Reply {
    let asking = async {
        loop {
            let reply = settled(world, path, token).await;
            if reply.status == status {
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), asking).await.unwrap_or_else(|_| panic!("{path} never was {status}"))
}

/// Asks until the answer says this.
async fn until_told(world: &World, path: &str, token: &str, wanted: &str) {
    let began = std::time::Instant::now();
    loop {
        let told = settled(world, path, token).await.text();
        if told.contains(wanted) {
            return;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "it never said `{wanted}`, but: {told}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_environments_credential_opened_is_not_for_another() {
    let (world, content) = with_a_gated_model().await;
    let (research, prod) = (world.developer().await, world.token("developer", "prod").await);
    let refused = settled(&world, PATH, &research).await;
    assert_eq!((refused.status, refused.header("x-error-code")), (403, "GatedRepo"), "{}", refused.text());
    assert!(refused.text().contains("no credential that is yours"), "{}", refused.text());
    let done = set(&world, "research", LAB).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stdout).contains("the-lab"));
    // From here on it can be looked at; under this profile a person decides.
    let asked = becomes(&world, PATH, &research, 403).await;
    assert!(!asked.text().is_empty());
    until_told(&world, PATH, &research, "waits for a review").await;
    for environment in ["research", "prod"] {
        world.approve_in("theirs/gated@main", environment).await;
    }
    let pulled = becomes(&world, PATH, &research, 200).await;
    assert_eq!(Content::bytes(pulled.body).sha256(), content.sha256());
    // The bytes lie here now, and it is approved in prod too; the right to it is asked about all the same.
    let refused = settled(&world, PATH, &prod).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.text().contains("no credential that is yours"), "{}", refused.text());
    for path in
        ["/theirs/gated/resolve/main/config.json", "/api/models/theirs/gated", "/api/models/theirs/gated/tree/main"]
    {
        assert_eq!(settled(&world, path, &prod).await.status, 403, "{path}");
    }
    let line = denial(&world, "prod").await;
    let matched = line["decision"]["matched"][0].as_str().unwrap_or_default();
    assert!(matched.contains("upstream right, prod, /models/theirs/gated"), "{line}");
    // A credential of its own that may not have it either changes nothing; one that may does.
    assert!(set(&world, "prod", OTHER).await.status.success());
    assert_eq!(settled(&world, PATH, &prod).await.status, 403);
    assert!(set(&world, "prod", LAB).await.status.success());
    assert_eq!(becomes(&world, PATH, &prod, 200).await.body.len() as u64, content.len());
    // Taken away, it is shut again, though every byte of it is here.
    let listed = world.gateway.command(&["upstream-credential", "list", "--json"], &[]).await.good().json();
    let of_research = listed["credentials"].as_array().unwrap().iter().find(|one| one["owner"] == "research").unwrap();
    let id = of_research["id"].as_str().unwrap().to_owned();
    world.gateway.command(&["upstream-credential", "remove", &id], &[]).await.good();
    becomes(&world, PATH, &research, 403).await;
    assert_eq!(settled(&world, PATH, &prod).await.status, 200);
    world.nothing_leaked();
    nothing_has(&world, LAB, &listed.to_string());
    world.ledger_is_whole().await;
}

/// The ledger's entry of the file that an environment's credential did not open.
async fn denial(world: &World, environment: &str) -> Value {
    let sql = "SELECT CAST(body AS TEXT) FROM ledger_entry WHERE kind = 'file.denied' ORDER BY seq";
    let finding = async {
        loop {
            let entries = world.query_text(sql).await;
            let mut entries = entries.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
            let found = entries.find(|one| {
                one["decision"]["reason"] == "no_right_at_hub"
                    && one["object"]["environment"] == environment
                    && one["object"]["path"] == "weights.bin"
            });
            if let Some(found) = found {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), finding).await.expect("the refusal is written")
}

/// The token stands nowhere in the clear: not in the database, not in the log, not in an answer.
fn nothing_has(world: &World, token: &str, told: &str) {
    let canary = &token[3..20];
    assert!(!told.contains(canary) && !world.gateway.log().contains(canary));
    for file in files_under(world.folder.path()) {
        let bytes = fs::read(&file).unwrap_or_default();
        assert!(!bytes.windows(canary.len()).any(|some| some == canary.as_bytes()), "{} has it", file.display());
    }
}

#[tokio::test]
async fn a_token_that_the_hub_does_not_know_is_not_kept() {
    let (world, _) = with_a_gated_model().await;
    let done = set(&world, "research", "hf_nobodyKnowsThisOne").await;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("does not know this token") && !said.contains("nobodyKnows"), "{said}");
    assert_eq!(set(&world, "nowhere", LAB).await.status.code(), Some(3));
    assert_eq!(set(&world, "research", " ").await.status.code(), Some(3));
    let listed = world.gateway.command(&["upstream-credential", "list", "--json"], &[]).await.good().json();
    assert_eq!(listed["credentials"].as_array().map(Vec::len), Some(0));
    // Machines have their environment's; only people have one of their own.
    let own = "/-/api/v1/account/upstream-credential";
    let token = world.developer().await;
    assert_eq!(world.ask("DELETE", own, &token, &[]).await.status, 403);
    assert_eq!(world.get(own, &token).await.json()["credential"], Value::Null);
}

/// An answer without what is different in every answer, and with the name taken out.
fn faceless(reply: &Reply, name: &str) -> (u16, Vec<String>, String) {
    let id = reply.header("x-request-id").to_owned();
    let plain = |text: &str| text.replace(&id, "ID").replace(name, "NAME");
    let mut headers: Vec<String> = reply
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date"))
        .map(|(name, value)| plain(&format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    headers.sort();
    (reply.status, headers, plain(&reply.text()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_private_at_the_hub_is_not_there_for_those_it_is_not_open_to() {
    let settings = vec![
        ("WEIGHBRIDGE_UPSTREAM__NAMESPACES__0__NAME", "acme-lab".to_owned()),
        ("WEIGHBRIDGE_UPSTREAM__NAMESPACES__0__ENVIRONMENTS", "research".to_owned()),
    ];
    let world = World::start(WorldOptions { sample: false, settings, ..WorldOptions::default() }).await;
    for id in ["acme-lab/secret", "elsewhere/secret"] {
        world.hub.model(id).commit("Add").file("config.json", "{}").push();
        world.hub.model(id).private(true).card(json!({ "license": "apache-2.0" }));
    }
    let (research, prod) = (world.developer().await, world.token("developer", "prod").await);
    // Both before and after anybody could have it, to whom it is not open it is as what does not exist.
    the_same_as_absent(&world, &prod).await;
    let path = "/acme-lab/secret/resolve/main/config.json";
    until_told(&world, path, &research, "waits for a review").await;
    world.approve_in("acme-lab/secret@main", "research").await;
    assert_eq!(becomes(&world, path, &research, 200).await.body, b"{}");
    the_same_as_absent(&world, &prod).await;
    for name in ["elsewhere/secret", "elsewhere/absent"] {
        assert_eq!(
            settled(&world, &format!("/{name}/resolve/main/config.json"), &research).await.status,
            404,
            "{name}"
        );
    }
    let listed = |token: String| {
        let world = &world;
        async move { world.get("/api/models", &token).await.text() }
    };
    let found = world.get("/-/api/v1/upstream/models?search=secret", &prod).await.text();
    assert!(!found.contains("secret"), "{found}");
    assert!(listed(research).await.contains("acme-lab/secret"));
    assert!(!listed(prod).await.contains("acme-lab"));
}

async fn the_same_as_absent(world: &World, token: &str) {
    for shape in
        ["/{}/resolve/main/config.json", "/api/models/{}", "/api/models/{}/tree/main", "/{}/raw/main/config.json"]
    {
        for method in ["GET", "HEAD"] {
            let mut seen = Vec::new();
            for name in ["acme-lab/secret", "acme-lab/absent"] {
                let reply = world.ask(method, &shape.replace("{}", name), token, &[]).await;
                seen.push(faceless(&reply, name));
            }
            assert_eq!(seen[0].0, 404, "{method} {shape}: {}", seen[0].2);
            assert_eq!(seen[0], seen[1], "{method} {shape}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_terms_let_a_gated_model_through_until_they_are_another_text() {
    let settings = vec![("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned())];
    let world = World::start(WorldOptions { sample: false, settings, ..WorldOptions::default() }).await;
    let card = |prompt: &str| json!({"license": "apache-2.0", "extra_gated_prompt": prompt});
    let model = world.hub.model("theirs/gated");
    model.commit("Add").file("README.md", "A model.").lfs("model.safetensors", Content::safetensors(5, 60_000)).push();
    world.hub.model("theirs/gated").gated(Gated::Auto).card(card("Be good"));
    let (developer, reviewer) = (world.developer().await, world.token("reviewer", "").await);
    let path = "/theirs/gated/resolve/main/model.safetensors";
    let refused = settled(&world, path, &developer).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let shown = world.api_command(&["terms", "show", "theirs/gated", "--env", "research"], &reviewer).await.good();
    assert!(shown.out.contains("Be good") && shown.out.contains("Not accepted in research"), "{}", shown.out);
    // Nobody accepts what they were not shown, and a developer accepts nothing.
    let api = "/-/api/v1/environments/research/terms/models/theirs/gated";
    let other = json!({"text_sha256": "0".repeat(64), "reason": "we may"});
    let client = wire::client();
    let post = |token: String, body: Value| {
        let request = client.post(format!("{}{api}", world.url())).bearer_auth(token).json(&body);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(post(reviewer.clone(), other.clone()).await, 409);
    assert_eq!(post(developer.clone(), other).await, 403);
    let words = ["terms", "accept", "theirs/gated", "--env", "research", "--reason", "legal said yes", "--yes"];
    world.api_command(&words, &reviewer).await.good();
    let told = world.api_command(&["terms", "show", "theirs/gated", "--env", "research"], &reviewer).await.good();
    assert!(told.out.contains("Accepted on record in research"), "{}", told.out);
    let rules = "SELECT rules FROM standing WHERE environment = 'research' ORDER BY changed_at DESC";
    let answered = async {
        while world.query_text(rules).await.first().is_none_or(|rules| rules.contains("W-013")) {
            settled(&world, path, &developer).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), answered).await.expect("W-013 has its answer");
    let elsewhere = "SELECT rules FROM standing WHERE environment = 'prod' ORDER BY changed_at DESC";
    assert!(
        world.query_text(elsewhere).await[0].contains("W-013"),
        "what is accepted in research is accepted there only"
    );
    // Another text is missing again.
    world.hub.model("theirs/gated").card(card("Be better")).commit("Ask for more").file("README.md", "More.").push();
    let operator = world.token("operator", "").await;
    world.api_command(&["prefetch", "theirs/gated@main", "--env", "research"], &operator).await;
    let other = async {
        loop {
            let told = world.api_command(&["terms", "show", "theirs/gated", "--env", "research"], &reviewer).await;
            if told.out.contains("Be better") {
                assert!(told.out.contains("Not accepted in research"), "{}", told.out);
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), other).await.expect("the new text is read");
    world.ledger_is_whole().await;
}
