//! Pods, jobs and services without a secret of ours: their issuers' tokens, straight or exchanged, and every bad one.
//!
//! The configuration is the README's own, with the addresses of the test's issuers in it.

mod bad;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use weighbridge_simulator::{
    Content,
    issuer::{self, Issuer, Signs, seconds},
};

use crate::{
    stock::{Desk, HUBS},
    wire::{self, Reply},
    world::{Database, Folder, World, WorldOptions},
};

const FILE: &str = "/acme/tiny/resolve/main/config.json";
const AUDIENCE: &str = "https://models.example.com";
const SVID: &str = "spiffe://acme.example/ns/llm/sa/vllm";

/// A gateway that takes the tokens of three issuers, as the README configures them, and one that nobody configured.
struct Fleet {
    world: World,
    pods: Issuer,
    jobs: Issuer,
    mesh: Issuer,
    stranger: Issuer,
    settings: Folder,
}

impl Fleet {
    async fn new() -> Self {
        Self::on(Database::Sqlite, true).await
    }

    async fn on(database: Database, sample: bool) -> Self {
        let [pods, jobs, mesh, stranger] = std::array::from_fn(|_| Issuer::start().unwrap());
        let settings = Folder::new();
        let file = settings.path().join("weighbridge.toml");
        let text = configuration(&pods, &jobs, &mesh, AUDIENCE);
        // Without the sample a test brings a model of its own, of which nobody has said what production asks for.
        let text = if sample { text } else { text.replace("\"prod\"", "\"research\"") };
        fs::write(&file, text).unwrap();
        let more = vec![
            ("WEIGHBRIDGE_CONFIG", file.display().to_string()),
            ("WEIGHBRIDGE_IDENTITY__ALLOW_PRIVATE_ADDRESSES", "true".to_owned()),
        ];
        let options = WorldOptions { database, sample, settings: more, ..WorldOptions::default() };
        let world = World::start(options).await;
        if sample {
            world.approve_in("acme/tiny@main", "prod").await;
            world.approve_in("acme/tiny@main", "research").await;
        }
        Self { world, pods, jobs, mesh, stranger, settings }
    }

    /// The same with the gateway's own address as the audience of jobs, as huggingface_hub asks for it.
    async fn audience_is_the_endpoint(&mut self) {
        let url = self.world.url().to_owned();
        let text = configuration(&self.pods, &self.jobs, &self.mesh, &url);
        fs::write(self.settings.path().join("weighbridge.toml"), text).unwrap();
        self.world.restart().await;
    }

    fn pod(&self) -> Value {
        issuer::kubernetes(self.pods.url(), AUDIENCE, "llm", "vllm")
    }

    fn job(&self) -> Value {
        issuer::github(self.jobs.url(), AUDIENCE, "acme/deploy", "refs/heads/main")
    }

    async fn pull(&self, token: &str) -> Reply {
        wire::patient(&format!("{}{FILE}", self.world.url()), token, &[]).await.unwrap()
    }

    async fn exchange(&self, token: &str) -> Reply {
        exchange_at(self.world.url(), token).await
    }

    /// The bodies of all entries of a kind, once everything that is counted is written: the gateway ends for it.
    async fn entries(&mut self, kind: &str) -> Vec<Value> {
        self.world.gateway.stop().await;
        let sql = format!("SELECT CAST(body AS TEXT) FROM ledger_entry WHERE kind = '{kind}' ORDER BY seq");
        let bodies = self.world.query_text(&sql).await;
        bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_pull_with_the_readmes_own_lines() {
    let mut fleet = Fleet::new().await;
    let volume = block("yaml", "serviceAccountToken");
    assert_eq!(field(&volume, "audience:"), AUDIENCE, "the pod's audience is the rule's");
    let (life, path) = (field(&volume, "expirationSeconds:"), field(&volume, "path:"));
    let mounted = volume.lines().find_map(|line| line.trim().strip_prefix("mountPath: ")).unwrap();
    assert!(volume.contains("name: HF_TOKEN_PATH") && volume.contains(&format!("value: {mounted}/{path}")));
    assert!(volume.contains(&format!("value: {AUDIENCE}")), "HF_ENDPOINT");
    let code = "import os, sys; from huggingface_hub import hf_hub_download as get\n\
        open(get('acme/tiny', 'config.json')).read(); os.replace('next', 'token')\n\
        open(get('acme/tiny', 'model.safetensors'), 'rb').read(); print('both')";
    for venv in HUBS {
        let mut claims = fleet.pod();
        claims["exp"] = json!(seconds() + life.parse::<i64>().unwrap());
        let (first, second) = (fleet.pods.mint(&claims), fleet.pods.mint(&fleet.pod()));
        let desk = Desk::with(fleet.world.url(), "").variable("HF_TOKEN_PATH", "token");
        fs::write(desk.home().join("token"), format!("{first}\n")).unwrap();
        fs::write(desk.home().join("next"), &second).unwrap();
        assert_eq!(desk.python(venv, code).await.good().out.trim(), "both", "{venv}");
        // The second is used by its own: the kubelet changes the file under a running process.
        assert!(!desk.home().join("next").exists());
    }
    let account = fleet.world.get("/-/api/v1/account", &fleet.pods.mint(&fleet.pod())).await.json();
    assert_eq!((account["name"].as_str(), account["cluster"].as_str()), (Some("llm/vllm"), Some("gpu-a")));
    assert_eq!((account["role"].as_str(), account["home"].as_str()), (Some("cluster"), Some("prod")));
    nothing_was_sent_to(&fleet.pods);
    let granted = fleet.entries("file.granted").await;
    let mut tokens: Vec<_> = granted.iter().map(|entry| entry["actor"]["token_id"].as_str().unwrap()).collect();
    let workloads = granted.iter().filter(|entry| entry["actor"]["kind"] == "workload").count();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!((tokens.len(), workloads), (2 * HUBS.len(), granted.len()), "{granted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_of_a_trust_domain_pull_with_their_svid() {
    let fleet = Fleet::new().await;
    for signs in [Signs::ES256, Signs::EdDSA] {
        // Before the keys are first asked for.
        fleet.mesh.rotate(signs.word(), signs);
    }
    for signs in [Signs::ES256, Signs::EdDSA] {
        let claims = issuer::spiffe(SVID, AUDIENCE);
        let token = match signs {
            Signs::EdDSA => fleet.mesh.mint(&claims),
            _ => fleet.mesh.mint_by(signs.word(), &claims),
        };
        let reply = fleet.pull(&token).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert!(fleet.mesh.asked().iter().all(|head| head.starts_with("GET /openid/v1/jwks ")), "nothing is discovered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_token_is_refused_and_is_an_event() {
    let mut fleet = Fleet::new().await;
    let other = fleet.pods.rotate("key-ec", Signs::ES256);
    let good = fleet.pods.mint(&fleet.pod());
    assert_eq!(fleet.pull(&good).await.status, 200);
    let bad = bad::tokens(&fleet, &other, &good);
    assert!(bad.len() >= 60, "{}", bad.len());
    let (asked_before, began) = (fleet.pods.asked().len(), Instant::now());
    for (name, token) in &bad {
        let reply = fleet.world.get(FILE, token).await;
        assert_eq!(reply.status, 401, "{name}: {}", reply.text());
        assert!(reply.header("x-error-message").len() > 20, "{name}");
        let reply = fleet.exchange(token).await;
        assert_eq!(
            (reply.status, reply.json()["error"].as_str()),
            (400, Some("invalid_grant")),
            "{name}: {}",
            reply.text()
        );
    }
    let minutes = usize::try_from(began.elapsed().as_secs() / 60).unwrap();
    let asked = fleet.pods.asked().len() - asked_before;
    assert!(asked <= 2 * (minutes + 2), "unknown keys make us ask once a minute, not {asked} times");
    let large = "x".repeat(1 << 20);
    let refused = wire::ask("GET", &format!("{}{FILE}", fleet.world.url()), &format!("{good}{large}"), &[]).await;
    assert!(refused.map_or(true, |reply| reply.status >= 400));
    assert_eq!(fleet.exchange(&format!("{good}{large}")).await.status, 413);
    assert_eq!(fleet.pull(&good).await.status, 200, "a good one is taken all the same");
    assert!(fleet.stranger.asked().is_empty(), "a host that nobody configured was asked");
    [&fleet.pods, &fleet.jobs, &fleet.mesh].into_iter().for_each(nothing_was_sent_to);
    let log = fleet.world.gateway.log();
    for (name, token) in &bad {
        let tail = token.rsplit('.').next().unwrap_or_default();
        assert!(tail.len() < 40 || !log.contains(tail), "{name}: its signature stands in the log");
    }
    let failed = fleet.entries("auth.failed").await;
    let times: u64 = failed.iter().map(|entry| entry["count"]["times"].as_u64().unwrap_or(1)).sum();
    assert_eq!(times, 2 * bad.len() as u64, "each is an event");
    fleet.world.ledger_is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_keep_pulling_while_their_issuer_is_down() {
    let fleet = Fleet::new().await;
    assert_eq!(fleet.pull(&fleet.pods.mint(&fleet.pod())).await.status, 200);
    fleet.pods.set_offline(true);
    let later = fleet.pull(&fleet.pods.mint(&fleet.pod())).await;
    assert_eq!(later.status, 200, "a new pod with a known key: {}", later.text());
    fleet.pods.rotate("key-2", Signs::ES256);
    let newest = fleet.pods.mint(&fleet.pod());
    let reply = fleet.world.get("/-/api/v1/account", &newest).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reply.text().contains("cannot be heard") && reply.text().contains(fleet.pods.url()), "{}", reply.text());
    assert!(!reply.header("retry-after").is_empty());
    let ready = fleet.world.get("/-/readyz", "").await;
    assert_eq!((ready.status, &ready.json()["warnings"]), (200, &json!(["workload keys"])));
    let auditor = fleet.world.token("auditor", "").await;
    let doctor = fleet.world.api_command(&["doctor"], &auditor).await;
    let said = |what: &str| assert!(doctor.out.contains(what), "{what}: {}", doctor.out);
    said(&format!("issuer {}", fleet.pods.url()));
    said("1 key, heard");
    said("it cannot be heard now");
    fleet.pods.set_offline(false);
    // Asked again by whoever comes with the new key, some seconds after the last try.
    let began = Instant::now();
    while fleet.world.get("/-/api/v1/account", &newest).await.status != 200 {
        assert!(began.elapsed() < Duration::from_mins(2), "the new key is never taken");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(fleet.world.get("/-/readyz", "").await.json()["warnings"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_exchanges_its_proof_with_the_stock_client() {
    let mut fleet = Fleet::new().await;
    fleet.audience_is_the_endpoint().await;
    let url = fleet.world.url().to_owned();
    let claims = issuer::github(fleet.jobs.url(), &url, "acme/deploy", "refs/heads/main");
    let workflow = block("yaml", "id-token: write");
    let resource = field(&workflow, "HF_OIDC_RESOURCE:");
    let download = workflow.lines().find_map(|line| line.trim().strip_prefix("- run: hf ")).unwrap();
    let download: Vec<&str> = download.split(' ').collect();
    let venv = HUBS[2];
    // As on GitHub: the client asks the runner for a token for HF_ENDPOINT, each process for its own.
    fleet.jobs.set_runner(claims.clone());
    let runner = format!("{}/runner/token", fleet.jobs.url());
    let desk = Desk::with(&url, "")
        .variable("HF_OIDC_RESOURCE", &resource)
        .variable("GITHUB_ACTIONS", "true")
        .variable("ACTIONS_ID_TOKEN_REQUEST_URL", &runner)
        .variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "runner");
    for _ in 0..2 {
        desk.hf(venv, &download).await.good();
    }
    // Anywhere else: the proof is given, and one proof is one exchange.
    let proof = fleet.jobs.mint(&claims);
    let desk = Desk::with(&url, "").variable("HF_OIDC_RESOURCE", &resource).variable("HF_OIDC_ID_TOKEN", &proof);
    desk.hf(venv, &download).await.good();
    let again = desk.python(venv, "import huggingface_hub; huggingface_hub.get_token()").await;
    assert!(again.code != 0 && again.all().contains("exchanged already"), "{}", again.all());
    let mut other = claims.clone();
    other["jti"] = json!("another");
    let reply = fleet.exchange(&fleet.jobs.mint(&other)).await.json();
    assert_eq!(reply["token_type"], "bearer");
    assert_eq!(reply["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    let (token, lives) = (reply["access_token"].as_str().unwrap(), reply["expires_in"].as_i64().unwrap());
    assert!(token.starts_with("wbgx_") && (200..=300).contains(&lives), "it outlives its proof: {lives}");
    let account = fleet.world.get("/-/api/v1/account", token).await.json();
    assert_eq!((account["name"].as_str(), account["role"].as_str()), (Some("acme/deploy"), Some("ci")));
    assert_eq!(account["environments"], json!(["research"]));
    let exchanged = fleet.entries("token.exchanged").await;
    // More than the four above: the client counts a life of 300 seconds as none, and asks anew at each request.
    assert!(exchanged.len() >= 4, "{exchanged:?}");
    assert!(exchanged.iter().all(|entry| entry["actor"]["kind"] == "workload"));
    fleet.world.ledger_is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_exchange_is_told_so() {
    let fleet = Fleet::new().await;
    let url = format!("{}/oauth/token", fleet.world.url());
    let proof = fleet.jobs.mint(&fleet.job());
    let whole = |more: Value| {
        let mut body = asking(&proof);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let wrong = [
        whole(json!({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"})),
        whole(json!({"subject_token": ""})),
        whole(json!({"subject_token": [proof, proof]})),
        whole(json!({"actor_token": "x"})),
        whole(json!({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"})),
    ];
    for body in wrong {
        let reply = wire::client().post(&url).json(&body).send().await.unwrap();
        let status = reply.status().as_u16();
        let told: Value = reply.json().await.unwrap();
        assert_eq!((status, told["error"].as_str()), (400, Some("invalid_request")), "{body}");
    }
    // The proof was not used up by any of these, and 20 at a time get one token.
    let mut racing = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (url, proof) = (fleet.world.url().to_owned(), proof.clone());
        racing.spawn(async move { exchange_at(&url, &proof).await.status });
    }
    let mut answers = racing.join_all().await;
    answers.sort_unstable();
    assert_eq!((answers[0], answers[1]), (200, 400), "{answers:?}");
    assert!(answers[1..].iter().all(|status| *status == 400));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_stopped_is_cut_at_every_replica() {
    let fleet = Fleet::on(Database::Postgres, false).await;
    let content = Content::safetensors(1, 64 << 20);
    fleet.world.hub.model("acme/big").commit("Add").lfs("weights.bin", content.clone()).push();
    fleet.world.approve("acme/big@main").await;
    let other = fleet.world.another("second").await;
    let pod = fleet.pods.mint(&fleet.pod());
    let exchanged = fleet.exchange(&fleet.jobs.mint(&fleet.job())).await.json();
    let job = exchanged["access_token"].as_str().unwrap().to_owned();
    let neighbour = fleet.mesh.mint(&issuer::spiffe(SVID, AUDIENCE));
    let path = "/acme/big/resolve/main/weights.bin";
    let whole = |url: String, token: String, limit: Duration| async move {
        let mut reply = wire::client().get(url).bearer_auth(token).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        let (began, mut came) = (Instant::now(), 0_u64);
        while began.elapsed() < limit {
            match reply.chunk().await {
                Ok(Some(chunk)) => came += chunk.len() as u64,
                Ok(None) => return (came, true),
                Err(_) => return (came, false),
            }
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        (came, true)
    };
    let ready = wire::patient(&format!("{}{path}", fleet.world.url()), &pod, &[("range", "bytes=0-0")]).await.unwrap();
    assert_eq!(ready.status, 206, "{}", ready.text());
    let long = Duration::from_mins(1);
    let stopped = [(&fleet.world.gateway.url, &pod), (&other.url, &pod), (&other.url, &job)]
        .map(|(url, token)| tokio::spawn(whole(format!("{url}{path}"), token.clone(), long)));
    let goes_on = tokio::spawn(whole(format!("{}{path}", other.url), neighbour.clone(), Duration::from_secs(20)));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let pods = [
        "workload",
        "block",
        "--issuer",
        fleet.pods.url(),
        "--subject",
        "system:serviceaccount:llm:vllm",
        "--reason",
        "stolen",
    ];
    fleet.world.gateway.command(&pods, &[]).await.good();
    let operator = fleet.world.token("operator", "").await;
    let body = json!({"issuer": fleet.jobs.url(), "subject": fleet.job()["sub"], "reason": "stolen too"});
    let url = format!("{}/-/api/v1/workloads/blocks", fleet.world.url());
    let reply = wire::client().post(url).bearer_auth(operator).json(&body).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 200, "{}", reply.text().await.unwrap());
    for stream in stopped {
        let (came, end) = stream.await.unwrap();
        assert!(!end && came > 0 && came < content.len(), "{came} bytes came, to the end: {end}");
    }
    assert!(goes_on.await.unwrap().1, "somebody else's stream was cut");
    for (url, token) in [(&fleet.world.gateway.url, &pod), (&other.url, &pod), (&other.url, &job)] {
        let after = wire::ask("GET", &format!("{url}/-/api/v1/account"), token, &[]).await.unwrap();
        assert_eq!((after.status, after.text().contains("stopped")), (401, true), "{}", after.text());
    }
    // Stopped is what was issued until then: a pod that starts anew has a new token.
    let mut later = fleet.pod();
    later["iat"] = json!(seconds() + 2);
    assert_eq!(fleet.world.get("/-/api/v1/account", &fleet.pods.mint(&later)).await.status, 200);
    assert_eq!(fleet.world.get("/-/api/v1/account", &neighbour).await.status, 200);
    fleet.world.ledger_is_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_token_is_stopped_by_its_own_id() {
    let fleet = Fleet::new().await;
    let (one, two) = (fleet.pod(), fleet.pod());
    let [first, second] = [&one, &two].map(|claims| fleet.pods.mint(claims));
    assert_eq!(fleet.world.get("/-/api/v1/account", &first).await.status, 200);
    let jti = one["jti"].as_str().unwrap();
    let words = ["workload", "block", "--issuer", fleet.pods.url(), "--jti", jti, "--reason", "in a log", "--json"];
    let blocked = fleet.world.gateway.command(&words, &[]).await.good().json();
    assert_eq!(blocked["token_id"].as_str().map(str::len), Some(64));
    let began = Instant::now();
    while fleet.world.get("/-/api/v1/account", &first).await.status != 401 {
        assert!(began.elapsed() < Duration::from_secs(5), "it still works after 5 seconds");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(fleet.world.get("/-/api/v1/account", &second).await.status, 200);
    let nobody = ["workload", "block", "--issuer", "https://elsewhere", "--subject", "x", "--reason", "y"];
    let refused = fleet.world.gateway.command(&nobody, &[]).await;
    assert!(refused.code == 1 && refused.err.contains(fleet.pods.url()), "{}", refused.all());
    let none = ["workload", "block", "--issuer", fleet.pods.url(), "--reason", "y"];
    assert_eq!(fleet.world.gateway.command(&none, &[]).await.code, 3);
}

async fn exchange_at(url: &str, token: &str) -> Reply {
    let reply = wire::client().post(format!("{url}/oauth/token")).json(&asking(token)).send().await.unwrap();
    let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
    Reply { status, headers, body: reply.bytes().await.unwrap().to_vec() }
}

/// As huggingface_hub asks.
fn asking(token: &str) -> Value {
    json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "subject_token": token, "resource": "acme/deploy",
    })
}

/// Nobody's token or cookie reaches an issuer.
fn nothing_was_sent_to(issuer: &Issuer) {
    for head in issuer.asked() {
        let lower = head.to_ascii_lowercase();
        assert!(head.starts_with("GET "), "{head}");
        assert!(!lower.contains("authorization") && !lower.contains("cookie") && !head.contains("eyJ"), "{head}");
    }
}

/// The README's rules, with the addresses of the issuers here.
fn configuration(pods: &Issuer, jobs: &Issuer, mesh: &Issuer, audience: &str) -> String {
    let text = block("toml", "[[identity.workloads]]");
    let changes = [
        ("https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE", pods.url().to_owned()),
        ("https://token.actions.githubusercontent.com", jobs.url().to_owned()),
        ("https://spire.acme.example/keys", format!("{}/openid/v1/jwks", mesh.url())),
    ];
    let text = changes.into_iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the README has no {from}");
        text.replace(from, &to)
    });
    text.replace(AUDIENCE, audience)
}

/// The block of the README in this language that holds these words.
fn block(language: &str, holding: &str) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let fence = format!("\n```{language}\n");
    let blocks = readme.split(fence.as_str()).skip(1).map(|rest| rest.split("\n```").next().unwrap());
    blocks
        .map(str::to_owned)
        .find(|block| block.contains(holding))
        .unwrap_or_else(|| panic!("no {language} with {holding}"))
}

/// The value after a key, on its own line.
fn field(block: &str, key: &str) -> String {
    let line = block.lines().find_map(|line| line.trim().strip_prefix(key));
    line.unwrap_or_else(|| panic!("{key} is not in\n{block}")).trim().to_owned()
}
