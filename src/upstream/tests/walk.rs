//! A walk through everything, against the simulator: a hub that answers as the real one does.

use aws_lc_rs::digest::{SHA256, digest};
use weighbridge_simulator::{Content, Fault, Gated, Hub, Kind, Options, Token};

use super::*;

fn ask(hub: &Hub, token: Option<&str>) -> Upstream {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = Settings {
        url: Url::parse(hub.url()).unwrap(),
        token: token.map(str::to_owned),
        allow_hosts: vec!["127.0.0.1".to_owned()],
        allow_private_addresses: true,
        reserved_namespaces: vec![],
    };
    Upstream::build(settings, resolver(is_usable), limits()).unwrap()
}

async fn bytes(upstream: &Upstream, commit: &Commit, file: &str, from: u64) -> (u64, Result<Vec<u8>, Trouble>) {
    let mut download = upstream.open(&name("theirs/tiny"), commit, &path(file), from).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = download.next().await {
        match piece {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(trouble) => return (download.from, Err(trouble)),
        }
    }
    (download.from, Ok(bytes))
}

#[tokio::test]
async fn a_model_is_found_listed_and_fetched() {
    let hub = Hub::start(Options { tree_page: Some(2), ..Options::default() }).unwrap();
    let weights = Content::generated(7, 300_000);
    let model = hub.model("theirs/tiny");
    let push =
        model.commit("first").plain("config.json", Content::bytes("{}")).plain("a/naïve 模.txt", Content::bytes("x"));
    let sha = push.plain("empty.txt", Content::bytes("")).lfs("model.safetensors", weights.clone()).push();
    model.tag("v1.0", &sha);
    model.pull_request(1, &sha);
    let upstream = ask(&hub, None);

    let asked = name("Theirs/Tiny");
    let facts = upstream.repository(&asked).await.unwrap();
    assert_eq!((facts.name.to_string().as_str(), facts.gated, facts.private), ("theirs/tiny", None, false));
    let facts = upstream.revision(&facts.name, &Rev::new("refs/pr/1").unwrap()).await.unwrap();
    let commit = facts.commit.unwrap();
    assert_eq!(commit.as_str(), sha);
    assert_eq!(upstream.refs(&facts.name).await.unwrap().len(), 3);
    assert_eq!(upstream.commits(&facts.name, &Rev::main(), 10).await.unwrap()[0].commit, commit);
    let tree = upstream.tree(&facts.name, &commit).await.unwrap();
    assert_eq!(tree.len(), 4, "{tree:?}");
    for file in &tree {
        let (_, got) = bytes(&upstream, &commit, file.path.as_str(), 0).await;
        let got = got.unwrap();
        assert_eq!(got.len() as u64, file.size, "{}", file.path);
        if let Some(lfs) = file.id.lfs {
            assert_eq!(digest(&SHA256, &got).as_ref(), lfs.0);
        }
    }
    let (from, rest) = bytes(&upstream, &commit, "model.safetensors", 100_000).await;
    assert_eq!((from, rest.unwrap()), (100_000, weights.read(100_000, 200_000)));
    assert_eq!(upstream.search(asked.kind(), &[("search".to_owned(), "tiny".to_owned())]).await.unwrap().len(), 1);
    assert_eq!((hub.xet_leaks(), hub.cdn_saw_authorization()), (0, 0));

    hub.fault(Fault::cut_after(1_000));
    assert!(matches!(bytes(&upstream, &commit, "model.safetensors", 0).await.1, Err(Trouble::Unreachable(_))));
    assert!(model.rename("others/tiny"));
    hub.clear_faults();
    assert!(bytes(&upstream, &commit, "model.safetensors", 0).await.1.is_ok(), "a rename does not stop a known commit");
}

#[tokio::test]
async fn a_gated_model_needs_a_token_that_may() {
    let hub = Hub::start(Options::default()).unwrap();
    let sha = hub.model("theirs/gated").gated(Gated::Manual).push_file("config.json", Content::bytes("{}"));
    hub.add_token(Token::new("robot", "hf_good").may_read("theirs/gated"));
    hub.repo(Kind::Datasets, "theirs/hidden").private(true);
    let (asked, commit, file) = (name("theirs/gated"), sha.parse().unwrap(), path("config.json"));
    let (anonymous, robot, wrong) = (ask(&hub, None), ask(&hub, Some("hf_good")), ask(&hub, Some("hf_wrong")));
    assert_eq!(anonymous.repository(&asked).await.unwrap().gated.as_deref(), Some("manual"));
    assert!(matches!(anonymous.open(&asked, &commit, &file, 0).await.err(), Some(Trouble::Gated(_))));
    assert!(robot.open(&asked, &commit, &file, 0).await.is_ok());
    assert_eq!(robot.whoami().await.unwrap().as_deref(), Some("robot"));
    assert_eq!(wrong.repository(&asked).await.unwrap_err().to_string(), "The hub does not accept our token.");
    assert_eq!(anonymous.repository(&name("datasets/theirs/hidden")).await.err(), Some(Trouble::RepoNotFound));
    let missing = path("nope.json");
    assert_eq!(robot.open(&asked, &commit, &missing, 0).await.err(), Some(Trouble::EntryNotFound));
    let nowhere = Rev::new("nowhere").unwrap();
    assert_eq!(robot.revision(&asked, &nowhere).await.err(), Some(Trouble::RevisionNotFound));
    hub.fault(Fault::disconnect());
    let offline = robot.refs(&asked).await;
    assert!(matches!(offline, Err(Trouble::Unreachable(_))), "{offline:?}");
}
