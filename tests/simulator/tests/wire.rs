//! The simulator seen through a client: what it says on the wire, and how it fails on demand.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::header::{AUTHORIZATION, RANGE};
use reqwest::{Client, Method, Response, redirect};
use serde_json::{Value, json};
use weighbridge_simulator::{Content, Fault, Gated, Hub, Options, Side, Token, load_sample};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::test]
async fn lfs_files_are_found_on_the_content_host() -> Outcome {
    let hub = Hub::start(Options::default())?;
    let content = Content::safetensors(1, 3 << 20);
    let sha = hub.model("acme/tiny").push_file("model.safetensors", content.clone());
    let head = ask(&hub, "HEAD", "/acme/tiny/resolve/main/model.safetensors").await?;
    assert_eq!(head.status(), 302);
    assert_eq!(header(&head, "x-repo-commit"), sha);
    assert_eq!(header(&head, "x-linked-etag"), format!("\"{}\"", content.sha256()));
    assert_eq!(header(&head, "x-linked-size"), content.len().to_string());
    assert!(header(&head, "link").contains("rel=\"xet-auth\""));
    let address = header(&head, "location");
    assert!(address.starts_with(hub.cdn_url()));

    let part = client().get(&address).header(RANGE, "bytes=5-1000000000").send().await?;
    assert_eq!(part.status(), 206);
    assert_eq!(header(&part, "content-range"), format!("bytes 5-{}/{}", content.len() - 1, content.len()));
    assert_ne!(header(&part, "etag"), header(&head, "x-linked-etag"));
    assert_eq!(part.bytes().await?, content.read(5, usize::MAX));
    assert_eq!(hub.bytes_sent("acme/tiny/model.safetensors"), content.len() - 5);

    let with_token = client().get(&address).header(AUTHORIZATION, "Bearer x").send().await?;
    assert_eq!((with_token.status().as_u16(), hub.cdn_saw_authorization()), (400, 1));
    assert_eq!(client().get(address.replace("Signature=", "Signature=0")).send().await?.status(), 403);
    hub.expire_signed_urls();
    assert_eq!(client().get(&address).send().await?.status(), 403);
    Ok(())
}

#[tokio::test]
async fn a_commit_pushed_again_under_its_own_name_keeps_its_place_in_history() -> Outcome {
    let hub = Hub::start(Options::default())?;
    let repo = hub.model("acme/again");
    let first = repo.push_file("a.txt", "1");
    let second = repo.commit("Two").file("a.txt", "2").push();
    repo.commit("Two").sha(&second).file("a.txt", "changed").push();
    let told: Value = ask(&hub, "GET", "/api/models/acme/again/commits/main").await?.json().await?;
    let ids: Vec<_> = told.as_array().into_iter().flatten().map(|commit| commit["id"].as_str()).collect();
    assert_eq!(ids, [Some(second.as_str()), Some(first.as_str())]);
    Ok(())
}

#[tokio::test]
async fn plain_files_are_a_relative_redirect_away() -> Outcome {
    let hub = Hub::start(Options::default())?;
    let name = "naïve/100% +#.txt";
    let repo = hub.model("gpt2");
    let sha = repo.push_file(name, "hello\n");
    repo.pull_request(1, &sha);
    let path = "/gpt2/resolve/refs%2Fpr%2F1/na%C3%AFve/100%25%20+%23.txt";
    let first = ask(&hub, "HEAD", path).await?;
    assert_eq!(first.status(), 307);
    let location = header(&first, "location");
    assert!(location.starts_with(&format!("/api/resolve-cache/models/gpt2/{sha}/na%C3%AFve%2F100")), "{location}");
    let then = ask(&hub, "GET", &location).await?;
    assert_eq!(header(&then, "etag"), "\"ce013625030ba8dba906f756967f9e9ca394464a\"");
    assert_eq!(header(&then, "x-repo-commit"), sha);
    assert_eq!(then.text().await?, "hello\n");
    let missing = ask(&hub, "HEAD", "/gpt2/resolve/main/nope").await?;
    assert_eq!((missing.status().as_u16(), header(&missing, "x-error-code")), (404, "EntryNotFound".into()));
    assert_eq!(header(&missing, "x-repo-commit"), sha);
    Ok(())
}

#[tokio::test]
async fn old_and_misspelt_names_redirect() -> Outcome {
    let hub = Hub::start(Options::default())?;
    let repo = hub.dataset("old/rows");
    repo.push_file("a.csv", "1");
    let id = repo.internal_id();
    assert!(repo.rename("acme/rows"));
    for path in ["/api/datasets/old/rows?blobs=true", "/api/datasets/Acme/Rows?blobs=true"] {
        let reply = ask(&hub, "GET", path).await?;
        assert_eq!(
            (reply.status().as_u16(), header(&reply, "location")),
            (307, "/api/datasets/acme/rows?blobs=true".into())
        );
    }
    let reply = ask(&hub, "HEAD", "/datasets/old/rows/resolve/main/a.csv").await?;
    assert_eq!(header(&reply, "location"), "/datasets/acme/rows/resolve/main/a.csv");
    let again = repo.reregister();
    assert_ne!(again.internal_id(), id);
    assert_eq!(again.head("main"), None);
    Ok(())
}

#[tokio::test]
async fn strangers_learn_nothing() -> Outcome {
    let hub = Hub::start(Options::default())?;
    hub.add_token(Token::new("alice", "hf_alice").may_read("acme/gated").may_read("acme/private"));
    hub.add_token(Token::new("bob", "hf_bob"));
    hub.model("acme/private").private(true).push_file("config.json", "{}");
    hub.model("acme/gated").gated(Gated::Auto).push_file("config.json", "{}");
    let gated = "/acme/gated/resolve/main/config.json";
    let expected = [
        ("/api/models/acme/private", None, 401, ""),
        ("/api/models/acme/nowhere", None, 401, ""),
        ("/api/models/acme/private", Some("hf_bob"), 404, "RepoNotFound"),
        ("/api/models/acme/private", Some("hf_alice"), 200, ""),
        ("/api/models/acme/gated", None, 200, ""),
        ("/api/models/acme/gated", Some("hf_nobody"), 401, ""),
        ("/api/models/acme/gated/revision/nope", None, 404, "RevisionNotFound"),
        (gated, None, 401, "GatedRepo"),
        (gated, Some("hf_bob"), 403, "GatedRepo"),
        (gated, Some("hf_alice"), 307, ""),
    ];
    for (path, token, status, code) in expected {
        let mut request = client().get(format!("{}{path}", hub.url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let reply = request.send().await?;
        assert_eq!(
            (reply.status().as_u16(), header(&reply, "x-error-code")),
            (status, code.into()),
            "{path} {token:?}"
        );
    }
    assert_eq!(hub.requests().iter().filter(|seen| seen.token_name.as_deref() == Some("alice")).count(), 2);
    Ok(())
}

#[tokio::test]
async fn the_sample_is_listed_page_by_page() -> Outcome {
    let hub = Hub::start(Options::default())?;
    load_sample(&hub);
    let mut next = Some(format!("{}/api/models/acme/many/tree/main?recursive=true&expand=false", hub.url()));
    let (mut pages, mut files) = (0, 0);
    while let Some(address) = next {
        let reply = client().get(address).send().await?;
        let link = header(&reply, "link");
        next = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\"")).map(str::to_owned);
        let entries: Value = reply.json().await?;
        files += entries.as_array().map_or(0, |all| all.iter().filter(|entry| entry["type"] == "file").count());
        pages += 1;
    }
    assert_eq!((pages, files), (3, 2501));

    let info: Value = ask(&hub, "GET", "/api/models/acme/tiny?blobs=true&securityStatus=true").await?.json().await?;
    assert_eq!(info["config"]["model_type"], "bert");
    assert!(info["safetensors"]["total"].as_u64() > Some(240_000), "{}", info["safetensors"]);
    assert_eq!(info["securityRepoStatus"]["scansDone"], true);
    let form = client().post(format!("{}/api/models/acme/tiny/paths-info/main", hub.url()));
    let told: Value =
        form.form(&[("paths", "naïve/模型.txt"), ("paths", "nope"), ("paths", "onnx")]).send().await?.json().await?;
    assert_eq!(
        (told[0]["path"].as_str(), told[1]["type"].as_str(), told.as_array().map(Vec::len)),
        (Some("naïve/模型.txt"), Some("directory"), Some(2),)
    );
    let refs: Value = ask(&hub, "GET", "/api/models/acme/revs/refs?include_prs=1").await?.json().await?;
    assert_eq!(refs["pullRequests"][0]["ref"], "refs/pr/1");
    assert_eq!(hub.xet_leaks(), 0);
    Ok(())
}

#[tokio::test]
async fn faults_strike_and_pass() -> Outcome {
    let hub = Hub::start(Options::default())?;
    let content = Content::generated(9, 2 << 20);
    hub.model("acme/tiny").commit("add").lfs("weights", content.clone()).push();
    let address = header(&ask(&hub, "HEAD", "/acme/tiny/resolve/main/weights").await?, "location");
    let get = || client().get(&address).send();

    hub.fault(Fault::flip_byte(1_500_000).on("weights").times(1));
    let wrong = get().await?.bytes().await?;
    assert_eq!(wrong.iter().zip(content.read(0, usize::MAX)).filter(|(a, b)| **a != *b).count(), 1);

    hub.fault(Fault::cut_after(1_000_000).side(Side::Cdn).times(1));
    assert_eq!(received(get().await?).await, (1_000_000, true));
    hub.fault(Fault::short_body(1).times(1));
    assert_eq!(received(get().await?).await, (content.len() - 1, true));

    hub.fault(Fault::status_retry_after(429, 7).times(1));
    let reply = get().await?;
    assert_eq!((reply.status().as_u16(), header(&reply, "retry-after")), (429, "7".into()));

    hub.fault(Fault::ignore_range().times(1));
    assert_eq!(client().get(&address).header(RANGE, "bytes=1-1").send().await?.status(), 200);

    hub.fault(Fault::wrong_length(10).times(1));
    assert_eq!(received(get().await?).await, (10, false));

    let slow = hub.fault(Fault::bandwidth(4 << 20));
    let started = Instant::now();
    assert_eq!(received(get().await?).await, (content.len(), false));
    assert!(started.elapsed() > Duration::from_millis(400));
    hub.clear_fault(slow);

    hub.fault(Fault::hang());
    assert!(tokio::time::timeout(Duration::from_millis(200), get()).await.is_err());
    hub.clear_faults();
    hub.fault(Fault::disconnect().times(1));
    assert!(get().await.is_err());
    assert_eq!(get().await?.bytes().await?, content.read(0, usize::MAX));
    Ok(())
}

#[tokio::test]
async fn another_process_can_steer_it() -> Outcome {
    let hub = Hub::start(Options::default())?;
    let commit = json!({ "id": "acme/made", "title": "By wire", "files": [
        { "path": "config.json", "text": "{}" },
        { "path": "model.safetensors", "safetensors": { "seed": 4, "len": 5000 } },
        { "path": "raw", "base64": "AAEC", "lfs": true },
    ]});
    let told: Value = post(&hub, "commit", &commit).await?.json().await?;
    assert_eq!(told["sha"].as_str().map(str::to_owned), hub.model("acme/made").head("main"));
    let fault = json!({ "kind": "status", "code": 503, "on": "acme/made", "times": 1 });
    assert_eq!(post(&hub, "faults", &fault).await?.status(), 200);
    assert_eq!(ask(&hub, "GET", "/api/models/acme/made").await?.status(), 503);
    assert_eq!(post(&hub, "rename", &json!({ "id": "acme/made", "to": "acme/moved" })).await?.status(), 200);
    assert_eq!(ask(&hub, "GET", "/api/models/acme/made").await?.status(), 307);
    assert_eq!(post(&hub, "rename", &json!({ "id": "acme/made", "to": "x/y" })).await?.status(), 400);
    let counters: Value = ask(&hub, "GET", "/-sim/counters?contains=acme/made").await?.json().await?;
    assert_eq!(counters["requests"], 2);
    Ok(())
}

/// Not a promise, a figure: `cargo test --release -p weighbridge-simulator -- --ignored --nocapture throughput`.
#[tokio::test]
#[ignore = "takes gigabytes; run it by hand"]
async fn throughput() -> Outcome {
    let hub = Hub::start(Options::default())?;
    let content = Content::generated(1, 4 << 30);
    // A claimed hash: hashing 4 GiB would take longer than sending them.
    hub.model("acme/big").commit("add").lfs_claiming("weights", content.clone(), &"0".repeat(64)).push();
    let address = header(&ask(&hub, "HEAD", "/acme/big/resolve/main/weights").await?, "location");
    let started = Instant::now();
    assert_eq!(received(client().get(&address).send().await?).await, (content.len(), false));
    assert!(started.elapsed() < Duration::from_secs(8), "4 GiB took {:?}", started.elapsed());
    Ok(())
}

fn client() -> Client {
    Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap_or_default()
}

async fn ask(hub: &Hub, method: &str, path: &str) -> Result<Response, Box<dyn std::error::Error>> {
    Ok(client().request(Method::from_bytes(method.as_bytes())?, format!("{}{path}", hub.url())).send().await?)
}

async fn post(hub: &Hub, route: &str, body: &Value) -> reqwest::Result<Response> {
    client().post(format!("{}/-sim/{route}", hub.url())).json(body).send().await
}

/// A header's text; empty when it is not there.
fn header(reply: &Response, name: &str) -> String {
    reply.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// How many bytes came, and whether the connection broke before the end.
async fn received(reply: Response) -> (u64, bool) {
    let mut stream = reply.bytes_stream();
    let mut count = 0;
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => count += chunk.len() as u64,
            Err(_) => return (count, true),
        }
    }
    (count, false)
}
