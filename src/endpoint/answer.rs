//! What a handler may answer with: a closed list, so that file bytes can leave as one type only.
//!
//! `FileAnswer` lives in its own file, because making one spends a grant.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::domain::rev::Commit;

mod sealed {
    pub trait Sealed {}
}

/// Something a handler can answer with. Sealed.
#[diagnostic::on_unimplemented(
    message = "a handler cannot answer with `{Self}`",
    note = "answers are `Json`, `Page`, `Text`, `Nothing`, `Redirect`, `Away`, `With` and `FileAnswer`; file bytes leave only as `FileAnswer`"
)]
pub trait Answer: sealed::Sealed + Send + 'static {
    fn into_response(self) -> Response<Body>;
}

/// A JSON answer composed from our own facts, with the headers that hub clients look for.
#[derive(Debug)]
pub struct Json {
    status: StatusCode,
    body: Bytes,
    kind: &'static str,
    headers: Vec<(header::HeaderName, String)>,
}

impl Json {
    pub fn new(value: &impl Serialize) -> Self {
        // Our own types have string keys and no fallible serializers; an empty body would be seen by every test.
        Self::composed(serde_json::to_vec(value).unwrap_or_default().into())
    }

    /// JSON that was composed before.
    pub fn composed(body: Bytes) -> Self {
        Self { status: StatusCode::OK, body, kind: "application/json", headers: Vec::new() }
    }

    pub fn body(&self) -> Bytes {
        self.body.clone()
    }

    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// As directories speak it.
    pub fn as_scim(self) -> Self {
        Self { kind: "application/scim+json", ..self }
    }

    pub fn commit(self, commit: &Commit) -> Self {
        self.header("x-repo-commit", commit.to_string())
    }

    /// The next page of a listing, on our own host.
    pub fn next(self, url: &str) -> Self {
        self.header("link", format!("<{url}>; rel=\"next\""))
    }

    pub fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((header::HeaderName::from_static(name), value));
        self
    }
}

impl sealed::Sealed for Json {}
impl Answer for Json {
    fn into_response(self) -> Response<Body> {
        let mut response = with_type(self.status, self.kind, self.body);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// A page of the console, which may load nothing from anywhere else.
#[derive(Debug)]
pub struct Page(pub String);

impl sealed::Sealed for Page {}
impl Answer for Page {
    fn into_response(self) -> Response<Body> {
        let mut response = with_type(StatusCode::OK, "text/html; charset=utf-8", self.0.into_bytes());
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
        // Not `no-referrer`: browsers would then send our own forms with `Origin: null`, as if they came from anywhere.
        response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        response
    }
}

/// Part of the console itself: a style sheet or a script, compiled into the binary.
#[derive(Debug)]
pub struct Asset(pub &'static str, pub &'static str);

impl sealed::Sealed for Asset {}
impl Answer for Asset {
    fn into_response(self) -> Response<Body> {
        with_type(StatusCode::OK, self.0, self.1.as_bytes().to_vec())
    }
}

/// A short text of our own making, such as an LFS pointer.
#[derive(Debug)]
pub struct Text {
    pub text: String,
    pub commit: Option<Commit>,
}

impl sealed::Sealed for Text {}
impl Answer for Text {
    fn into_response(self) -> Response<Body> {
        let mut response = with_type(StatusCode::OK, "text/plain; charset=utf-8", self.text.into_bytes());
        if let Some(value) = self.commit.and_then(|c| HeaderValue::from_str(c.as_str()).ok()) {
            response.headers_mut().insert("x-repo-commit", value);
        }
        response
    }
}

/// Done, and there is nothing to say.
#[derive(Debug)]
pub struct Nothing;

impl sealed::Sealed for Nothing {}
impl Answer for Nothing {
    fn into_response(self) -> Response<Body> {
        with_type(StatusCode::NO_CONTENT, "", Vec::new())
    }
}

/// To another page of our own: a path on this host, never another one.
#[derive(Debug)]
pub struct Redirect(pub String);

impl sealed::Sealed for Redirect {}
impl Answer for Redirect {
    fn into_response(self) -> Response<Body> {
        let mut response = with_type(StatusCode::SEE_OTHER, "", Vec::new());
        let inside = self.0.starts_with('/') && !self.0.starts_with("//");
        if let Some(value) = inside.then(|| HeaderValue::from_str(&self.0).ok()).flatten() {
            response.headers_mut().insert(header::LOCATION, value);
        }
        response
    }
}

/// To the provider where a person signs in: the one answer that leads to another host. Only `accounts/sign_in/` makes it.
#[derive(Debug)]
pub struct Away(pub url::Url);

impl sealed::Sealed for Away {}
impl Answer for Away {
    fn into_response(self) -> Response<Body> {
        let mut response = with_type(StatusCode::SEE_OTHER, "", Vec::new());
        if let Ok(value) = HeaderValue::from_str(self.0.as_str()) {
            response.headers_mut().insert(header::LOCATION, value);
        }
        response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

/// An answer that gives the browser cookies to keep, or takes them away.
#[derive(Debug)]
pub struct With<A> {
    pub answer: A,
    pub cookies: Vec<SetCookie>,
}

/// A cookie of ours: never readable by scripts, only over TLS (or on this very machine), only to this host.
#[derive(Debug)]
pub struct SetCookie {
    pub name: &'static str,
    pub value: String,
    /// In seconds; nothing removes it.
    pub for_seconds: u32,
}

impl<A: Answer> sealed::Sealed for With<A> {}
impl<A: Answer> Answer for With<A> {
    fn into_response(self) -> Response<Body> {
        let mut response = self.answer.into_response();
        for SetCookie { name, value, for_seconds } in self.cookies {
            let line = format!("{name}={value}; Path=/; Max-Age={for_seconds}; Secure; HttpOnly; SameSite=Lax");
            if let Ok(mut value) = HeaderValue::from_str(&line) {
                value.set_sensitive(true);
                response.headers_mut().append(header::SET_COOKIE, value);
            }
        }
        response
    }
}

/// One of two answers.
#[derive(Debug)]
pub enum Either<A, B> {
    First(A),
    Second(B),
}

impl<A: Answer, B: Answer> sealed::Sealed for Either<A, B> {}
impl<A: Answer, B: Answer> Answer for Either<A, B> {
    fn into_response(self) -> Response<Body> {
        match self {
            Self::First(one) => one.into_response(),
            Self::Second(other) => other.into_response(),
        }
    }
}

impl sealed::Sealed for super::file::FileAnswer {}

/// A response with a type and a length; an empty type is left out.
pub(super) fn with_type(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let body: Bytes = body.into();
    let length = body.len();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    // Said here, because a HEAD answer loses its body before anybody counts it.
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if !kind.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                   frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
