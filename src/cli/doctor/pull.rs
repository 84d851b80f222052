//! A little pull, as a stock client does it: list the files, ask for the smallest one's head, take its first bytes.

use reqwest::{
    Method, Response, StatusCode,
    header::{CONTENT_LENGTH, ETAG, HeaderName, LOCATION, RANGE},
};
use serde_json::Value;

use super::{Report, checks::header};
use crate::{
    cli::api::{Api, Trouble, encode, segment, typed},
    domain::{
        name::RepoName,
        rev::{Rev, parse_revision},
    },
};

pub async fn try_one(api: &Api, revision: &str, report: &mut Report) {
    let Some((repo, rev)) = parse_revision(revision) else {
        return report.fail("pull", &format!("`{revision}` is no revision"), "write it as org/name@rev");
    };
    match pull(api, &repo, &rev).await {
        Ok(found) => report.good("pull", found),
        Err((found, next)) => report.fail("pull", &found, &next),
    }
}

/// What was wrong, and what to do next.
type Wrong = (String, String);

async fn pull(api: &Api, repo: &RepoName, rev: &Rev) -> Result<String, Wrong> {
    let (path, size) = smallest(api, repo, rev).await?;
    let file: Vec<String> = path.split('/').map(encode).collect();
    let address = format!("/{repo}/resolve/{}/{}", segment(rev), file.join("/"));
    let head = api.send(Method::HEAD, &address, &[], None).await.map_err(unheard)?;
    fine(&head, repo, rev)?;
    let length = header(&head, &CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if length != Some(size) {
        let length = length.map_or_else(|| "none".to_owned(), |n| n.to_string());
        return Err((format!("{path} has {size} bytes, but the Content-Length is {length}"), PROXY.to_owned()));
    }
    let range: &[(HeaderName, &'static str)] = if size > 0 { &[(RANGE, "bytes=0-1023")] } else { &[] };
    let mut body = api.send(Method::GET, &address, range, None).await.map_err(unheard)?;
    fine(&body, repo, rev)?;
    for name in [ETAG, COMMIT] {
        let (first, second) = (header(&head, &name), header(&body, &name));
        if first.is_none() || first != second {
            let shown = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
            let found = format!("{name} is {} with HEAD and {} with GET", shown(first), shown(second));
            return Err((found, PROXY.to_owned()));
        }
    }
    let wanted = if body.status() == StatusCode::PARTIAL_CONTENT { size.min(1024) } else { size };
    let mut taken = 0_u64;
    while taken < wanted.min(1024) {
        match body.chunk().await {
            Ok(Some(chunk)) => taken += chunk.len() as u64,
            Ok(None) => break,
            Err(_) => return Err((format!("the bytes of {path} broke off after {taken}"), PROXY.to_owned())),
        }
    }
    if taken < wanted.min(1024) {
        return Err((format!("only {taken} of {wanted} bytes of {path} came"), PROXY.to_owned()));
    }
    let commit = header(&head, &COMMIT).unwrap_or_default();
    Ok(format!("{path} of {repo}@{rev} ({commit}): head and first bytes agree, without a redirect"))
}

async fn smallest(api: &Api, repo: &RepoName, rev: &Rev) -> Result<(String, u64), Wrong> {
    let address = format!("/api/{}/tree/{}?recursive=true", typed(repo), segment(rev));
    let answer = api.send(Method::GET, &address, &[], None).await.map_err(unheard)?;
    fine(&answer, repo, rev)?;
    let entries: Value =
        answer.json().await.map_err(|_| ("the list of files cannot be read".to_owned(), PROXY.to_owned()))?;
    let files = entries
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| entry.get("type").and_then(Value::as_str) == Some("file"));
    let named = files.filter_map(|entry| Some((entry.get("size")?.as_u64()?, entry.get("path")?.as_str()?.to_owned())));
    // An empty file shows nothing; it is taken only when there is no other.
    let (size, path) = named
        .min_by_key(|(size, path)| (*size == 0, *size, path.clone()))
        .ok_or_else(|| ("the revision has no files".to_owned(), "try another revision".to_owned()))?;
    Ok((path, size))
}

fn fine(answer: &Response, repo: &RepoName, rev: &Rev) -> Result<(), Wrong> {
    let status = answer.status();
    if let Some(place) = header(answer, &LOCATION).filter(|_| status.is_redirection()) {
        return Err((format!("the gateway never redirects, but we were sent to {}", host(&place)), PROXY.to_owned()));
    }
    if status.is_success() {
        return Ok(());
    }
    let said = header(answer, &MESSAGE).unwrap_or_else(|| "no reason was given".to_owned());
    Err((format!("answered {}: {said}", status.as_u16()), format!("weighbridge request {repo}@{rev} --reason TEXT")))
}

/// Only the host: what follows can be a signed address.
fn host(place: &str) -> String {
    url::Url::parse(place)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "another path".to_owned())
}

fn unheard(trouble: Trouble) -> Wrong {
    (trouble.sentence, "try again; then look into the gateway's log".to_owned())
}

const PROXY: &str = "look at what stands between: something changes the gateway's answers";
const COMMIT: HeaderName = HeaderName::from_static("x-repo-commit");
const MESSAGE: HeaderName = HeaderName::from_static("x-error-message");
