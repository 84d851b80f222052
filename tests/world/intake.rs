//! From the first request to a verdict, with nobody touching the gateway: what rules let through, hide and refuse.

use std::time::{Duration, Instant};

use serde_json::json;
use weighbridge_simulator::{
    Content, Fault, Side,
    weights::{Tensor, safetensors, torch},
};

use crate::{
    stock::{Desk, HUBS, Ran, TRANSFORMERS},
    wire::{client, patient},
    world::{World, WorldOptions},
};

/// A pickle that runs a command, a harmless one.
const EVIL: &[u8] = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x09echo gone\x85R.";

async fn guarded(sample: bool) -> World {
    let settings = vec![("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned())];
    World::start(WorldOptions { sample, settings, ..WorldOptions::default() }).await
}

#[tokio::test]
async fn a_clean_model_works_at_the_first_download() {
    for venv in HUBS {
        let world = guarded(true).await;
        let desk = Desk::new(&world).await;
        let ran = desk.hf(venv, &["download", "gpt2"]).await.good();
        assert!(!ran.all().contains("403"), "{venv}: {}", ran.all());
        world.ledger_is_whole().await;
        world.nothing_leaked();
    }
}

#[tokio::test]
async fn transformers_and_the_rust_client_wait_for_the_verdict_too() {
    let world = guarded(true).await;
    let code = "from transformers import AutoConfig\nprint(AutoConfig.from_pretrained('gpt2').model_type)";
    let ran = Desk::new(&world).await.python(TRANSFORMERS, code).await.good();
    assert!(ran.out.contains("gpt2"), "{}", ran.all());
    let world = guarded(true).await;
    Desk::new(&world).await.rust(&["tokio", "model", "gpt2", "main", "config.json"]).await.good();
}

/// One malicious file refuses everything beside it, in every client, with the rule in the terminal.
#[tokio::test]
async fn a_malicious_file_refuses_its_whole_revision() {
    let world = guarded(false).await;
    let push = world.hub.model("acme/both").commit("Add").file("config.json", "{}");
    push.lfs("model.safetensors", Content::safetensors(1, 10_000)).lfs("model.pkl", EVIL).push();
    // The reason, the decision's id and the link, in each terminal.
    let told = |who: &str, ran: Ran, fails: bool| {
        let said = ran.all();
        assert!(!fails || ran.code != 0, "{who}: {said}");
        for word in ["acme/both@main is denied in research: W-001", "Decision 0", "/-/r/0"] {
            assert!(said.contains(word), "{who} lacks `{word}`: {said}");
        }
    };
    for venv in HUBS {
        let desk = Desk::new(&world).await;
        told(venv, desk.hf(venv, &["download", "acme/both"]).await, true);
        let code = "from huggingface_hub import hf_hub_download\nhf_hub_download('acme/both', 'model.safetensors')";
        told(venv, desk.python(venv, code).await, true);
    }
    let desk = Desk::new(&world).await;
    let code = "from transformers import AutoConfig\nAutoConfig.from_pretrained('acme/both')";
    told("transformers", desk.python(TRANSFORMERS, code).await, true);
    for way in ["tokio", "sync"] {
        told(way, desk.rust(&[way, "model", "acme/both", "main", "model.safetensors"]).await, true);
    }
    told("curl", desk.curl(&["-L"], "/acme/both/resolve/main/model.safetensors").await, false);
    let token = world.developer().await;
    for path in ["config.json", "model.safetensors", "model.pkl"] {
        let reply = world.get(&format!("/acme/both/resolve/main/{path}"), &token).await;
        assert_eq!((reply.status, reply.header("x-error-code")), (403, "GatedRepo"), "{path}: {}", reply.text());
        assert!(reply.text().contains("W-001") && reply.text().contains("/-/r/"), "{path}: {}", reply.text());
    }
    let reviewer = world.token("reviewer", "").await;
    let words = ["approve", "acme/both@main", "--reason", "please", "--env", "research", "--yes"];
    let ran = world.api_command(&words, &reviewer).await;
    assert!(ran.code == 1 && ran.all().contains("denies"), "{}", ran.all());
}

/// The pickle that safetensors stand for disappears from every listing, and says why when it is named.
#[tokio::test]
async fn a_pickle_with_a_safe_twin_is_hidden() {
    let world = guarded(true).await;
    for venv in HUBS {
        let steps = json!([{ "do": "snapshot", "repo": "acme/twins" }]);
        let seen = Desk::new(&world).await.steps(venv, &steps).await;
        let files = seen[0]["value"]["files"].as_object().unwrap_or_else(|| panic!("{venv}: {}", seen[0]));
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["README.md", "config.json", "model.safetensors"], "{venv}");
    }
    let token = world.developer().await;
    let listed = world.get("/api/models/acme/twins/tree/main?recursive=true", &token).await;
    assert!(!listed.text().contains("pytorch_model.bin"), "{}", listed.text());
    let info = world.get("/api/models/acme/twins", &token).await;
    assert!(!info.text().contains("pytorch_model.bin"), "{}", info.text());
    let named = world.get("/acme/twins/resolve/main/pytorch_model.bin", &token).await;
    assert!(named.status == 403 && named.text().contains("W-005"), "{}: {}", named.status, named.text());
    let raw = world.get("/acme/twins/raw/main/pytorch_model.bin", &token).await;
    assert_eq!(raw.status, 403, "{}", raw.text());
}

/// What is left without the pickle is a whole model: its parts load where people load them.
#[tokio::test]
async fn a_model_without_its_pickle_loads() {
    let world = guarded(false).await;
    let numbers = Content::generated(5, 4 * 6);
    let pickle = torch(&[Tensor::new("weight", 0, &[2, 3])], &[("Float", 4, numbers.clone())], Some("little"));
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": { "[UNK]": 0, "hello": 1, "world": 2 }, "unk_token": "[UNK]" },
    });
    let push = world.hub.model("acme/pair").commit("Add").file("config.json", r#"{"model_type": "bert"}"#);
    let push = push.file("tokenizer.json", tokenizer.to_string());
    let push = push.file("tokenizer_config.json", r#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#);
    let push = push.lfs("model.safetensors", safetensors(&[("weight", "F32", &[2, 3], numbers)]));
    push.lfs("pytorch_model.bin", pickle).push();
    let code = "import os\nfrom huggingface_hub import snapshot_download\nfrom safetensors.numpy import load_file\n\
                from transformers import AutoConfig, AutoTokenizer\n\
                there = snapshot_download('acme/pair')\nprint(sorted(os.listdir(there)))\n\
                print(load_file(there + '/model.safetensors')['weight'].shape)\n\
                print(AutoConfig.from_pretrained('acme/pair').model_type)\n\
                print(AutoTokenizer.from_pretrained('acme/pair')('hello world')['input_ids'])";
    let ran = Desk::new(&world).await.python(TRANSFORMERS, code).await.good();
    let files = "['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']";
    for line in [files, "(2, 3)", "bert", "[1, 2]"] {
        assert!(ran.out.lines().any(|said| said == line), "no {line} in {}", ran.all());
    }
}

/// Other numbers under the same names are somebody's to look at.
#[tokio::test]
async fn a_pickle_with_other_numbers_is_not_hidden() {
    let world = guarded(false).await;
    let pickle = |seed| torch(&[Tensor::new("w", 0, &[6])], &[("Float", 4, Content::generated(seed, 24))], None);
    let push = world.hub.model("acme/unlike").commit("Add").file("config.json", "{}");
    let push = push.lfs("model.safetensors", safetensors(&[("w", "F32", &[6], Content::generated(1, 24))]));
    push.lfs("pytorch_model.bin", pickle(2)).push();
    let token = world.developer().await;
    let reply = world.get("/api/models/acme/unlike", &token).await;
    assert!(reply.status == 403 && reply.text().contains("W-005"), "{}: {}", reply.status, reply.text());
    let findings = world.query_text("SELECT body FROM report WHERE path = 'pytorch_model.bin'").await;
    assert!(findings[0].contains("WB-TWIN-001"), "{findings:?}");
}

#[tokio::test]
async fn malware_pushed_to_an_approved_main_reaches_nobody() {
    let world = guarded(false).await;
    let model = world.hub.model("acme/moving");
    let good =
        model.commit("Add").file("config.json", "{}").lfs("model.safetensors", Content::safetensors(1, 9)).push();
    let token = world.developer().await;
    let main = |reply: crate::wire::Reply| reply.json()["sha"].as_str().map(str::to_owned);
    assert_eq!(main(world.get("/api/models/acme/moving", &token).await), Some(good.clone()));
    let bad = model.commit("Improve").lfs("model.pkl", EVIL).push();
    assert_eq!(world.get(&format!("/api/models/acme/moving/revision/{bad}"), &token).await.status, 403);
    let reply = world.get("/api/models/acme/moving", &token).await;
    assert_eq!(main(reply), Some(good.clone()), "main stays where it was approved");
    for venv in HUBS {
        let seen = Desk::new(&world).await.steps(venv, &json!([{ "do": "snapshot", "repo": "acme/moving" }])).await;
        let files = seen[0]["value"]["files"].as_object().unwrap_or_else(|| panic!("{venv}: {}", seen[0]));
        assert!(!files.contains_key("model.pkl"), "{venv}: {}", seen[0]);
    }
}

/// Ten gigabytes of which nobody has asked for a byte yet: judged by the header.
#[tokio::test]
async fn ten_gigabytes_have_their_verdict_after_a_hundredth_of_their_bytes() {
    let world = guarded(false).await;
    let weights = Content::safetensors(1, 10 << 30);
    world
        .hub
        .model("acme/huge")
        .commit("Add")
        .file("config.json", "{}")
        .lfs("model.safetensors", weights.clone())
        .push();
    let began = Instant::now();
    let reply = world.get("/api/models/acme/huge/revision/main", &world.developer().await).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let took = began.elapsed();
    let fetched = world.fetched("model.safetensors");
    assert!(fetched < weights.len() / 100, "{fetched} bytes were fetched");
    assert!(took < Duration::from_secs(30), "the verdict took {took:?}");
    // And whoever pulls it reads the first bytes while most of the others are still at the hub.
    let url = format!("{}/acme/huge/resolve/main/model.safetensors", world.url());
    let asked = client().get(url).bearer_auth(world.developer().await).send().await;
    let mut reply = asked.unwrap();
    assert_eq!((reply.status().as_u16(), reply.content_length()), (200, Some(weights.len())));
    let first = reply.chunk().await.unwrap().unwrap();
    assert_eq!(weights.read(0, first.len()), first);
    let fetched = world.fetched("model.safetensors");
    assert!(fetched < weights.len() / 2, "{fetched} bytes were fetched before the first one came");
}

/// Datasets and spaces go the same way: rows are data that nothing runs, and an app is code that somebody looks at.
#[tokio::test]
async fn datasets_and_spaces_go_the_same_way() {
    let world = guarded(true).await;
    for venv in HUBS {
        let ran = Desk::new(&world).await.hf(venv, &["download", "acme/rows", "--repo-type", "dataset"]).await.good();
        assert!(!ran.all().contains("403"), "{venv}: {}", ran.all());
    }
    let app = Desk::new(&world).await.hf(HUBS[2], &["download", "acme/app", "--repo-type", "space"]).await;
    assert!(app.code != 0 && app.all().contains("spaces/acme/app@main waits for a review"), "{}", app.all());
    world.approve("spaces/acme/app@main").await;
    Desk::new(&world).await.hf(HUBS[2], &["download", "acme/app", "--repo-type", "space"]).await.good();
    let evil = world.hub.dataset("acme/trap").commit("Add").file("rows.csv", "a,b\n1,2\n");
    evil.lfs("rows.pkl", EVIL).push();
    let refused = Desk::new(&world).await.hf(HUBS[2], &["download", "acme/trap", "--repo-type", "dataset"]).await;
    assert!(refused.code != 0 && refused.all().contains("W-001"), "{}", refused.all());
    world.ledger_is_whole().await;
}

/// What was inspected and what is fetched afterwards must be the same bytes.
#[tokio::test]
async fn bytes_that_change_after_their_inspection_stop_the_revision() {
    let world = guarded(false).await;
    let weights = Content::safetensors(1, 3_000_000);
    world.hub.model("acme/liar").commit("Add").lfs("model.safetensors", weights).push();
    let token = world.developer().await;
    assert_eq!(world.get("/api/models/acme/liar", &token).await.status, 200);
    world.hub.fault(Fault::flip_byte(2_000_000).on("model.safetensors").side(Side::Cdn));
    let url = format!("{}/acme/liar/resolve/main/model.safetensors", world.url());
    // Some of it may have left before that was known, never all of it; and then it is refused.
    let mut reply = patient(&url, &token, &[]).await;
    while reply.is_err() {
        reply = patient(&url, &token, &[]).await;
    }
    let reply = reply.unwrap();
    assert!(matches!(reply.status, 403 | 404), "{}: {}", reply.status, reply.text());
    assert_eq!(world.get("/api/models/acme/liar", &token).await.status, 404, "by name it is gone");
    assert_eq!(world.query_text("SELECT state FROM standing WHERE environment = 'research'").await, ["suspended"]);
    world.ledger_is_whole().await;
}

/// A review wants a person, and after that person nothing more: the same command then works.
#[tokio::test]
async fn what_waits_for_a_review_is_served_once_somebody_approved_it() {
    let world = guarded(false).await;
    let push = world.hub.model("acme/pickled").commit("Add").file("config.json", "{}");
    push.lfs("weights.pkl", b"\x80\x04]\x94(K\x01K\x02e.".as_slice()).push();
    let token = world.developer().await;
    let reply = world.get("/api/models/acme/pickled", &token).await;
    assert!(reply.status == 403 && reply.text().contains("W-005"), "{}: {}", reply.status, reply.text());
    world.approve("acme/pickled@main").await;
    Desk::new(&world).await.hf(HUBS[HUBS.len() - 1], &["download", "acme/pickled"]).await.good();
}

/// A later commit that changes nothing but words needs nobody; one that touches the head of the card does.
#[tokio::test]
async fn only_prose_that_changed_needs_no_second_approval() {
    let settings = vec![
        ("WEIGHBRIDGE_ADMISSION__PROFILE", "guarded".to_owned()),
        ("WEIGHBRIDGE_ADMISSION__PUBLISHERS__VERIFIED", "acme".to_owned()),
    ];
    let world = World::start(WorldOptions { sample: false, settings, ..WorldOptions::default() }).await;
    let mut array = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }".to_vec();
    array.resize(127, b' ');
    array.extend_from_slice(b"\n\0\0\x80\x3f\0\0\0\x40");
    let repo = world.hub.model("acme/array");
    let card = |license: &str, words: &str| format!("---\nlicense: {license}\n---\n# {words}\n");
    let old = "2026-01-01T00:00:00.000Z";
    let first = repo.commit("Add").date(old).file("array.npy", array).file("README.md", card("mit", "An array")).push();
    let token = world.developer().await;
    let reply = world.get("/api/models/acme/array", &token).await;
    assert!(reply.status == 403 && reply.text().contains("W-000"), "{}: {}", reply.status, reply.text());
    world.approve("acme/array@main").await;
    let words = repo.commit("Words").date(old).file("README.md", card("mit", "An array of two numbers")).push();
    let told = world.get(&format!("/api/models/acme/array/revision/{words}"), &token).await;
    assert_eq!(told.status, 200, "{}", told.text());
    let sql = "SELECT rules FROM standing WHERE decided_by = 'rule' AND state = 'approved'";
    assert_eq!(world.query_text(sql).await, ["W-021"]);
    for (path, text) in [("README.md", card("apache-2.0", "An array")), ("config.json", "{}".to_owned())] {
        let other = repo.commit("More").date(old).file(path, text).push();
        let told = world.get(&format!("/api/models/acme/array/revision/{other}"), &token).await;
        assert_eq!(told.status, 403, "{path}: {}", told.text());
    }
    // It stands as long as what it rests on, also when it is asked again, and not longer.
    let ends = "SELECT DISTINCT CAST(expires_at AS TEXT) FROM standing WHERE state = 'approved'";
    assert_eq!(world.query_text(ends).await.len(), 1);
    assert_eq!(world.get("/api/models/acme/array", &token).await.status, 200);
    let reviewer = world.token("reviewer", "").await;
    let first = format!("acme/array@{first}");
    let revoke = ["revoke", &first, "--reason", "no more", "--env", "research", "--yes"];
    world.api_command(&revoke, &reviewer).await.good();
    let again = repo.commit("Words").date(old).file("README.md", card("mit", "Two numbers")).push();
    let told = world.get(&format!("/api/models/acme/array/revision/{again}"), &token).await;
    assert_eq!(told.status, 403, "{}", told.text());
}

/// What people approved before there was a scan is looked at first, and then is a request.
#[tokio::test]
async fn an_approval_from_before_the_scan_becomes_a_request() {
    let mut world = guarded(false).await;
    let push = world.hub.model("acme/old").commit("Add").file("config.json", "{}");
    push.lfs("weights.pkl", b"\x80\x04]\x94(K\x01K\x02e.".as_slice()).push();
    world.approve("acme/old@main").await;
    let token = world.developer().await;
    assert_eq!(world.get("/api/models/acme/old", &token).await.status, 200);
    // As the migration leaves it.
    world.kill();
    world.change_row("UPDATE standing SET state = 'undecided' WHERE environment = 'research'").await;
    world.change_row("DELETE FROM report WHERE path = 'weights.pkl'").await;
    world.change_row("DELETE FROM knowledge").await;
    world.restart().await;
    let reply = world.get("/api/models/acme/old", &token).await;
    assert!(reply.status == 403 && reply.text().contains("W-005"), "{}: {}", reply.status, reply.text());
    let requests = world.query_text("SELECT reason FROM request WHERE state = 'open'").await;
    assert_eq!(requests, ["It was approved before files were scanned."]);
}

/// A hub that breaks off is tried again, and until then nothing is said that is not known.
#[tokio::test]
async fn what_cannot_be_inspected_is_not_judged_and_says_why() {
    let world = guarded(false).await;
    world.hub.model("acme/cut").commit("Add").lfs("model.safetensors", Content::safetensors(1, 5_000)).push();
    world.hub.fault(Fault::status(404).on("model.safetensors"));
    let token = world.developer().await;
    let reply = world.get("/api/models/acme/cut", &token).await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert!(reply.text().contains("could not be inspected"), "{}", reply.text());
}

/// A tag that is put on what is approved already means it as soon as somebody asks for the tag.
#[tokio::test]
async fn a_new_name_of_an_approved_commit_is_served() {
    let world = guarded(false).await;
    let model = world.hub.model("acme/tagged");
    let commit = model.commit("Add").file("config.json", "{}").push();
    let token = world.developer().await;
    assert_eq!(world.get("/api/models/acme/tagged", &token).await.status, 200);
    model.tag("v1.0", &commit);
    let began = Instant::now();
    let reply = world.get("/api/models/acme/tagged/revision/v1.0", &token).await;
    assert_eq!((reply.status, reply.json()["sha"].as_str()), (200, Some(commit.as_str())), "{}", reply.text());
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
}

/// A verdict that was written down and not decided about, because the process died in between, is decided about before
/// anything of the file leaves.
#[tokio::test]
async fn a_verdict_without_its_decision_serves_nothing() {
    let mut world = guarded(false).await;
    let push = world.hub.model("acme/torn").commit("Add").file("config.json", "{}");
    push.lfs("model.safetensors", Content::safetensors(1, 9_000)).push();
    let token = world.developer().await;
    assert_eq!(world.get("/api/models/acme/torn", &token).await.status, 200);
    world.kill();
    world.change_row("UPDATE report SET verdict = 'malicious', stage = 'inspected' WHERE path = 'config.json'").await;
    world.restart().await;
    // It is decided while somebody waits: that answer is a refusal, or a connection that is cut.
    let url = format!("{}/acme/torn/resolve/main/model.safetensors", world.url());
    let reply = crate::wire::ask("GET", &url, &token, &[]).await;
    assert!(reply.as_ref().map_or(true, |reply| reply.status >= 400), "{:?}", reply.map(|reply| reply.status));
    assert!(world.get("/acme/torn/resolve/main/model.safetensors", &token).await.status >= 400);
    assert!(world.get("/acme/torn/resolve/main/config.json", &token).await.status >= 400);
}
