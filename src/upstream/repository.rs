//! The hub's questions and answers: repositories, revisions, lists of files, refs, commits, searches.
//!
//! A redirect is followed by name: where it leads is read as a repository's name on the same hub, and that name is
//! asked for afresh. Never follows a URL, and never asks about a reserved namespace, not even after a rename.

use std::{collections::HashSet, sync::Arc};

use serde::{Deserialize, de::DeserializeOwned};
use url::form_urlencoded::Serializer;

use super::{
    CommitFact, Inner, RefFact, RepoFacts, SearchHit, TreeFile, Trouble, Upstream,
    answer::Asking,
    ask::{Answer, Page},
    budget::Lane,
    facts::{RawCommit, RawEntry, RawHit, RawRefs, RawRepo},
    recall::Absent,
    trouble::visible,
};
use crate::domain::{
    name::{RepoKind, RepoName},
    pattern::encode_segment,
    rev::{Commit, Rev},
};

impl Upstream {
    /// What the hub says of a repository; `name` in the answer is the canonical one.
    pub async fn repository(&self, name: &RepoName) -> Result<RepoFacts, Trouble> {
        self.0.facts(name, None).await
    }

    /// The same of one revision; `commit` is always there.
    pub async fn revision(&self, name: &RepoName, rev: &Rev) -> Result<RepoFacts, Trouble> {
        self.0.facts(name, Some(rev)).await
    }

    /// Whoever asks next hears what the hub says then, and not what it said a moment ago.
    pub async fn forget(&self, name: &RepoName, rev: Option<&Rev>) {
        self.0.recall.forget(name, rev).await;
    }

    /// Every file of a commit, complete or not at all.
    pub async fn tree(&self, name: &RepoName, commit: &Commit) -> Result<Vec<TreeFile>, Trouble> {
        let tail = format!("/tree/{commit}");
        let entries = self.0.list::<RawEntry>(name, &tail, "recursive=true&expand=false", usize::MAX).await?;
        let mut files = Vec::with_capacity(entries.len());
        let mut seen = HashSet::with_capacity(entries.len());
        for file in entries.into_iter().filter_map(|e| e.read().transpose()) {
            let file = file?;
            if !seen.insert(file.path.clone()) {
                let path = visible(file.path.as_str(), 200);
                return Err(Trouble::Unexpected(format!("The hub lists a file twice: {path}.")));
            }
            files.push(file);
        }
        Ok(files)
    }

    /// Branches, tags, conversions and proposals, each with its commit.
    pub async fn refs(&self, name: &RepoName) -> Result<Vec<RefFact>, Trouble> {
        let (_, page) = self.0.named::<RawRefs>(name, "/refs", Some("include_prs=1")).await?;
        Ok(page.value.read())
    }

    /// The history that leads to `rev`, newest first, at most `most` of it.
    pub async fn commits(&self, name: &RepoName, rev: &Rev, most: usize) -> Result<Vec<CommitFact>, Trouble> {
        let tail = format!("/commits/{}", encode_segment(rev.as_str()));
        let mut commits = self.0.list::<RawCommit>(name, &tail, "", most).await?;
        commits.truncate(most);
        commits.into_iter().map(RawCommit::read).collect()
    }

    /// One page of a search. Keys that the hub's own search does not have are left out; hits of reserved namespaces
    /// are somebody else's and left out too.
    pub async fn search(&self, kind: RepoKind, query: &[(String, String)]) -> Result<Vec<SearchHit>, Trouble> {
        let mut limit = SEARCH_PAGE;
        let mut kept = Vec::new();
        for (key, value) in query {
            // Part of the name is enough to tell the outside what the company works on.
            if self.0.is_ours(value.split('/').next().unwrap_or_default().trim()) {
                return Err(Trouble::Reserved);
            }
            match key.as_str() {
                "limit" => limit = value.parse().unwrap_or(SEARCH_PAGE).clamp(1, SEARCH_PAGE),
                key if SEARCH_KEYS.contains(&key) => kept.push((key, value)),
                _ => {}
            }
        }
        let query = Serializer::new(String::new()).extend_pairs(kept).append_pair("limit", &limit.to_string()).finish();
        let url = self.0.hosts.url(&format!("/api/{}", kind.word()), Some(&query));
        let Answer::Here(page) = self.0.json::<Vec<RawHit>>(&url, Asking::Other).await? else {
            return Err(Trouble::Refused("The hub redirects its own search.".to_owned()));
        };
        let hits = page.value.into_iter().take(limit).filter_map(|hit| hit.read(kind));
        Ok(hits.filter(|hit| !self.0.is_reserved(&hit.name)).collect())
    }

    /// Whether our credential may have the files of a repository that is gated or private: asked of the hub itself, at
    /// the door that its own clients ask at.
    pub async fn opens(&self, name: &RepoName) -> Result<bool, Trouble> {
        self.0.refuse_reserved(name)?;
        let path = format!("/api/{}/{}/auth-check", name.kind().word(), name.path());
        let url = self.0.hosts.url(&path, None);
        self.0.hosts.check(None, &url)?;
        let turn = self.0.budget.enter(Lane::Answers).await?;
        let response = self.0.file_hop(&url, None).await?;
        drop(turn);
        let head = self.0.head(&url, &response);
        match head.status.as_u16() {
            200..=299 => Ok(true),
            401 | 403 | 404 => Ok(false),
            300..=399 => {
                Err(Trouble::Unexpected("The hub redirects the question who may have a repository.".to_owned()))
            }
            _ => Err(head.trouble(Asking::Repository)),
        }
    }

    /// Whose token ours is, for `doctor`: `None` without a token.
    pub async fn whoami(&self) -> Result<Option<String>, Trouble> {
        if self.0.authorization.is_none() {
            return Ok(None);
        }
        let url = self.0.hosts.url("/api/whoami-v2", None);
        match self.0.json::<Whoami>(&url, Asking::Other).await? {
            Answer::Here(page) => Ok(Some(visible(&page.value.name, 100))),
            Answer::Moved(_) => Err(Trouble::Refused("The hub redirects the question whose token ours is.".to_owned())),
        }
    }
}

#[derive(Deserialize)]
struct Whoami {
    name: String,
}

impl Inner {
    /// One request for everybody who asks at the same time, and for a few seconds after.
    async fn facts(&self, name: &RepoName, rev: Option<&Rev>) -> Result<RepoFacts, Trouble> {
        self.refuse_reserved(name)?;
        let what = match rev {
            None => Absent::Repository(name.clone()),
            Some(rev) => Absent::Revision(name.clone(), rev.clone()),
        };
        self.recall.known_absent(&what)?;
        let asked =
            self.recall.found.try_get_with((name.clone(), rev.cloned()), Box::pin(self.ask_facts(name, rev))).await;
        match asked {
            Ok(facts) => Ok((*facts).clone()),
            Err(trouble) => {
                self.recall.note(what, &trouble);
                Err((*trouble).clone())
            }
        }
    }

    async fn ask_facts(&self, name: &RepoName, rev: Option<&Rev>) -> Result<Arc<RepoFacts>, Trouble> {
        let tail = rev.map(|rev| format!("/revision/{}", encode_segment(rev.as_str()))).unwrap_or_default();
        // With what the hub's own scanners say.
        let (asked, page) = self.named::<RawRepo>(name, &tail, Some("securityStatus=true")).await?;
        let facts = page.value.read(name.kind())?;
        self.refuse_reserved(&facts.name)?;
        if facts.name.key() != asked.key() {
            tracing::info!(asked = %asked, name = %facts.name, "the hub answers under another name");
        }
        let Some(rev) = rev else { return Ok(Arc::new(facts)) };
        match &facts.commit {
            None => Err(Trouble::Unexpected("The hub describes a revision without its commit.".to_owned())),
            Some(commit) if rev.as_commit().is_some_and(|asked| asked != *commit) => {
                Err(Trouble::Unexpected("The hub answers with another commit than was asked for.".to_owned()))
            }
            Some(_) => Ok(Arc::new(facts)),
        }
    }

    /// Every page of a list, or its first pages until `enough` entries are there.
    async fn list<T: DeserializeOwned>(
        &self,
        name: &RepoName,
        tail: &str,
        query: &str,
        enough: usize,
    ) -> Result<Vec<T>, Trouble> {
        let too_large = |what: &str| Trouble::TooLarge(format!("The hub's list for {name} is too large: {what}."));
        let (mut name_now, mut query) = (name.clone(), Some(query.to_owned()).filter(|q| !q.is_empty()));
        let (mut all, mut bytes) = (Vec::new(), 0);
        for _ in 0..self.limits.list_pages {
            let (name, page) = self.named::<Vec<T>>(&name_now, tail, query.as_deref()).await?;
            name_now = name;
            bytes += page.bytes;
            all.extend(page.value);
            if bytes > self.limits.list_bytes {
                return Err(too_large("more bytes than we read"));
            }
            if all.len() > self.limits.list_entries {
                return Err(too_large("more entries than we read"));
            }
            match page.next {
                Some(next) if all.len() < enough && query.as_deref() != Some(next.as_str()) => query = Some(next),
                Some(_) if all.len() < enough => return Err(too_large("a page that follows itself")),
                _ => return Ok(all),
            }
        }
        Err(too_large("more pages than we read"))
    }

    /// Asks `/api/{kind}/{name}{tail}`, following renames and corrected spellings; answers with the name that had it.
    async fn named<T: DeserializeOwned>(
        &self,
        name: &RepoName,
        tail: &str,
        query: Option<&str>,
    ) -> Result<(RepoName, Page<T>), Trouble> {
        let mut name = name.clone();
        for _ in 0..=MOST_REDIRECTS {
            self.refuse_reserved(&name)?;
            self.recall.known_absent(&Absent::Repository(name.clone()))?;
            let url = self.hosts.url(&format!("/api/{}/{}{tail}", name.kind().word(), name.path()), query);
            match Box::pin(self.json(&url, Asking::Repository)).await? {
                Answer::Here(page) => return Ok((name, page)),
                Answer::Moved(to) => {
                    let host = visible(to.host_str().unwrap_or("nowhere"), 100);
                    let path = self.hosts.path_on_hub(&to);
                    let path =
                        path.ok_or_else(|| Trouble::Refused(format!("The hub sends us to {host} for its answer.")))?;
                    name = moved(path, &name, tail).ok_or_else(|| {
                        Trouble::Refused("The hub sends us to something that is no repository.".to_owned())
                    })?;
                    tracing::info!(name = %name, "the hub has the repository under another name");
                }
            }
        }
        Err(Trouble::Refused(format!("The hub redirects more than {MOST_REDIRECTS} times.")))
    }
}

/// The name in `/api/{kind}/{name}{tail}`. The tail may come back in another encoding, so only its word is compared.
fn moved(path: &str, from: &RepoName, tail: &str) -> Option<RepoName> {
    let mut rest = path.strip_prefix("/api/")?.strip_prefix(from.kind().word())?.strip_prefix('/')?.split('/');
    let word = tail.split('/').nth(1);
    let (first, second, third) = (rest.next()?, rest.next(), rest.next());
    match (second, third) {
        (Some(second), third) if third == word => RepoName::new(from.kind(), &format!("{first}/{second}")),
        (second, _) if second == word => RepoName::new(from.kind(), first),
        _ => None,
    }
}

pub(super) const MOST_REDIRECTS: usize = 4;
const SEARCH_PAGE: usize = 100;
const SEARCH_KEYS: [&str; 8] =
    ["search", "author", "filter", "sort", "direction", "pipeline_tag", "library", "language"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_read_as_a_name() {
        let from = RepoName::parse("old/name").unwrap();
        let name = |path, tail| moved(path, &from, tail).map(|n| n.to_string());
        assert_eq!(name("/api/models/new/name", "").as_deref(), Some("new/name"));
        assert_eq!(name("/api/models/gpt2", "").as_deref(), Some("gpt2"));
        assert_eq!(
            name("/api/models/new/name/revision/refs/pr/1", "/revision/refs%2Fpr%2F1").as_deref(),
            Some("new/name")
        );
        assert_eq!(name("/api/models/gpt2/tree/abc", "/tree/abc").as_deref(), Some("gpt2"));
        for bad in ["/api/datasets/a/b", "/api/models/a/b/c", "/api/models/", "/api/models/../b", "/login"] {
            assert_eq!(name(bad, ""), None, "{bad}");
        }
    }
}
