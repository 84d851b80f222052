//! What a request from a browser must show besides its cookie, before anything is changed for it.
//!
//! A form counts when the browser itself says that our own page sent it, and when it carries what only that page knew:
//! another site can bring a browser to send a form with its cookies, but not that. Never reads a bearer token.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::body::Body;
use http::{HeaderMap, Method, header, request::Parts};

use super::input::{Form, Input};
use crate::{
    domain::refusal::{Code, Refusal},
    gate::identity::{Actor, Credential},
};

/// The pairs of a form that was found to be our own page's.
#[derive(Clone, Debug)]
pub(super) struct Checked(pub Vec<(String, String)>);

/// Reads the form of a page and leaves it for the handler.
pub(super) async fn check_form(parts: &mut Parts, body: Body, actor: &Actor, public_url: &str) -> Result<(), Refusal> {
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    check_origin(parts, public_url)?;
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(Refusal::bad_input("A page takes forms only."));
    }
    let Form(pairs) = Form::parse(parts, body).await?;
    let given = pairs.iter().find(|(key, _)| key == "csrf").map(|(_, value)| value.as_bytes()).unwrap_or_default();
    let Credential::Session { csrf, .. } = actor.credential() else { return Err(foreign()) };
    if csrf.is_empty() || verify_slices_are_equal(csrf.as_bytes(), given).is_err() {
        return Err(foreign());
    }
    parts.extensions.insert(Checked(pairs));
    Ok(())
}

/// Refuses what another site sends, before anybody looks at cookies: whoever is not signed in is told the same.
pub(super) fn check_origin(parts: &Parts, public_url: &str) -> Result<(), Refusal> {
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if reads || is_own(&parts.headers, public_url) { Ok(()) } else { Err(foreign()) }
}

/// Whether the browser says that this comes from a page of ours. One that says neither is too old to be believed.
pub fn is_own(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), origin) => site == "same-origin" && origin.is_none_or(|origin| is_origin(origin, public_url)),
        (None, Some(origin)) => is_origin(origin, public_url),
        (None, None) => false,
    }
}

/// Whether `https://host[:port]` is where our own pages are.
fn is_origin(origin: &str, public_url: &str) -> bool {
    url::Url::parse(public_url).is_ok_and(|own| own.origin().ascii_serialization() == origin)
}

fn foreign() -> Refusal {
    let sentence = "This form did not come from a page of this gateway, or its sign-in is over.";
    Refusal::new(Code::NotAllowed, sentence).hint("Open the page again and try once more.")
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_our_own_pages_are_our_own() {
        let own = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v)));
            is_own(&pairs.collect(), "https://models.example.com/hf")
        };
        assert!(own(&[("sec-fetch-site", "same-origin")]));
        assert!(own(&[("sec-fetch-site", "same-origin"), ("origin", "https://models.example.com")]));
        assert!(own(&[("origin", "https://models.example.com")]));
        for other in
            ["null", "https://evil.example", "http://models.example.com", "https://models.example.com.evil.example"]
        {
            assert!(!own(&[("origin", other)]), "{other}");
            assert!(!own(&[("sec-fetch-site", "same-origin"), ("origin", other)]), "{other}");
        }
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!own(&[("sec-fetch-site", site), ("origin", "https://models.example.com")]), "{site}");
        }
        assert!(!own(&[]));
    }
}
