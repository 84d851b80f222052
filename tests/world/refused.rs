//! What a refused pull looks like in each client's own terminal.
//!
//! The table is for people: every client must show the sentence, the decision and where to ask, and the one that is
//! compared is the one that somebody has read.

use std::fmt::Write;

use crate::{
    golden,
    stock::{Desk, HUBS, Ran, TRANSFORMERS},
    world::World,
};

#[tokio::test]
async fn the_refusal_reaches_every_terminal() {
    let world = World::new().await;
    let mut table = String::from(PREFACE);
    for (title, repo) in [
        ("denied by a rule", "acme/unsafe"),
        ("not there at all", "acme/nowhere"),
        ("our own namespace", "ours/secret"),
    ] {
        for venv in HUBS {
            let version = venv.replace('-', " ");
            let ran = Desk::new(&world).await.hf(venv, &["download", repo]).await;
            row(&mut table, &world, &format!("{title} · hf download ({version})"), &ran);
            let code = format!("from huggingface_hub import hf_hub_download\nhf_hub_download('{repo}', 'config.json')");
            let ran = Desk::new(&world).await.python(venv, &code).await;
            row(&mut table, &world, &format!("{title} · hf_hub_download ({version})"), &ran);
            let code = format!("from huggingface_hub import snapshot_download\nsnapshot_download('{repo}')");
            let ran = Desk::new(&world).await.python(venv, &code).await;
            row(&mut table, &world, &format!("{title} · snapshot_download ({version})"), &ran);
        }
        let code = format!("from transformers import AutoConfig\nAutoConfig.from_pretrained('{repo}')");
        let ran = Desk::new(&world).await.python(TRANSFORMERS, &code).await;
        row(&mut table, &world, &format!("{title} · AutoConfig ({})", TRANSFORMERS.replace('-', " ")), &ran);
        for way in ["tokio", "sync"] {
            let ran = Desk::new(&world).await.rust(&[way, "model", repo, "main", "config.json"]).await;
            row(&mut table, &world, &format!("{title} · hf-hub 0.4.3 {way}"), &ran);
        }
        let path = format!("/{repo}/resolve/main/config.json");
        let ran = Desk::new(&world).await.curl(&["-L"], &path).await;
        row(&mut table, &world, &format!("{title} · curl -L"), &ran);
        let ran = Desk::new(&world).await.curl(&["-fL"], &path).await;
        row(&mut table, &world, &format!("{title} · curl -fL"), &ran);
    }
    golden::compare("refused-terminals.txt", &table);
    for block in table.split("\n## ").skip(1).filter(|block| block.starts_with("denied by a rule")) {
        let tells = !block.contains("curl -fL");
        assert!(!tells || block.contains("acme/unsafe@main is denied in research: W-001"), "no reason in {block}");
        assert!(!tells || block.contains("/-/r/<id>"), "no link in {block}");
    }
}

#[tokio::test]
async fn somebody_without_a_good_token_is_told_to_get_one() {
    let world = World::new().await;
    world.approve("acme/tiny@main").await;
    let mut table = String::from(PREFACE);
    for (title, token) in [("without a token", ""), ("with a wrong token", "hf_thisIsNoTokenOfOursThisIsNoTokenOfOurs")]
    {
        for venv in HUBS {
            let version = venv.replace('-', " ");
            let desk = Desk::with(world.url(), token);
            let ran = desk.hf(venv, &["download", "acme/tiny"]).await;
            row(&mut table, &world, &format!("{title} · hf download ({version})"), &ran);
            let code = "from huggingface_hub import hf_hub_download\nhf_hub_download('acme/tiny', 'config.json')";
            row(&mut table, &world, &format!("{title} · hf_hub_download ({version})"), &desk.python(venv, code).await);
            let ran = desk.hf(venv, &["auth", "whoami"]).await;
            row(&mut table, &world, &format!("{title} · hf auth whoami ({version})"), &ran);
        }
        let desk = Desk::with(world.url(), token);
        let code = "from transformers import AutoConfig\nAutoConfig.from_pretrained('acme/tiny')";
        let ran = desk.python(TRANSFORMERS, code).await;
        row(&mut table, &world, &format!("{title} · AutoConfig ({})", TRANSFORMERS.replace('-', " ")), &ran);
        let ran = desk.rust(&["tokio", "model", "acme/tiny", "main", "config.json"]).await;
        row(&mut table, &world, &format!("{title} · hf-hub 0.4.3 tokio"), &ran);
    }
    golden::compare("no-token-terminals.txt", &table);
}

#[tokio::test]
async fn a_revoked_model_stops_clients_that_have_it_in_their_cache() {
    let world = World::new().await;
    world.approve("acme/tiny@main").await;
    let mut table = String::from(PREFACE);
    let mut desks = Vec::new();
    let load = "from huggingface_hub import snapshot_download\nsnapshot_download('acme/tiny')";
    let config = "from transformers import AutoConfig\nprint(AutoConfig.from_pretrained('acme/tiny').model_type)";
    for venv in HUBS {
        let desk = Desk::new(&world).await;
        desk.python(venv, load).await.good();
        desks.push((venv, desk, load));
    }
    let desk = Desk::new(&world).await;
    desk.python(TRANSFORMERS, config).await.good();
    desks.push((TRANSFORMERS, desk, config));
    world.revoke("acme/tiny@main").await;
    for (venv, desk, code) in &desks {
        let ran = desk.python(venv, code).await;
        let call = if *venv == TRANSFORMERS { "AutoConfig" } else { "snapshot_download" };
        row(&mut table, &world, &format!("revoked, in the cache · {call} ({})", venv.replace('-', " ")), &ran);
        let download = "from huggingface_hub import hf_hub_download\nhf_hub_download('acme/tiny', 'config.json')";
        let ran = desk.python(venv, download).await;
        row(&mut table, &world, &format!("revoked, in the cache · hf_hub_download ({})", venv.replace('-', " ")), &ran);
        assert_ne!(ran.code, 0, "{venv} goes on with what it has");
    }
    golden::compare("revoked-terminals.txt", &table);
}

#[tokio::test]
async fn what_is_not_offered_says_so() {
    let world = World::new().await;
    world.approve("acme/tiny@main").await;
    let desk = Desk::new(&world).await;
    let mut table = String::from(PREFACE);
    for address in ["acme/tiny", "acme/tiny.git", "datasets/acme/rows"] {
        let ran = desk.git(&["clone", &format!("{}/{address}", world.url()), "clone"]).await;
        row(&mut table, &world, &format!("git clone {address}"), &ran);
        assert_ne!(ran.code, 0);
    }
    for (what, method, path) in [
        ("LFS batch", "POST", "/acme/tiny.git/info/lfs/objects/batch"),
        ("create", "POST", "/api/repos/create"),
        ("commit", "POST", "/api/models/acme/tiny/commit/main"),
        ("preupload", "POST", "/api/models/acme/tiny/preupload/main"),
        ("delete", "DELETE", "/api/repos/delete"),
        ("xet read token", "GET", "/api/models/acme/tiny/xet-read-token/main"),
        ("xet write token", "GET", "/api/models/acme/tiny/xet-write-token/main"),
        ("ollama manifest", "GET", "/v2/acme/tiny/manifests/latest"),
        ("discussions", "GET", "/api/models/acme/tiny/discussions"),
        ("buckets", "GET", "/api/buckets/acme"),
        ("jobs", "POST", "/api/jobs/acme"),
        ("put", "PUT", "/acme/tiny/resolve/main/config.json"),
        ("anywhere", "GET", "/no/such/place/at/all"),
    ] {
        let reply = world.ask(method, path, &world.developer().await, &[]).await;
        let text = golden::normal(&reply.text(), &[(world.url(), "http://gateway")]);
        let _ = write!(table, "\n## {what} · {method} {path} → {}\n{}\n", reply.status, text.trim_end());
        assert!(!(200..400).contains(&reply.status), "{method} {path} answers {}", reply.status);
    }
    // What is sent with it is not read, so the connection ends; whoever is not told would ask on it again, in vain.
    let upload =
        crate::wire::client().post(format!("{}/api/models/acme/tiny/commit/main", world.url())).body("x".repeat(9));
    let reply = upload.bearer_auth(world.developer().await).send().await.unwrap();
    assert_eq!(
        reply.headers().get("connection").map(reqwest::header::HeaderValue::as_bytes),
        Some(b"close".as_slice())
    );
    for venv in HUBS {
        std::fs::write(desk.home().join("new.txt"), "new").unwrap();
        let ran = desk.hf(venv, &["upload", "acme/tiny", "new.txt"]).await;
        row(&mut table, &world, &format!("hf upload ({})", venv.replace('-', " ")), &ran);
        assert_ne!(ran.code, 0, "{venv}");
    }
    golden::compare("not-offered.txt", &table);
    assert_eq!(world.hub.requests().iter().filter(|seen| seen.method != "GET" && seen.method != "HEAD").count(), 0);
}

/// Adds what the terminal showed, without the frames of tracebacks and without what differs from run to run.
fn row(table: &mut String, world: &World, title: &str, ran: &Ran) {
    let _ = write!(table, "\n## {title} → exit {}\n", ran.code);
    let shown = golden::normal(
        &ran.all(),
        &[(world.url(), "http://gateway"), (world.gateway.address(), "gateway"), (&temporary(), "/tmp")],
    );
    let frame =
        |line: &str| line.starts_with(char::is_whitespace) || line.starts_with("Traceback ") || line.trim().is_empty();
    let between = ["The above exception", "During handling"];
    for line in shown.lines().filter(|line| !frame(line) && !between.iter().any(|start| line.starts_with(start))) {
        let _ = writeln!(table, "{}", without_numbers(line));
    }
}

/// Folders of worlds and object addresses have numbers in them.
fn without_numbers(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split(' ') {
        let plain = match word.split_once("weighbridge-world-") {
            Some((before, rest)) => {
                format!("{before}desk{}", rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-'))
            }
            None => word.to_owned(),
        };
        words.push(plain);
    }
    let line = words.join(" ");
    match line.split_once("(Request ID: ") {
        Some((before, after)) => {
            format!("{before}(Request ID: …{}", after.split_once(')').map_or("", |(_, rest)| rest))
        }
        None => line,
    }
}

fn temporary() -> String {
    std::env::temp_dir().display().to_string()
}

const PREFACE: &str = "What people see in their terminals, each line as printed; frames of tracebacks are left out.\n";
