//! The one answer that carries a file's bytes, made by spending a `Granted<PullFile>`.
//!
//! Ranges, conditional requests and headers as every client needs them: a strong quoted ETag, the commit, the length.
//! Never a redirect, never Xet. Before each chunk the grant is looked at again, and a revocation cuts the connection
//! itself, because a body is not asked for its next chunk while the client does not read.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use tokio::{sync::Notify, task::AbortHandle};

use super::{answer::Answer, input::Asked};
use crate::{
    blobs::{BlobReader, Blobs, Copies, Fetched, Filling, ReadTrouble, Seal},
    domain::{
        pattern::encode_path,
        range::{self, Part},
        refusal::{Code, Refusal, ascii_line},
    },
    gate::{act::PullFile, grant::Granted, object::File, stream::Sending},
    tasks,
};

/// Ends the connection that a request came on, at once. Put into its extensions by the accept loop.
#[derive(Clone, Debug, Default)]
pub struct Cut(Arc<Notify>);

impl Cut {
    pub fn now(&self) {
        self.0.notify_one();
    }

    pub async fn asked_for(&self) {
        self.0.notified().await;
    }
}

/// A file, or the part of it that was asked for.
pub struct FileAnswer {
    response: Response<Body>,
}

impl FileAnswer {
    /// The answer when no bytes are wanted or needed: HEAD, an unchanged file, a range outside it.
    ///
    /// `None`: bytes have to leave, and the grant has to be spent on them.
    pub fn without_bytes(may: &Granted<PullFile>, asked: &Asked) -> Option<Result<Self, Refusal>> {
        let file = may.object();
        if unchanged(file, asked) {
            let mut response = headers(file, 0);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(header::CONTENT_LENGTH);
            return Some(Ok(Self { response }));
        }
        match (part(file, asked), asked.head) {
            (Part::Outside, _) => {
                let sentence = format!("{} has {} bytes; the range asked for lies outside them.", file.path, file.size);
                Some(Err(Refusal { size: Some(file.size), ..Refusal::new(Code::RangeOutside, sentence) }))
            }
            (part, true) => Some(Ok(Self { response: headers_for(file, part, asked) })),
            _ => None,
        }
    }

    /// Spends the grant on the bytes. `Err(Ok(..))` is a trouble with the stored blob that the caller can act upon.
    pub async fn send(may: Granted<PullFile>, blobs: &Blobs, seal: &Seal, asked: &Asked) -> Result<Self, SendTrouble> {
        let file = may.object();
        let part = part(file, asked);
        let (start, end) = match part {
            Part::Slice { start, end } => (start, end),
            Part::Whole | Part::Outside => (0, file.size),
        };
        let reader = match blobs.read(file.sha256, seal, start, end).await {
            Ok(reader) => reader,
            Err(ReadTrouble::Fault(fault)) => return Err(SendTrouble::Refused(fault.into())),
            Err(ReadTrouble::Absent) => return Err(SendTrouble::Absent(Box::new(may))),
            Err(ReadTrouble::Changed) => return Err(SendTrouble::Changed(Box::new(may))),
        };
        let head = headers_for(file, part, asked);
        Ok(Self::body(may, head, reader, asked))
    }

    /// Spends the grant on a file that is still being fetched, all of it, from its first byte on. The grant comes back
    /// when there is nothing to read early.
    pub fn early(
        may: Granted<PullFile>,
        blobs: &Blobs,
        (filling, copies): (&Arc<Filling>, &Arc<Copies>),
        asked: &Asked,
    ) -> Result<Self, Box<Granted<PullFile>>> {
        let file = may.object();
        // Whoever names a range may never ask for the part that is held back.
        let whole = asked.header(header::RANGE).is_none() && *filling.of() == fetched(file);
        let Some(reader) = whole.then(|| filling.read(blobs, Arc::clone(copies))).flatten() else {
            return Err(Box::new(may));
        };
        let head = headers_for(file, Part::Whole, asked);
        Ok(Self::body(may, head, reader, asked))
    }

    fn body(may: Granted<PullFile>, head: Response<Body>, reader: BlobReader, asked: &Asked) -> Self {
        let left = reader.remaining();
        let sending = may.send();
        let watch = asked.cut.clone().map(|cut| {
            let revoked = sending.until_revoked();
            let task = tasks::spawn(async move {
                revoked.await;
                cut.now();
            });
            Watch(task.abort_handle())
        });
        let body = FileBody { reader, state: State::Ready(Box::new(sending)), left, _watch: watch };
        Self { response: head.map(|_| Body::new(body)) }
    }
}

/// What is fetched when this file is.
pub fn fetched(file: &File) -> Fetched {
    Fetched {
        revision_id: file.revision.id.clone(),
        path: file.path.to_string(),
        etag: file.id.etag(),
        size: file.size,
    }
}

/// Why a stored blob could not be sent; the grant comes back unspent.
pub enum SendTrouble {
    Refused(Refusal),
    Absent(Box<Granted<PullFile>>),
    /// The stored bytes are not those that were verified, as far as size, inode and time tell.
    Changed(Box<Granted<PullFile>>),
}

impl Answer for FileAnswer {
    fn into_response(self) -> Response<Body> {
        self.response
    }
}

fn part(file: &File, asked: &Asked) -> Part {
    // A range of another version of the file is no use to the client: it gets the whole.
    let other = asked.header(header::IF_RANGE).is_some_and(|tag| tag.trim_matches('"') != file.id.etag());
    if other { Part::Whole } else { range::parse(asked.header(header::RANGE), file.size) }
}

fn unchanged(file: &File, asked: &Asked) -> bool {
    let etag = file.id.etag();
    let same = |tag: &str| tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == etag;
    asked.header(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').map(str::trim).any(same))
}

fn headers_for(file: &File, part: Part, asked: &Asked) -> Response<Body> {
    match part {
        Part::Slice { start, end } => {
            let mut response = headers(file, end - start);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, header::CONTENT_RANGE, &format!("bytes {start}-{}/{}", end - 1, file.size));
            response
        }
        Part::Whole | Part::Outside => {
            let mut response = headers(file, file.size);
            if file.size == 0 && asked.header(header::RANGE).is_some() {
                // The Rust client reads a file's size from here even when there is nothing in it.
                set(&mut response, header::CONTENT_RANGE, "bytes 0-0/0");
            }
            response
        }
    }
}

fn headers(file: &File, length: u64) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let name = file.path.file_name();
    let plain = ascii_line(name, 150).replace(['"', '\\'], "_");
    set(&mut response, header::ETAG, &format!("\"{}\"", file.id.etag()));
    set(&mut response, header::HeaderName::from_static("x-repo-commit"), file.revision.commit.as_str());
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::CONTENT_LENGTH, &length.to_string());
    set(&mut response, header::CONTENT_TYPE, content_type(name));
    let disposition = format!("attachment; filename*=UTF-8''{}; filename=\"{plain}\";", encode_path(name));
    set(&mut response, header::CONTENT_DISPOSITION, &disposition);
    set(&mut response, header::CACHE_CONTROL, "private, no-cache");
    set(&mut response, header::HeaderName::from_static("x-accel-buffering"), "no");
    for (name, value) in file.revision.upstream() {
        set(&mut response, header::HeaderName::from_static(name), &value);
    }
    response
}

/// Text or bytes, nothing that a browser would run: these are somebody else's files on our origin.
fn content_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "json" | "md" | "txt" | "py" | "yaml" | "yml" | "toml" | "csv" | "jsonl" | "jinja" => {
            "text/plain; charset=utf-8"
        }
        _ => "application/octet-stream",
    }
}

fn set(response: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Withdraws the watch over a finished stream, so that it cannot cut a later one on the same connection.
struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct FileBody {
    reader: BlobReader,
    state: State,
    left: u64,
    _watch: Option<Watch>,
}

enum State {
    Ready(Box<Sending>),
    /// Something has changed somewhere: the grant is being decided again.
    Asking(BoxFuture<'static, (Box<Sending>, bool)>),
    Over,
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Over => return Poll::Ready(None),
                State::Asking(asking) => {
                    let (sending, goes_on) = ready!(asking.as_mut().poll(cx));
                    if !goes_on {
                        this.state = State::Over;
                        return Poll::Ready(Some(Err(io::Error::other("the grant no longer holds"))));
                    }
                    this.state = State::Ready(sending);
                }
                State::Ready(sending) if sending.nothing_changed() => {
                    let chunk = ready!(this.reader.poll_next(cx));
                    return Poll::Ready(match chunk {
                        Some(Ok(chunk)) => {
                            let length = chunk.len() as u64;
                            sending.count(length);
                            this.left = this.left.saturating_sub(length);
                            if this.left == 0 {
                                sending.finished();
                            }
                            Some(Ok(Frame::data(chunk)))
                        }
                        Some(Err(fault)) => {
                            if fault.passing {
                                tracing::warn!(fault = %fault, "a file could not be sent to its end");
                            } else {
                                tracing::error!(fault = %fault, "a blob could not be read to its end");
                            }
                            this.state = State::Over;
                            Some(Err(io::Error::other("the stored file could not be read")))
                        }
                        // A short blob must not look like a clean end.
                        None if this.left > 0 => Some(Err(io::Error::other("the stored file is too short"))),
                        None => None,
                    });
                }
                State::Ready(_) => {
                    let State::Ready(mut sending) = std::mem::replace(&mut this.state, State::Over) else { continue };
                    this.state = State::Asking(Box::pin(async move {
                        let goes_on = sending.may_go_on().await;
                        (sending, goes_on)
                    }));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
