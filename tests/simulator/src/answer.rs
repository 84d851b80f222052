//! The hub's answers: from a parsed path to a reply.
//!
//! Never looks at faults, ranges or counters; and never reads the clock but to sign an address.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::access::Caller;
use crate::content::Content;
use crate::dates;
use crate::grants::disposition;
use crate::hub::Shared;
use crate::info::{gated, repo_info, summary};
use crate::owner::Owner;
use crate::reply::{Refusal, Reply, Wording};
use crate::route::{self, Ask, FileAt, Named, Route, flag, pairs, quote_whole, value};
use crate::store::{Commit, FileEntry, Found, Kind, RepoState};
use crate::tree::{Listing, Pages};

/// A request of the hub, its body read.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    /// Raw, without the query.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

pub(crate) fn answer(shared: &Shared, asked: &Asked<'_>) -> Reply {
    let json = asked.path.starts_with("/api/") && !asked.path.starts_with("/api/resolve-cache/");
    let wording = Wording { json, code_on_401: shared.options.code_on_401 };
    let route = route::parse(asked.path);
    if route == Route::Cas {
        // That storage has tokens of its own, and this one has nothing in it for anybody.
        return Refusal::NoSuchPage.reply(wording);
    }
    let told = shared.tokens.caller(asked.authorization).and_then(|caller| {
        let desk = Desk { shared, asked, caller };
        desk.answer(route)
    });
    told.unwrap_or_else(|refusal| refusal.reply(wording))
}

struct Desk<'a> {
    shared: &'a Shared,
    asked: &'a Asked<'a>,
    caller: Caller,
}

impl Desk<'_> {
    fn answer(&self, route: Route) -> Result<Reply, Refusal> {
        match route {
            Route::WhoAmI => self.who_am_i(),
            Route::Harnesses => Ok(Reply::json(&json!({ "harnesses": {} }))),
            Route::Overview { person, name } => self.overview(person, &name),
            Route::Listing(kind) => Ok(self.listing(kind)),
            Route::Api(named, ask) => self.api(&named, ask),
            Route::Resolve(named, at) => self.resolve(&named, &at),
            Route::ResolveCache(named, at) => self.resolve_cache(&named, &at),
            Route::Raw(named, at) => self.raw(&named, &at),
            Route::Cas | Route::Unknown => Err(Refusal::NoSuchPage),
        }
    }

    fn api(&self, named: &Named, ask: Ask) -> Result<Reply, Refusal> {
        let repo = self.find(named)?;
        if matches!(ask, Ask::AuthCheck) {
            self.caller.may_download(&repo)?;
            return Ok(Reply::text("OK"));
        }
        self.caller.may_look(&repo)?;
        match ask {
            Ask::Info { rev } => {
                // A repository without a commit has an object too; only its sha is null.
                let commit = if rev == "main" && repo.commits.is_empty() { None } else { Some(commit(&repo, &rev)?) };
                Ok(Reply::json(&repo_info(&repo, commit.map(AsRef::as_ref), self.asked.query)))
            }
            Ask::Tree { rev, path } => {
                let expand = flag(self.asked.query, "expand");
                let listing = Listing { repo: &repo, commit: commit(&repo, &rev)?, expand };
                let size = self.shared.tree_page().unwrap_or(if expand { 50 } else { 1000 });
                listing.tree(&path, &rev, &self.pages(size))
            }
            Ask::TreeSize { rev, path } => {
                Ok(Listing { repo: &repo, commit: commit(&repo, &rev)?, expand: false }.size(&path))
            }
            Ask::PathsInfo { rev } => {
                let (paths, expand) = self.wanted_paths()?;
                Ok(Listing { repo: &repo, commit: commit(&repo, &rev)?, expand }.paths_info(&paths))
            }
            Ask::Refs => Ok(Reply::json(&refs(&repo, flag(self.asked.query, "include_prs")))),
            Ask::Commits { rev } => Ok(self.commits(&repo, commit(&repo, &rev)?)),
            Ask::XetToken { rev } => {
                commit(&repo, &rev)?;
                Ok(self.xet_token())
            }
            Ask::AuthCheck | Ask::Other => Err(Refusal::NoSuchPage),
        }
    }

    fn resolve(&self, named: &Named, at: &FileAt) -> Result<Reply, Refusal> {
        let repo = self.find(named)?;
        let (commit, file) = self.file(&repo, at)?;
        let (kind, sha) = (repo.kind.as_str(), &commit.sha);
        let reply = if file.lfs {
            let address = self.shared.grants.sign(&repo, &at.path, file, self.shared.signed_url_ttl());
            let reply = Reply::redirect(StatusCode::FOUND, &format!("{}{address}", self.shared.cdn_url));
            if repo.meta.xet {
                let (hub, id, xet) = (&self.shared.hub_url, &repo.id, file.xet_hash());
                let link = format!(
                    "<{hub}/api/{kind}/{id}/xet-read-token/{sha}>; rel=\"xet-auth\", \
                     <{hub}/cas/v1/reconstructions/{xet}>; rel=\"xet-reconstruction-info\""
                );
                reply.with("x-xet-hash", xet).with("link", link)
            } else {
                reply
            }
        } else {
            let etag = quote_whole(&format!("\"{}\"", file.etag()));
            let (path, here) = (quote_whole(&at.path), quote_whole(self.asked.path));
            let id = &repo.id;
            let location = format!("/api/resolve-cache/{kind}/{id}/{sha}/{path}?{here}=&etag={etag}");
            Reply::redirect(StatusCode::TEMPORARY_REDIRECT, &location)
        };
        Ok(reply
            .with("x-repo-commit", sha)
            .with("x-linked-size", file.content.len().to_string())
            .with("x-linked-etag", format!("\"{}\"", file.etag()))
            .with("accept-ranges", "bytes")
            .with("content-disposition", disposition(&at.path)))
    }

    fn resolve_cache(&self, named: &Named, at: &FileAt) -> Result<Reply, Refusal> {
        let repo = self.find(named)?;
        let (commit, file) = self.file(&repo, at)?;
        Ok(Reply::file(file.content.clone(), "text/plain; charset=utf-8", file.etag())
            .with("x-repo-commit", &commit.sha)
            .with("content-disposition", disposition(&at.path)))
    }

    fn raw(&self, named: &Named, at: &FileAt) -> Result<Reply, Refusal> {
        let repo = self.find(named)?;
        let (commit, file) = self.file(&repo, at)?;
        let content = if file.lfs { Content::from(file.pointer()) } else { file.content.clone() };
        Ok(Reply::file(content, "text/plain; charset=utf-8", &file.blob_id()).with("x-repo-commit", &commit.sha))
    }

    /// A file of a commit, if the caller may have it.
    fn file<'r>(&self, repo: &'r RepoState, at: &FileAt) -> Result<(&'r Arc<Commit>, &'r FileEntry), Refusal> {
        self.caller.may_download(repo)?;
        let commit = commit(repo, &at.rev)?;
        let missing = || Refusal::EntryNotFound { commit: commit.sha.clone(), message: "Entry not found".into() };
        Ok((commit, commit.files.get(&at.path).ok_or_else(missing)?))
    }

    fn find(&self, named: &Named) -> Result<Arc<RepoState>, Refusal> {
        let found = self.shared.store().find(named.kind, &named.id);
        match found {
            Found::Here(repo) if self.caller.sees(&repo) => Ok(repo),
            Found::Elsewhere(id) => {
                let target = self.shared.store().find(named.kind, &id);
                if !matches!(&target, Found::Here(repo) if self.caller.sees(repo)) {
                    return Err(self.caller.not_found());
                }
                let mut location = named.path_with(&id);
                if !self.asked.query.is_empty() {
                    location = format!("{location}?{}", self.asked.query);
                }
                Err(Refusal::Moved(location))
            }
            Found::Here(_) | Found::Nowhere => Err(self.caller.not_found()),
        }
    }

    fn who_am_i(&self) -> Result<Reply, Refusal> {
        let token = self.caller.0.as_ref().ok_or(Refusal::Unauthenticated)?;
        Ok(Reply::json(&json!({
            "type": "user",
            "id": "0123456789abcdef01234567",
            "name": token.name,
            "fullname": token.name,
            "isPro": false,
            "orgs": [],
            "auth": { "type": "access_token", "accessToken": { "displayName": token.name, "role": "read" } },
        })))
    }

    fn listing(&self, kind: Kind) -> Reply {
        let query = self.asked.query;
        let lower = |name: &str| value(query, name).map(|text| text.to_lowercase());
        let (search, author) = (lower("search"), lower("author"));
        let filters: Vec<String> = pairs(query)
            .into_iter()
            .filter(|(name, _)| name == "filter")
            .flat_map(|(_, tags)| tags.split(',').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let mut repos = self.shared.store().list(kind);
        repos.retain(|repo| {
            self.caller.sees(repo)
                && search.as_ref().is_none_or(|search| repo.id.to_lowercase().contains(search))
                && author
                    .as_ref()
                    .is_none_or(|author| repo.owner().is_some_and(|owner| owner.to_lowercase() == *author))
                && filters.iter().all(|tag| repo.meta.tags.contains(tag))
        });
        let head_date = |repo: &RepoState| repo.find_commit("main").map(|head| head.date.clone());
        match value(query, "sort").as_deref() {
            Some("downloads") => repos.sort_by_key(|repo| std::cmp::Reverse(repo.meta.downloads)),
            Some("likes") => repos.sort_by_key(|repo| std::cmp::Reverse(repo.meta.likes)),
            Some("createdAt") => repos.sort_by_key(|repo| std::cmp::Reverse(repo.meta.created_at.clone())),
            Some("lastModified") => repos.sort_by_key(|repo| std::cmp::Reverse(head_date(repo))),
            _ => {}
        }
        let (page, link) = self.pages(1000).cut(repos);
        let full = flag(query, "full");
        let told = page.iter().map(|repo| {
            let head = repo.find_commit("main").map(AsRef::as_ref);
            if full {
                return repo_info(repo, head, "");
            }
            let mut told = summary(repo);
            told["author"] = json!(repo.owner());
            told["gated"] = gated(repo.meta.gated);
            told["lastModified"] = json!(head.map_or(&repo.meta.created_at, |head| &head.date));
            told
        });
        linked(Reply::json(&told.collect()), link)
    }

    fn overview(&self, person: bool, name: &str) -> Result<Reply, Refusal> {
        let models = self.shared.store().list(Kind::Models);
        let models =
            models.iter().filter(|repo| repo.owner().is_some_and(|owner| owner.eq_ignore_ascii_case(name))).count();
        let known = self.shared.owners.find(name);
        let owner = known.or_else(|| (models > 0).then(|| Owner::organisation(name))).ok_or(Refusal::NoSuchPage)?;
        if owner.is_person() == person { Ok(Reply::json(&owner.overview(models))) } else { Err(Refusal::NoSuchPage) }
    }

    fn commits(&self, repo: &RepoState, from: &Arc<Commit>) -> Reply {
        let parent = |commit: &&Arc<Commit>| commit.parent.as_ref().and_then(|sha| repo.commits.get(sha));
        let history: Vec<&Arc<Commit>> = std::iter::successors(Some(from), parent).collect();
        let total = history.len().to_string();
        let (page, link) = self.pages(50).cut(history);
        let told = page.into_iter().map(|commit| {
            json!({
                "id": commit.sha,
                "title": commit.title,
                "message": "",
                "date": commit.date,
                "authors": [{ "user": commit.author }],
            })
        });
        linked(Reply::json(&told.collect()), link).with("x-total-count", total)
    }

    fn xet_token(&self) -> Reply {
        let (token, cas) = ("xet-simulated", format!("{}/cas", self.shared.hub_url));
        let expires = dates::now_ms() / 1000 + 3600;
        Reply::json(&json!({ "accessToken": token, "casUrl": cas, "exp": expires }))
            .with("x-xet-access-token", token)
            .with("x-xet-cas-url", &cas)
            .with("x-xet-token-expiration", expires.to_string())
    }

    /// The body of paths-info: a form from Python, JSON from others.
    fn wanted_paths(&self) -> Result<(Vec<String>, bool), Refusal> {
        if self.asked.method != Method::POST {
            return Err(Refusal::NoSuchPage);
        }
        if let Ok(body) = serde_json::from_slice::<Value>(self.asked.body) {
            let paths = body["paths"].as_array().ok_or(Refusal::BadRequest("paths: a list is needed"))?;
            let paths = paths.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            return Ok((paths, body["expand"].as_bool().unwrap_or(false)));
        }
        let form = String::from_utf8_lossy(self.asked.body).into_owned();
        let expand = flag(&form, "expand");
        let paths = pairs(&form).into_iter().filter(|(name, _)| name == "paths").map(|(_, path)| path);
        Ok((paths.collect(), expand))
    }

    fn pages(&self, default_size: usize) -> Pages<'_> {
        let address = format!("{}{}", self.shared.hub_url, self.asked.path);
        Pages { address, query: self.asked.query, default_size }
    }
}

fn commit<'a>(repo: &'a RepoState, rev: &str) -> Result<&'a Arc<Commit>, Refusal> {
    repo.find_commit(rev).ok_or_else(|| Refusal::RevisionNotFound(rev.to_owned()))
}

fn refs(repo: &RepoState, with_pull_requests: bool) -> Value {
    let under = |prefix: &str| -> Value {
        let meant = repo.refs.iter().filter_map(|(full, sha)| full.strip_prefix(prefix).map(|name| (name, full, sha)));
        meant.map(|(name, full, sha)| json!({ "name": name, "ref": full, "targetCommit": sha })).collect()
    };
    let mut told = json!({
        "branches": under("refs/heads/"),
        "converts": under("refs/convert/"),
        "tags": under("refs/tags/"),
    });
    if with_pull_requests {
        told["pullRequests"] = under("refs/pr/");
    }
    told
}

fn linked(reply: Reply, link: Option<String>) -> Reply {
    match link {
        Some(link) => reply.with("link", link),
        None => reply,
    }
}
