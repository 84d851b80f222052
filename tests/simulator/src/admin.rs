//! The routes under `/-sim/`, by which a test in another process steers the hub. Described in the README.
//!
//! Never counted, never faulted, and not protected: the simulator listens on loopback.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::access::Token;
use crate::content::Content;
use crate::fault::Fault;
use crate::hub::Handle;
use crate::reply::Reply;
use crate::repo::{Push, Repo};
use crate::route::value;
use crate::sample::load_sample;
use crate::store::{Gated, Kind};

pub(crate) const PREFIX: &str = "/-sim/";

pub(crate) fn answer(hub: &Handle, method: &Method, path: &str, query: &str, body: &Bytes) -> Reply {
    let name = path.strip_prefix(PREFIX).unwrap_or(path).trim_end_matches('/');
    let told = match *method {
        Method::GET => read(hub, name, query),
        Method::POST => write(hub, name, body),
        Method::PUT if name == "file" => put_file(hub, query, body),
        Method::DELETE => delete(hub, name),
        _ => Err(NO_SUCH_ROUTE.to_owned()),
    };
    told.map_or_else(
        |message| {
            let mut reply = Reply::json(&json!({ "error": message }));
            reply.status = if message == NO_SUCH_ROUTE { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
            reply
        },
        |value| Reply::json(&value),
    )
}

fn read(hub: &Handle, name: &str, query: &str) -> Result<Value, String> {
    let contains = value(query, "contains").unwrap_or_default();
    match name {
        "state" => Ok(state(hub)),
        "faults" => {
            let told = hub.faults().into_iter().map(|(id, fault)| json!({ "id": id, "fault": fault }));
            Ok(told.collect())
        }
        "requests" => {
            let mut requests = hub.requests();
            let meant = |file: &Option<String>| file.as_ref().is_some_and(|file| file.contains(&contains));
            requests.retain(|seen| seen.path.contains(&contains) || meant(&seen.file));
            Ok(json!(requests))
        }
        "counters" => Ok(json!({
            "requests": hub.count(&contains),
            "body_bytes": hub.bytes_sent(&contains),
            "xet_leaks": hub.xet_leaks(),
            "cdn_saw_authorization": hub.cdn_saw_authorization(),
            "paths": hub.counts(&contains),
        })),
        _ => Err(NO_SUCH_ROUTE.to_owned()),
    }
}

fn write(hub: &Handle, name: &str, body: &Bytes) -> Result<Value, String> {
    match name {
        "faults" => Ok(json!({ "id": hub.fault(parse::<Fault>(body)?) })),
        "tokens" => {
            hub.add_token(parse::<Token>(body)?);
            Ok(json!({}))
        }
        "repos" => Ok(parse::<RepoForm>(body)?.apply(hub)),
        "commit" => parse::<CommitForm>(body)?.apply(hub),
        "ref" => {
            let form: RefForm = parse(body)?;
            let repo = form.repo.find(hub)?;
            match form.sha {
                Some(sha) => repo.set_ref(&form.full_ref, &sha),
                None => repo.delete_ref(&form.full_ref),
            };
            Ok(json!({}))
        }
        "rename" => {
            let form: RenameForm = parse(body)?;
            let renamed = form.repo.find(hub)?.rename(&form.to);
            if renamed { Ok(json!({})) } else { Err(format!("{}: the name is taken", form.to)) }
        }
        "delete" => {
            parse::<Which>(body)?.find(hub)?.delete();
            Ok(json!({}))
        }
        "reregister" => Ok(json!({ "_id": parse::<Which>(body)?.find(hub)?.reregister().internal_id() })),
        "settings" => {
            let form: SettingsForm = parse(body)?;
            if let Some(entries) = form.tree_page {
                hub.tree_page(Some(entries).filter(|entries| *entries > 0));
            }
            if let Some(ms) = form.signed_url_ttl_ms {
                hub.signed_url_ttl(Duration::from_millis(ms));
            }
            if let Some(offline) = form.offline {
                hub.offline(offline);
            }
            Ok(json!({}))
        }
        "expire-signed-urls" => {
            hub.expire_signed_urls();
            Ok(json!({}))
        }
        "reset" => {
            hub.reset_counters();
            Ok(json!({}))
        }
        "sample" => {
            load_sample(hub);
            Ok(json!({}))
        }
        _ => Err(NO_SUCH_ROUTE.to_owned()),
    }
}

/// One commit of one file, its bytes as they are.
fn put_file(hub: &Handle, query: &str, body: &Bytes) -> Result<Value, String> {
    let text = |name: &str| value(query, name);
    let kind =
        text("kind").map_or(Ok(Kind::Models), |kind| Kind::parse(&kind).ok_or(format!("{kind}: no such kind")))?;
    let id = text("id").ok_or("id: missing")?;
    let path = text("path").ok_or("path: missing")?;
    let branch = text("branch").unwrap_or_else(|| "main".into());
    let lfs = text("lfs").map(|lfs| lfs == "true");
    let push = hub.repo(kind, &id).commit(format!("Upload {path}")).on(branch);
    Ok(json!({ "sha": add(push, path, Content::bytes(body.clone()), lfs).push() }))
}

fn delete(hub: &Handle, name: &str) -> Result<Value, String> {
    match name.split_once('/') {
        None if name == "faults" => hub.clear_faults(),
        Some(("faults", id)) => hub.clear_fault(id.parse().map_err(|_| format!("{id}: not a fault's number"))?),
        Some(("tokens", token)) => hub.remove_token(token),
        _ => return Err(NO_SUCH_ROUTE.to_owned()),
    }
    Ok(json!({}))
}

fn state(hub: &Handle) -> Value {
    let kinds = [Kind::Models, Kind::Datasets, Kind::Spaces];
    let repos = kinds
        .into_iter()
        .flat_map(|kind| hub.store().list(kind))
        .map(|repo| json!({ "kind": repo.kind, "id": repo.id, "_id": repo.meta.internal_id, "refs": repo.refs }));
    let repos: Value = repos.collect();
    json!({ "hub": hub.url(), "cdn": hub.cdn_url(), "repos": repos })
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn add(push: Push, path: String, content: Content, lfs: Option<bool>) -> Push {
    match lfs {
        None => push.file(path, content),
        Some(true) => push.lfs(path, content),
        Some(false) => push.plain(path, content),
    }
}

/// Which repository; models if nothing is said.
#[derive(Deserialize)]
struct Which {
    #[serde(default = "models")]
    kind: Kind,
    id: String,
}

impl Which {
    fn find(&self, hub: &Handle) -> Result<Repo, String> {
        hub.find_repo(self.kind, &self.id).ok_or_else(|| format!("{}: no such repository", self.id))
    }
}

#[derive(Deserialize)]
struct RepoForm {
    #[serde(flatten)]
    repo: Which,
    private: Option<bool>,
    gated: Option<Gated>,
    disabled: Option<bool>,
    tags: Option<Vec<String>>,
    card: Option<Value>,
    library_name: Option<String>,
    pipeline_tag: Option<String>,
    downloads: Option<u64>,
    likes: Option<u64>,
    xet: Option<bool>,
    /// Path and level.
    security_issues: Option<Vec<(String, String)>>,
}

impl RepoForm {
    fn apply(self, hub: &Handle) -> Value {
        let repo = hub.repo(self.repo.kind, &self.repo.id);
        let meta = &mut repo.cell.lock().meta;
        self.private.into_iter().for_each(|private| meta.private = private);
        self.gated.into_iter().for_each(|gated| meta.gated = gated);
        self.disabled.into_iter().for_each(|disabled| meta.disabled = disabled);
        self.tags.into_iter().for_each(|tags| meta.tags = tags);
        self.card.into_iter().for_each(|card| meta.card = card);
        self.downloads.into_iter().for_each(|downloads| meta.downloads = downloads);
        self.likes.into_iter().for_each(|likes| meta.likes = likes);
        self.xet.into_iter().for_each(|xet| meta.xet = xet);
        self.security_issues.into_iter().for_each(|issues| meta.issues = issues.into_iter().collect());
        if self.library_name.is_some() {
            meta.library_name = self.library_name;
        }
        if self.pipeline_tag.is_some() {
            meta.pipeline_tag = self.pipeline_tag;
        }
        json!({ "_id": meta.internal_id })
    }
}

#[derive(Deserialize)]
struct CommitForm {
    #[serde(flatten)]
    repo: Which,
    title: Option<String>,
    branch: Option<String>,
    author: Option<String>,
    date: Option<String>,
    sha: Option<String>,
    #[serde(default)]
    files: Vec<FileForm>,
    #[serde(default)]
    remove: BTreeSet<String>,
}

/// A file, and one of the ways to say what is in it.
#[derive(Deserialize)]
struct FileForm {
    path: String,
    text: Option<String>,
    base64: Option<String>,
    generated: Option<Generated>,
    safetensors: Option<Generated>,
    zeros: Option<u64>,
    lfs: Option<bool>,
    /// A SHA-256 the hub claims instead of the true one; makes it an LFS file.
    claimed_sha256: Option<String>,
}

#[derive(Deserialize)]
struct Generated {
    seed: u64,
    len: u64,
}

impl FileForm {
    fn content(&self) -> Result<Content, String> {
        let bytes = self.base64.as_ref().map(|text| STANDARD.decode(text)).transpose();
        let bytes = bytes.map_err(|error| format!("{}: {error}", self.path))?;
        let content = bytes
            .map(Content::bytes)
            .or_else(|| self.text.clone().map(Content::from))
            .or_else(|| self.generated.as_ref().map(|made| Content::generated(made.seed, made.len)))
            .or_else(|| self.safetensors.as_ref().map(|made| Content::safetensors(made.seed, made.len)))
            .or_else(|| self.zeros.map(|len| Content::sparse(len, [])));
        content.ok_or_else(|| format!("{}: text, base64, generated, safetensors or zeros is needed", self.path))
    }
}

impl CommitForm {
    fn apply(self, hub: &Handle) -> Result<Value, String> {
        let repo = hub.repo(self.repo.kind, &self.repo.id);
        let mut push = repo.commit(self.title.unwrap_or_else(|| "Upload files".into()));
        for file in self.files {
            let content = file.content()?;
            push = match &file.claimed_sha256 {
                Some(sha256) => push.lfs_claiming(file.path, content, sha256),
                None => add(push, file.path, content, file.lfs),
            };
        }
        push = self.remove.into_iter().fold(push, Push::remove);
        push = self.branch.into_iter().fold(push, Push::on);
        push = self.author.into_iter().fold(push, Push::author);
        push = self.date.into_iter().fold(push, Push::date);
        push = self.sha.into_iter().fold(push, Push::sha);
        Ok(json!({ "sha": push.push() }))
    }
}

#[derive(Deserialize)]
struct RefForm {
    #[serde(flatten)]
    repo: Which,
    #[serde(rename = "ref")]
    full_ref: String,
    /// None deletes the ref.
    sha: Option<String>,
}

#[derive(Deserialize)]
struct RenameForm {
    #[serde(flatten)]
    repo: Which,
    to: String,
}

#[derive(Deserialize)]
struct SettingsForm {
    /// 0 for the hub's own.
    tree_page: Option<usize>,
    signed_url_ttl_ms: Option<u64>,
    offline: Option<bool>,
}

fn models() -> Kind {
    Kind::Models
}

const NO_SUCH_ROUTE: &str = "no such route; see the README of the simulator";
