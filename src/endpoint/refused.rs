//! How a refusal reads on the wire: in the hub's headers, as problem+json, or as text for git.
//!
//! One table of codes, three dialects, chosen by the path alone, so that nobody can choose wrong.

use askama::Template;
use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::ext::ReasonPhrase;
use serde_json::json;

use super::answer::{Answer as _, Page, with_type};
use crate::domain::refusal::{Code, Refusal};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The hub's own: everything outside `/-/`.
    Hub,
    /// RFC 9457 problem+json: our own API under `/-/`.
    Problem,
    /// A page for whoever looks with a browser, under `/-/` too.
    Page,
    /// RFC 7644, section 3.12: what directories read.
    Scim,
    /// Plain text, which git shows as `remote:` lines.
    Git,
}

impl Dialect {
    pub fn of(path: &str, headers: &HeaderMap) -> Self {
        let accepts = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let is_page = !path.starts_with("/-/api/") && accepts.contains("text/html");
        if path.starts_with("/-/scim/") {
            Self::Scim
        } else if path == "/-" || path.starts_with("/-/") {
            if is_page { Self::Page } else { Self::Problem }
        } else if path.contains(".git/info/lfs/") {
            Self::Hub
        } else if path.contains(".git/") || path.ends_with("/info/refs") || path.ends_with("/git-upload-pack") {
            Self::Git
        } else {
            Self::Hub
        }
    }
}

pub fn render(refusal: &Refusal, dialect: Dialect, request_id: &str, prefix: &str) -> Response<Body> {
    let status = StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let line = refusal.line();
    let mut response = match dialect {
        Dialect::Hub => {
            with_type(status, "application/json", json!({"error": line, "message": line}).to_string().into_bytes())
        }
        Dialect::Problem => with_type(status, "application/problem+json", problem(refusal, request_id)),
        Dialect::Scim => with_type(status, "application/scim+json", scim(refusal)),
        Dialect::Page => page(status, refusal, request_id, prefix),
        Dialect::Git => with_type(status, "text/plain", format!("{line}\n").into_bytes()),
    };
    if dialect == Dialect::Hub {
        let topic = refusal.decision.as_deref().unwrap_or(request_id);
        set(&mut response, "x-error-message", &line);
        // One warning per topic and process: the topic has to be new for every message.
        set(&mut response, "x-hf-warning", &format!("weighbridge-{topic}; {line}"));
        if let Some(code) = refusal.code.hub() {
            set(&mut response, "x-error-code", code);
        }
    }
    if let Some(commit) = &refusal.commit {
        set(&mut response, "x-repo-commit", commit.as_str());
    }
    if let Some(seconds) = refusal.retry_after {
        set(&mut response, "retry-after", &seconds.to_string());
    }
    if let Some(size) = refusal.size {
        set(&mut response, "content-range", &format!("bytes */{size}"));
    }
    if refusal.code.status() == 401 {
        set(&mut response, "www-authenticate", "Bearer realm=\"weighbridge\"");
    }
    if refusal.code == Code::MethodNotAllowed {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    // The Rust client reads neither headers nor body, but it prints the reason phrase.
    if let Ok(phrase) = ReasonPhrase::try_from(line.into_bytes()) {
        response.extensions_mut().insert(phrase);
    }
    response
}

#[derive(Template)]
#[template(path = "refused.html", config = "dashboards/askama.toml")]
struct Refused<'a> {
    prefix: &'a str,
    title: &'a str,
    hint: &'a str,
    request_id: &'a str,
    decision: Option<&'a str>,
}

fn page(status: StatusCode, refusal: &Refusal, request_id: &str, prefix: &str) -> Response<Body> {
    let (title, hint, decision) = (&refusal.sentence, &refusal.hint, refusal.decision.as_deref());
    let html = Refused { prefix, title, hint, request_id, decision }.render().unwrap_or_else(|_| refusal.line());
    let mut response = Page(html).into_response();
    *response.status_mut() = status;
    response
}

fn scim(refusal: &Refusal) -> Vec<u8> {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": refusal.code.status().to_string(),
        "detail": refusal.line(),
    });
    if let (Code::BadInput, Some(body)) = (refusal.code, body.as_object_mut()) {
        body.insert("scimType".to_owned(), json!("invalidSyntax"));
    }
    body.to_string().into_bytes()
}

fn problem(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let mut body = json!({
        "type": format!("urn:weighbridge:{}", refusal.code.word()),
        "code": refusal.code.word(),
        "title": refusal.sentence,
        "status": refusal.code.status(),
        "detail": refusal.line(),
        "request": request_id,
    });
    if let (Some(decision), Some(object)) = (&refusal.decision, body.as_object_mut()) {
        object.insert("decision".to_owned(), json!(decision));
    }
    body.to_string().into_bytes()
}

fn set(response: &mut Response<Body>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// Every code in both dialects, as a table that somebody can read. Compared by hand, never accepted by a tool.
    #[test]
    fn the_table_of_refusals_is_the_golden_one() {
        let mut table = String::from("code | status | X-Error-Code | hub body | problem title\n");
        for code in Code::ALL {
            let refusal = Refusal::new(code, "Sentence.").hint("Hint.");
            let hub = render(&refusal, Dialect::Hub, "REQ", "");
            let error = hub.headers().get("x-error-code").and_then(|v| v.to_str().ok()).unwrap_or("-");
            let message = hub.headers().get("x-error-message").and_then(|v| v.to_str().ok()).unwrap_or("-");
            let problem = render(&refusal, Dialect::Problem, "REQ", "");
            assert_eq!(problem.status(), hub.status());
            assert!(problem.headers().get("x-error-code").is_none());
            let _ = writeln!(table, "{} | {} | {error} | {message} | Sentence.", code.word(), hub.status().as_u16());
        }
        assert_eq!(table, include_str!("refusals.golden.txt"));
    }

    #[test]
    fn the_dialect_follows_the_path() {
        for (path, want) in [
            ("/-/api/v1/requests", Dialect::Problem),
            ("/-", Dialect::Problem),
            ("/-/scim/v2/Users", Dialect::Scim),
            ("/api/models/a/b", Dialect::Hub),
            ("/-x", Dialect::Hub),
            ("/a/b.git/info/refs", Dialect::Git),
            ("/a/b/info/refs", Dialect::Git),
            ("/a/b.git/info/lfs/objects/batch", Dialect::Hub),
        ] {
            assert_eq!(Dialect::of(path, &HeaderMap::new()), want, "{path}");
        }
    }
}
