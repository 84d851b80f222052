//! The bytes of a file, by plain `/resolve`.
//!
//! Redirects are followed here, at most four, each checked first. The length is known before the first byte and holds
//! to the last. Never hashes and never decides whether these are the right bytes: whoever stores them does.

use std::{ops::Range, time::Duration};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use reqwest::Response;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use url::Url;

use super::{
    Inner, Trouble, Upstream,
    answer::{Asking, Head},
    ask::host,
    budget::Lane,
    recall::Absent,
    repository::MOST_REDIRECTS,
    trouble::{self, visible},
};
use crate::domain::{
    file::FilePath,
    name::RepoName,
    pattern::{Pattern, Segments, encode_path},
    rev::Commit,
};

/// A file that is arriving.
pub struct Download {
    /// Of the whole file, as the place that sends it says.
    pub size: u64,
    /// Where these bytes begin: 0 when the other side would not resume, whatever was asked.
    pub from: u64,
    /// One past the last byte that will come.
    pub until: u64,
    /// What the hub says the bytes of a file in LFS are.
    pub linked_etag: Option<String>,
    at: u64,
    over: bool,
    host: String,
    idle: Duration,
    response: Response,
    _turn: OwnedSemaphorePermit,
}

impl Download {
    /// The next piece; `None` after the last byte was seen. After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Bytes, Trouble>> {
        if self.over {
            return None;
        }
        let piece = match timeout(self.idle, self.response.chunk()).await {
            Ok(Ok(Some(bytes))) => self.advance(bytes),
            Ok(Ok(None)) if self.at == self.until => {
                self.over = true;
                return None;
            }
            Ok(Ok(None)) => Err(Trouble::Unreachable(format!(
                "The host {} ended the file at byte {} of {}.",
                self.host, self.at, self.until
            ))),
            Ok(Err(error)) => Err(trouble::of_exchange(&self.host, &error)),
            Err(_) => Err(Trouble::Unreachable(format!("The host {} stopped sending.", self.host))),
        };
        self.over = piece.is_err();
        Some(piece)
    }

    fn advance(&mut self, bytes: Bytes) -> Result<Bytes, Trouble> {
        self.at = self.at.saturating_add(bytes.len() as u64);
        if self.at > self.until {
            return Err(Trouble::Unexpected(format!("The host {} sends more than it said it would.", self.host)));
        }
        Ok(bytes)
    }
}

impl Upstream {
    /// Opens a file from a byte onward. Look at `Download.from`: it is 0 when the other side would not resume.
    pub async fn open(
        &self,
        name: &RepoName,
        commit: &Commit,
        path: &FilePath,
        from: u64,
    ) -> Result<Download, Trouble> {
        let range = (from > 0).then(|| format!("bytes={from}-"));
        Box::pin(self.0.open(name, commit, path, Part { first: from, end: None, header: range })).await
    }

    /// Opens a part of a file, cut at its end. `Download.from` and `until` say what really comes: the whole file when
    /// the other side knows no ranges.
    pub async fn open_part(
        &self,
        name: &RepoName,
        commit: &Commit,
        path: &FilePath,
        part: Range<u64>,
    ) -> Result<Download, Trouble> {
        if part.is_empty() {
            return Err(Trouble::Unexpected("No byte of the file was asked for.".to_owned()));
        }
        let header = Some(format!("bytes={}-{}", part.start, part.end - 1));
        Box::pin(self.0.open(name, commit, path, Part { first: part.start, end: Some(part.end), header })).await
    }
}

struct Part {
    first: u64,
    end: Option<u64>,
    header: Option<String>,
}

impl Inner {
    async fn open(&self, name: &RepoName, commit: &Commit, path: &FilePath, part: Part) -> Result<Download, Trouble> {
        self.refuse_reserved(name)?;
        let what = Absent::File(name.clone(), commit.clone(), path.clone());
        self.recall.known_absent(&Absent::Repository(name.clone()))?;
        self.recall.known_absent(&what)?;
        // What has an end is a part for the scanner; a fetch that goes on from somewhere is somebody's file.
        let lane = if part.end.is_some() { Lane::Parts } else { Lane::Downloads };
        let turn = self.budget.enter(lane).await?;
        let prefix = format!("/{name}/resolve/{commit}/{}", encode_path(path.as_str()));
        let opened = self.follow(self.hosts.url(&prefix, None), commit, part, turn).await;
        opened.inspect_err(|trouble| self.recall.note(what, trouble))
    }

    async fn follow(
        &self,
        mut url: Url,
        commit: &Commit,
        part: Part,
        turn: OwnedSemaphorePermit,
    ) -> Result<Download, Trouble> {
        // The hub itself knows the size even where its redirect's target sends none.
        let (mut linked_size, mut linked_etag) = (None, None);
        self.hosts.check(None, &url)?;
        for _ in 0..=MOST_REDIRECTS {
            let response = self.file_hop(&url, part.header.as_deref()).await?;
            let head = self.head(&url, &response);
            if head.origin {
                same_commit(&head, commit)?;
                linked_size = head.number("x-linked-size").or(linked_size);
                let etag = head.text("x-linked-etag").map(|etag| etag.trim_matches('"').to_owned());
                linked_etag = etag.or(linked_etag);
            }
            if !head.is_redirect() {
                let (size, span) = extent(&head, &part, linked_size)?;
                let (host, idle) = (host(&url).to_owned(), self.limits.idle);
                let Range { start: from, end: until } = span;
                let (at, over) = (from, false);
                return Ok(Download { size, from, until, linked_etag, at, over, host, idle, response, _turn: turn });
            }
            let next = head.location(&url)?;
            if let Err(refused) = self.hosts.check(Some(&url), &next).and_then(|()| self.refuse_reserved_path(&next)) {
                tracing::warn!(from = host(&url), to = host(&next), "refused to follow a redirect of the hub");
                return Err(refused);
            }
            url = next;
        }
        Err(Trouble::Refused(format!("The hub redirects more than {MOST_REDIRECTS} times.")))
    }

    /// A rename may lead into a namespace of ours.
    fn refuse_reserved_path(&self, url: &Url) -> Result<(), Trouble> {
        let segments = self.hosts.path_on_hub(url).and_then(Segments::read);
        let resolve = Pattern::parse("/{repo}/resolve/{rev}/{path..}").ok();
        match resolve.zip(segments).and_then(|(pattern, path)| pattern.find(&path)?.repo) {
            Some(name) => self.refuse_reserved(&name),
            None => Ok(()),
        }
    }
}

/// The hub says which commit it answers from; another one's bytes are not these.
fn same_commit(head: &Head<'_>, commit: &Commit) -> Result<(), Trouble> {
    match head.text("x-repo-commit") {
        Some(other) if head.status.as_u16() < 400 && other != commit.as_str() => {
            let other = visible(other, 50);
            Err(Trouble::Unexpected(format!("The hub answers from commit {other} where {commit} was asked for.")))
        }
        _ => Ok(()),
    }
}

/// The size of the whole file, and which of its bytes will come.
fn extent(head: &Head<'_>, part: &Part, linked_size: Option<u64>) -> Result<(u64, Range<u64>), Trouble> {
    let odd = |what: &str| Err(Trouble::Unexpected(format!("The host {} {what}.", head.host)));
    if head.status == 416 {
        return odd(&format!("has no byte {} of this file", part.first));
    }
    if head.status != 200 && head.status != 206 {
        return Err(if head.status.is_success() {
            Trouble::Unexpected(format!("The host {} answered {}.", head.host, head.status.as_u16()))
        } else {
            head.trouble(Asking::File)
        });
    }
    head.refuse_encoded()?;
    let length = head.number(CONTENT_LENGTH.as_str());
    if head.status == 200 {
        return match length.or(linked_size) {
            Some(size) => Ok((size, 0..size)),
            None => odd("does not say how long the file is"),
        };
    }
    let Some((first, end, size)) = head.content_range() else { return odd("sends a part without saying which") };
    let wanted = part.end.unwrap_or(size).min(size);
    if part.header.is_none() || first != part.first || end != wanted {
        return odd("sends another part than was asked for");
    }
    if length.is_some_and(|length| length != end - first) {
        return odd("contradicts itself about the length");
    }
    Ok((size, first..end))
}
