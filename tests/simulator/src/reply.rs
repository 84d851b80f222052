//! An answer before it is put on the wire, and the refusals the hub knows.
//!
//! Everything is decided here but ranges, conditions and faults: those are the same for every file, see `finish`.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::content::Content;

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
}

pub(crate) enum Payload {
    Bytes(Bytes),
    /// Ranges and conditions apply.
    File(Content),
}

impl Reply {
    pub(crate) fn new(status: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status, headers, payload: Payload::Bytes(bytes.into()) }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::new(StatusCode::OK, "application/json; charset=utf-8", value.to_string())
    }

    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, "text/plain; charset=utf-8", text)
    }

    pub(crate) fn file(content: Content, content_type: &'static str, etag: &str) -> Self {
        let mut reply = Self::new(StatusCode::OK, content_type, Bytes::new());
        reply.payload = Payload::File(content);
        reply.with("etag", format!("\"{etag}\"")).with("accept-ranges", "bytes")
    }

    pub(crate) fn redirect(status: StatusCode, location: &str) -> Self {
        let reason = status.canonical_reason().unwrap_or("Redirect");
        let text = format!("{reason}. Redirecting to {location}");
        Self::new(status, "text/plain; charset=utf-8", text).with("location", location)
    }

    /// What a header cannot carry is left out, so that no content can stop the simulator.
    pub(crate) fn with(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }
}

/// Why a request is turned away, or sent elsewhere.
pub(crate) enum Refusal {
    /// A token that is not one of ours.
    BadToken,
    /// Missing or private, asked without a token: the hub does not say which.
    Unauthenticated,
    RepoNotFound,
    RevisionNotFound(String),
    /// With the commit in which the entry is missing.
    EntryNotFound {
        commit: String,
        message: String,
    },
    /// With the repository, and whether the client has shown a token.
    Gated {
        name: String,
        known: bool,
    },
    Disabled,
    /// The name is not the canonical one; the same request under that one.
    Moved(String),
    BadRequest(&'static str),
    NoSuchPage,
}

/// How a door words its refusals: the API answers in JSON, downloads in plain text.
#[derive(Clone, Copy)]
pub(crate) struct Wording {
    pub(crate) json: bool,
    /// Whether a 401 for a missing repository names its code; whether the real hub does is not settled.
    pub(crate) code_on_401: bool,
}

impl Refusal {
    pub(crate) fn reply(self, wording: Wording) -> Reply {
        let (status, code, message, commit) = match self {
            Self::BadToken => (401, None, "Invalid credentials in Authorization header".to_owned(), None),
            Self::Unauthenticated => {
                let code = wording.code_on_401.then_some("RepoNotFound");
                (401, code, "Invalid username or password.".to_owned(), None)
            }
            Self::RepoNotFound => (404, Some("RepoNotFound"), "Repository not found".to_owned(), None),
            Self::RevisionNotFound(rev) => (404, Some("RevisionNotFound"), format!("Invalid rev id: {rev}"), None),
            Self::EntryNotFound { commit, message } => (404, Some("EntryNotFound"), message, Some(commit)),
            Self::Gated { name, known: false } => {
                let text = format!(
                    "Access to {name} is restricted. You must have access to it and be authenticated to access it. \
                     Please log in."
                );
                (401, Some("GatedRepo"), text, None)
            }
            Self::Gated { name, known: true } => {
                let text = format!("Access to {name} is restricted and you are not in the authorized list.");
                (403, Some("GatedRepo"), text, None)
            }
            Self::Disabled => (403, None, "Access to this resource is disabled.".to_owned(), None),
            Self::Moved(location) => return Reply::redirect(StatusCode::TEMPORARY_REDIRECT, &location),
            Self::BadRequest(text) => (400, None, text.to_owned(), None),
            Self::NoSuchPage => (404, None, "Sorry, we can't find the page you are looking for.".to_owned(), None),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut reply =
            if wording.json { Reply::json(&json!({ "error": message })) } else { Reply::text(message.clone()) };
        reply.status = status;
        reply = reply.with("x-error-message", message.chars().filter(char::is_ascii).collect::<String>());
        if let Some(code) = code {
            reply = reply.with("x-error-code", code);
        }
        if let Some(commit) = commit {
            reply = reply.with("x-repo-commit", commit);
        }
        if status == StatusCode::UNAUTHORIZED {
            reply = reply.with("www-authenticate", "Bearer realm=\"Authentication required\", charset=\"UTF-8\"");
        }
        reply
    }
}
