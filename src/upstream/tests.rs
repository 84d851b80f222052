//! What the whole adapter must hold, against hubs that behave and hubs that do not.

mod budget;
mod files;
mod lists;
mod owners;
mod places;
mod walk;

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use url::Url;

use super::{
    Limits, Settings, Trouble, Upstream,
    address::{Judge, Resolver, is_usable},
    stub::{Reply, Seen, Stub},
};
use crate::domain::{
    file::FilePath,
    name::RepoName,
    rev::{Commit, Rev},
};

const COMMIT: &str = "8334a21b8334a21b8334a21b8334a21b8334a21b";
const TOKEN: &str = "hf_secretsecretsecret";

/// Short enough for tests, long enough for a busy machine.
fn limits() -> Limits {
    Limits {
        headers: Duration::from_millis(1_500),
        idle: Duration::from_millis(400),
        json: Duration::from_secs(2),
        patience: Duration::from_secs(3),
        pause: Duration::from_millis(10),
        positive: Duration::from_millis(300),
        negative: Duration::from_millis(300),
        page_bytes: 100_000,
        list_pages: 5,
        list_entries: 50,
        ..Limits::default()
    }
}

/// Our own names, every one of them here; `rebind` and `inside` are where they must not be.
fn resolver(judge: Judge) -> Resolver {
    let address = |host: &str| -> IpAddr {
        match host {
            "rebind.hub.test" => [10, 0, 0, 1].into(),
            "metadata.hub.test" => [169, 254, 169, 254].into(),
            _ => [127, 0, 0, 1].into(),
        }
    };
    Resolver { lookup: Arc::new(move |host| Box::pin(async move { Ok(vec![address(&host)]) })), judge }
}

fn settings(hub: &Stub, path: &str) -> Settings {
    Settings {
        url: Url::parse(&hub.url(path)).unwrap(),
        token: Some(TOKEN.to_owned()),
        allow_hosts: vec!["127.0.0.1".to_owned()],
        allow_private_addresses: true,
        reserved_namespaces: vec!["Acme".to_owned()],
    }
}

fn upstream(hub: &Stub) -> Upstream {
    upstream_with(&settings(hub, ""), limits())
}

fn upstream_with(settings: &Settings, limits: Limits) -> Upstream {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Upstream::build(settings.clone(), resolver(is_usable), limits).unwrap()
}

fn name(text: &str) -> RepoName {
    RepoName::parse(text).unwrap()
}

fn commit() -> Commit {
    COMMIT.parse().unwrap()
}

fn path(text: &str) -> FilePath {
    FilePath::new(text).unwrap()
}

fn repo(id: &str) -> Value {
    json!({ "_id": "65f0", "id": id, "sha": COMMIT, "private": false, "gated": false, "siblings": [] })
}

fn not_found(code: &str) -> Reply {
    Reply::status(404).with("x-error-code", code).with("x-error-message", "not here").body("<html>secret</html>")
}

fn tells_no_secret(trouble: &Trouble) {
    let text = format!("{trouble} {trouble:?}");
    assert!(!text.contains("secret") && !text.contains('?') && !text.contains("html"), "{text}");
}
