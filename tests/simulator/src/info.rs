//! What the API tells of a repository: one object with the hub's own field names.
//!
//! The header of safetensors files is read, as the hub does; nothing else of a file's content is.

use serde_json::{Map, Value, json};

use crate::route::{flag, pairs};
use crate::store::{Commit, FileEntry, Gated, Kind, RepoState};

/// The object of `/api/{kind}/{id}` and `/revision/{rev}`.
pub(crate) fn repo_info(repo: &RepoState, commit: Option<&Commit>, query: &str) -> Value {
    let mut told = summary(repo);
    let head = repo.find_commit("main");
    told["author"] = json!(repo.owner());
    told["sha"] = json!(commit.map(|commit| &commit.sha));
    told["lastModified"] = json!(head.map_or(&repo.meta.created_at, |head| &head.date));
    told["disabled"] = json!(repo.meta.disabled);
    told["gated"] = gated(repo.meta.gated);
    if !repo.meta.card.is_null() {
        told["cardData"] = repo.meta.card.clone();
    }
    let blobs = flag(query, "blobs");
    let files = commit.iter().flat_map(|commit| &commit.files);
    told["siblings"] = files.map(|(path, file)| sibling(path, file, blobs)).collect();
    told["usedStorage"] = json!(commit.map_or(0, |commit| commit.files.values().map(|file| file.content.len()).sum()));
    if let (Kind::Models, Some(commit)) = (repo.kind, commit) {
        if let Some(config) = config(commit) {
            told["config"] = config;
        }
        if let Some(safetensors) = safetensors(commit) {
            told["safetensors"] = safetensors;
        }
    }
    if flag(query, "securityStatus") {
        let issues = repo.meta.issues.iter().map(|(path, level)| json!({ "path": path, "level": level }));
        told["securityRepoStatus"] =
            json!({ "scansDone": repo.meta.scans_done, "filesWithIssues": issues.collect::<Value>() });
    }
    only_expanded(told, query)
}

/// The shorter object of listings.
pub(crate) fn summary(repo: &RepoState) -> Value {
    let mut told = json!({
        "_id": repo.meta.internal_id,
        "id": repo.id,
        "private": repo.meta.private,
        "downloads": repo.meta.downloads,
        "likes": repo.meta.likes,
        "tags": repo.meta.tags,
        "createdAt": repo.meta.created_at,
    });
    if repo.kind == Kind::Models {
        told["modelId"] = json!(repo.id);
    }
    if let Some(name) = &repo.meta.library_name {
        told["library_name"] = json!(name);
    }
    if let Some(tag) = &repo.meta.pipeline_tag {
        told["pipeline_tag"] = json!(tag);
    }
    told
}

pub(crate) fn gated(gated: Gated) -> Value {
    match gated {
        Gated::No => json!(false),
        Gated::Auto => json!("auto"),
        Gated::Manual => json!("manual"),
    }
}

fn sibling(path: &str, file: &FileEntry, blobs: bool) -> Value {
    let mut told = json!({ "rfilename": path });
    if blobs {
        let size = file.content.len();
        told["size"] = json!(size);
        told["blobId"] = json!(file.blob_id());
        if file.lfs {
            told["lfs"] = json!({ "sha256": file.sha256(), "size": size, "pointerSize": file.pointer().len() });
        }
    }
    told
}

/// With `expand=` the hub tells the named fields and the ids, nothing else.
fn only_expanded(told: Value, query: &str) -> Value {
    let names: Vec<String> =
        pairs(query).into_iter().filter(|(name, _)| name == "expand" || name == "expand[]").map(|(_, v)| v).collect();
    match told {
        Value::Object(fields) if !names.is_empty() => {
            let kept = |name: &String| names.contains(name) || ["_id", "id", "modelId"].contains(&name.as_str());
            Value::Object(fields.into_iter().filter(|(name, _)| kept(name)).collect())
        }
        told => told,
    }
}

fn config(commit: &Commit) -> Option<Value> {
    let file = commit.files.get("config.json").filter(|file| file.content.len() < CONFIG_LIMIT)?;
    let config: Value = serde_json::from_slice(&file.content.read(0, usize::MAX)).ok()?;
    let mut told = Map::new();
    for name in ["architectures", "model_type", "auto_map", "quantization_config"] {
        if let Some(value) = config.get(name) {
            told.insert(name.to_owned(), value.clone());
        }
    }
    Some(Value::Object(told))
}

fn safetensors(commit: &Commit) -> Option<Value> {
    let mut parameters: Map<String, Value> = Map::new();
    for (_, file) in commit.files.iter().filter(|(path, _)| path.ends_with(".safetensors")) {
        let Some(Value::Object(header)) = safetensors_header(file) else { continue };
        for (_, tensor) in header.iter().filter(|(name, _)| *name != "__metadata__") {
            let (Some(dtype), Some(shape)) = (tensor["dtype"].as_str(), tensor["shape"].as_array()) else { continue };
            let count = shape.iter().filter_map(Value::as_u64).fold(1_u64, u64::saturating_mul);
            let sum = parameters.get(dtype).and_then(Value::as_u64).unwrap_or(0).saturating_add(count);
            parameters.insert(dtype.to_owned(), json!(sum));
        }
    }
    let total: u64 = parameters.values().filter_map(Value::as_u64).fold(0, u64::saturating_add);
    (!parameters.is_empty()).then(|| json!({ "parameters": parameters, "total": total }))
}

fn safetensors_header(file: &FileEntry) -> Option<Value> {
    let length = u64::from_le_bytes(file.content.read(0, 8).try_into().ok()?);
    let length = usize::try_from(length).ok().filter(|length| *length < HEADER_LIMIT)?;
    serde_json::from_slice(&file.content.read(8, length)).ok()
}

const CONFIG_LIMIT: u64 = 1 << 20;
const HEADER_LIMIT: usize = 10 << 20;
