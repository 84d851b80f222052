//! The hub door's endpoints and their handlers.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use http::Method;
use serde_json::{Value, json};

use super::{
    card, pull,
    shape::{self, Content, Detail, Entry, Walk},
    sql::{self, Stretch, Wish},
};
use crate::{
    app::App,
    domain::{
        pattern::{encode_path, encode_segment},
        refusal::{Code, Refusal},
        time::Micros,
        token::Class,
    },
    endpoint::{
        Endpoint,
        answer::{Either, Json, Text},
        endpoint,
        file::FileAnswer,
        input::{Asked, Form},
    },
    gate::{
        act::{
            Act, PullFile, ReadAccount, SearchCatalogue, SearchUpstream, ViewFolder, ViewMain, ViewRepository,
            ViewRevision,
        },
        grant::Granted,
        identity::Credential,
        object::Revision,
        resolve::repo_of,
    },
    upstream::Trouble,
};

/// Every path of the hub that is offered here.
pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    let (get, post) = (Method::GET, Method::POST);
    vec![
        // Who am I, and what is there: hf auth whoami, list_models.
        endpoint(get.clone(), "/api/whoami-v2", whoami),
        endpoint(post.clone(), "/api/validate-yaml", validate_yaml),
        endpoint(get.clone(), "/api/{kind}", search),
        endpoint(get.clone(), "/-/api/v1/upstream/{kind}", search_upstream),
        // Facts about a repository: model_info, snapshot_download, llama.cpp's first call.
        endpoint(get.clone(), "/api/{typed-repo}/revision/{rev}", revision_info),
        endpoint(get.clone(), "/api/{typed-repo}/tree/{rev}", tree),
        endpoint(get.clone(), "/api/{typed-repo}/tree/{rev}/{path..}", folder),
        endpoint(post, "/api/{typed-repo}/paths-info/{rev}", paths_info),
        endpoint(get.clone(), "/api/{typed-repo}/refs", refs),
        endpoint(get.clone(), "/api/{typed-repo}/commits/{rev}", commits),
        endpoint(get.clone(), "/api/{typed-repo}/auth-check", auth_check),
        // Files: everybody.
        endpoint(get.clone(), "/api/resolve-cache/{typed-repo}/{rev}/{path..}", resolve),
        endpoint(get.clone(), "/api/{typed-repo}", main_info),
        endpoint(get.clone(), "/{repo}/resolve/{rev}/{path..}", resolve),
        endpoint(get, "/{repo}/raw/{rev}/{path..}", raw),
    ]
}

async fn resolve(app: App, may: Granted<PullFile>, asked: Asked) -> Result<FileAnswer, Refusal> {
    pull::send(&app, may, &asked).await
}

/// What git holds: the pointer of an LFS file, the bytes of a plain one.
async fn raw(app: App, may: Granted<PullFile>, asked: Asked) -> Result<Either<FileAnswer, Text>, Refusal> {
    let file = may.object();
    if let Some(lfs) = file.id.lfs {
        let size = i64::try_from(file.size).unwrap_or(i64::MAX);
        let commit = Some(file.revision.commit.clone());
        return Ok(Either::Second(Text { text: shape::pointer_text(&lfs.to_string(), size), commit }));
    }
    pull::send(&app, may, &asked).await.map(Either::First)
}

async fn main_info(app: App, may: Granted<ViewMain>, asked: Asked) -> Result<Json, Refusal> {
    info(&app, &may, may.object(), &asked).await
}

async fn revision_info(app: App, may: Granted<ViewRevision>, asked: Asked) -> Result<Json, Refusal> {
    info(&app, &may, may.object(), &asked).await
}

async fn info<A: Act>(app: &App, may: &Granted<A>, at: &Revision, asked: &Asked) -> Result<Json, Refusal> {
    let detail = Detail { blobs: asked.flag("blobs"), security: asked.flag("securityStatus") };
    let key = format!("info {} {} {} {detail:?}", may.epoch(), may.environment(), at.id);
    if let Some(composed) = app.answers.find(&key) {
        return Ok(about(Json::composed(composed), at));
    }
    let mut files = sql::list_files(may, at).await?;
    let revoked = sql::list_revoked(may, at).await?;
    files.retain(|file| !revoked.contains(&file.path));
    let row = sql::find_revision(may, &at.id).await?;
    let repository = sql::find_repository(may, &at.repo.id).await?.ok_or_else(Refusal::not_found)?;
    let config = pull::small_file(app, may, at, "config.json").await;
    let card = pull::small_file(app, may, at, "README.md").await;
    let content = Content {
        config: config.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
        card: card.and_then(|bytes| card::front_matter(&String::from_utf8_lossy(&bytes))),
    };
    let answer = Json::new(&shape::info(&repository, at, row.as_ref(), &files, detail, content));
    app.answers.keep(key, answer.body());
    Ok(about(answer, at))
}

pub(super) async fn tree(app: App, may: Granted<ViewRevision>, asked: Asked) -> Result<Json, Refusal> {
    listing(&app, &may, may.object(), "", &asked).await
}

pub(super) async fn folder(app: App, may: Granted<ViewFolder>, asked: Asked) -> Result<Json, Refusal> {
    let folder = may.object();
    listing(&app, &may, &folder.revision, folder.path.as_str(), &asked).await
}

async fn listing<A: Act>(
    app: &App,
    may: &Granted<A>,
    at: &Revision,
    folder: &str,
    asked: &Asked,
) -> Result<Json, Refusal> {
    let (row, revoked) = (sql::find_revision(may, &at.id).await?, sql::list_revoked(may, at).await?);
    let limit = asked.query("limit").and_then(|n| n.parse::<usize>().ok()).unwrap_or(PAGE).clamp(1, PAGE);
    let cursor = asked.query("cursor").unwrap_or_default();
    let mut walk = Walk::new(folder, asked.flag("recursive"), &cursor, limit, &revoked);
    while let Some(ahead) = walk.ahead() {
        let files = sql::list_stretch(may, at, ahead, READ).await?;
        let at_end = (files.len() as u64) < READ;
        walk.take(files, at_end);
    }
    let (page, next) = walk.page();
    if page.is_empty() && !folder.is_empty() && cursor.is_empty() {
        let sentence = format!("{} has no folder {folder} at {}.", at.repo.name, at.commit);
        return Err(Refusal::new(Code::EntryNotFound, sentence).in_commit(at.commit.clone()));
    }
    let expand = asked.flag("expand");
    let values: Vec<Value> = page.iter().map(|entry| entry.to_json(at, row.as_ref(), expand)).collect();
    let answer = about(Json::new(&values), at);
    Ok(match next {
        Some(next) => answer.next(&next_page(app, at, folder, asked, &next, limit)),
        None => answer,
    })
}

/// The address of the next page, on this host, under our prefix.
fn next_page(app: &App, at: &Revision, folder: &str, asked: &Asked, last: &str, limit: usize) -> String {
    let name = &at.repo.name;
    let folder = if folder.is_empty() { String::new() } else { format!("/{}", encode_path(folder)) };
    format!(
        "{}/api/{}/{}/tree/{}{folder}?recursive={}&expand={}&limit={limit}&cursor={}",
        app.face.public_url,
        name.kind().word(),
        name.path(),
        at.commit,
        asked.flag("recursive"),
        asked.flag("expand"),
        encode_segment(last),
    )
}

pub(super) async fn paths_info(_: App, may: Granted<ViewRevision>, form: Form) -> Result<Json, Refusal> {
    let at = may.object();
    let wanted: BTreeSet<&str> = form.all("paths").map(|p| p.trim_matches('/')).filter(|p| !p.is_empty()).collect();
    if wanted.len() > MOST_PATHS {
        let sentence = format!("{} paths were asked about at once; {MOST_PATHS} are the most.", wanted.len());
        return Err(Refusal::new(Code::InputTooLarge, sentence).hint("Ask for the tree, or for fewer paths."));
    }
    let (row, revoked) = (sql::find_revision(&may, &at.id).await?, sql::list_revoked(&may, at).await?);
    let paths: Vec<&str> = wanted.iter().copied().collect();
    let files = sql::list_named(&may, at, &paths).await?;
    let mut found: BTreeMap<String, Entry> =
        files.into_iter().map(|file| (file.path.clone(), Entry::File(file))).collect();
    for path in wanted {
        if !found.contains_key(path) && is_folder(&may, at, path, &revoked).await? {
            found.insert(path.to_owned(), Entry::Folder(path.to_owned()));
        }
    }
    let expand = form.all("expand").any(|v| matches!(v, "true" | "True" | "1"));
    let there = found.values().filter(|entry| !revoked.contains(entry.path()));
    let values: Vec<Value> = there.map(|entry| entry.to_json(at, row.as_ref(), expand)).collect();
    Ok(about(Json::new(&values), at))
}

/// Whether anything that is served lies below this path.
async fn is_folder<A: Act>(
    may: &Granted<A>,
    at: &Revision,
    path: &str,
    revoked: &HashSet<String>,
) -> Result<bool, Refusal> {
    let hidden = revoked.iter().filter(|one| one.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))).count();
    let some = sql::list_stretch(may, at, &Stretch::below(path), hidden as u64 + 1).await?;
    Ok(some.iter().any(|file| !revoked.contains(&file.path)))
}

async fn refs(_: App, may: Granted<ViewRepository>, asked: Asked) -> Result<Json, Refusal> {
    let pointers = sql::list_pointers(&may, &may.object().id).await?;
    Ok(Json::new(&shape::refs(&pointers, asked.flag("include_prs"))))
}

async fn commits(_: App, may: Granted<ViewRevision>, (): ()) -> Result<Json, Refusal> {
    let at = may.object();
    let rows = sql::list_history(&may, at).await?;
    let author = at.repo.name.owner();
    let values: Vec<Value> = rows.iter().map(|row| shape::commit(row, author)).collect();
    Ok(about(Json::new(&values), at))
}

async fn auth_check(_: App, _: Granted<ViewRepository>, (): ()) -> Result<Json, Refusal> {
    Ok(Json::new(&json!({"ok": true})))
}

async fn whoami(app: App, may: Granted<ReadAccount>, (): ()) -> Result<Json, Refusal> {
    let actor = may.actor();
    let environments = app.gate.environments().iter().filter(|e| actor.reaches(&e.name));
    let orgs: Vec<Value> = environments
        .map(|e| json!({"type": "org", "id": e.name.as_str(), "name": e.name.as_str(), "fullname": e.name.as_str(), "isEnterprise": true}))
        .collect();
    let role = actor.role_words().join(",");
    let id = actor.person().map(|person| person.id.as_str()).or(actor.token_id());
    // Under this name stock clients keep the token: a person's tokens have names of their own.
    let token = match actor.credential() {
        Credential::Token { class: Class::Device, .. } => Some(format!("oauth-{}", actor.name())),
        Credential::Token { id, class: Class::Personal } => sql::find_token_name(&may, id).await?,
        _ => None,
    };
    let token = token.unwrap_or_else(|| actor.name().to_owned());
    Ok(Json::new(&json!({
        "type": "user", "id": id, "name": actor.name(), "fullname": actor.name(), "email": null,
        "emailVerified": false, "canPay": false, "isPro": false, "orgs": orgs,
        "auth": {"type": "access_token", "accessToken": {"displayName": token, "role": "read", "weighbridgeRole": role}},
    })))
}

/// Model cards are checked by clients before they are uploaded; nothing is uploaded here, so nothing is wrong with them.
async fn validate_yaml(_: App, _: Granted<ReadAccount>, _: Form) -> Result<Json, Refusal> {
    Ok(Json::new(&json!({"errors": [], "warnings": []})))
}

/// What is approved here.
async fn search(app: App, may: Granted<SearchCatalogue>, asked: Asked) -> Result<Json, Refusal> {
    let kind = may.object().0;
    let limit = asked.query("limit").and_then(|n| n.parse::<u64>().ok()).unwrap_or(100).clamp(1, 1000);
    let mut wish = Wish {
        kind,
        search: asked.query("search"),
        author: asked.query("author"),
        after: asked.query("cursor"),
        limit,
    };
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut shown = Vec::new();
    loop {
        let rows = sql::list_catalogue(&may, &wish).await?;
        wish.after = rows.last().map(|one| one.repository.name.clone()).filter(|_| rows.len() == most);
        for one in rows {
            // What is private at the hub is listed to those alone who may know of it; a cursor names only what was shown.
            let name = repo_of(one.repository.clone())?.name;
            if shown.len() < most && app.gate.may_know_of(may.actor(), may.environment(), &name).await? {
                shown.push(one);
            }
        }
        if shown.len() == most || wish.after.is_none() {
            break;
        }
    }
    let values: Vec<Value> = shown.iter().map(|one| shape::listed(kind, one)).collect();
    let answer = Json::new(&values);
    let Some(last) = shown.last().filter(|_| shown.len() == most) else { return Ok(answer) };
    let mut next = format!(
        "{}/api/{}?limit={limit}&cursor={}",
        app.face.public_url,
        kind.word(),
        encode_segment(&last.repository.name)
    );
    for (key, value) in [("search", &wish.search), ("author", &wish.author)] {
        if let Some(value) = value {
            next.extend(["&", key, "=", &encode_segment(value)]);
        }
    }
    Ok(answer.next(&next))
}

/// What the hub has: ids, dates and counts, marked as such.
async fn search_upstream(app: App, may: Granted<SearchUpstream>, asked: Asked) -> Result<Json, Refusal> {
    let kind = may.object().0;
    app.gate.may_ask_upstream(may.actor())?;
    let hits = app.upstream.search(kind, &asked.queries()).await.map_err(|trouble| match trouble {
        Trouble::Reserved => {
            Refusal::new(Code::ReservedName, "A namespace of this company is never asked for at the hub.")
        }
        other => {
            Refusal::new(Code::UpstreamUnreachable, format!("The hub could not be searched: {other}.")).retry_after(10)
        }
    })?;
    let time = |at: Option<Micros>| at.map(Micros::to_millis_text);
    let values: Vec<Value> = hits
        .iter()
        .map(|hit| {
            json!({
                "id": hit.name.path(), "author": hit.name.owner(), "lastModified": time(hit.last_modified),
                "createdAt": time(hit.created_at), "downloads": hit.downloads, "likes": hit.likes, "private": false,
                "tags": ["weighbridge:upstream"],
            })
        })
        .collect();
    Ok(Json::new(&values).header("x-weighbridge-source", "upstream".to_owned()))
}

/// Every answer about a revision says which commit, and what is known of the hub's.
fn about(answer: Json, at: &Revision) -> Json {
    at.upstream().fold(answer.commit(&at.commit), |answer, (name, value)| answer.header(name, value))
}

/// More than this in one answer is given out in pages. Some clients never ask for the second page, so it is large.
const PAGE: usize = 10_000;
/// Files read from the database at a time for such a page.
const READ: u64 = 2_000;
/// Paths that one question may name.
const MOST_PATHS: usize = 2_000;
