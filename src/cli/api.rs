//! The little client of our own API.
//!
//! Follows no redirect: a token goes to the address it belongs to and to no other. Whatever is not ours in an answer is
//! said to be so, instead of shown.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Client, Method, Response,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
};
use serde_json::Value;
use url::{Host, Url};

use super::{
    Failure,
    sign_in::{self, SignIn},
};
use crate::domain::{name::RepoName, rev::Rev};

/// A Weighbridge and a token for it.
pub struct Api {
    client: Client,
    sign_in: SignIn,
}

/// What the gateway refused, or what kept us from hearing it.
#[derive(Debug)]
pub struct Trouble {
    pub code: String,
    pub sentence: String,
    /// When it may be worth asking again.
    pub retry_after: Option<Duration>,
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        if trouble.code == "step_up_required" { Self::StepUp(trouble.sentence) } else { Self::Failed(trouble.sentence) }
    }
}

impl Api {
    pub fn find() -> Result<Self, Failure> {
        Self::new(sign_in::find().map_err(Failure::Usage)?).map_err(Failure::Failed)
    }

    pub fn new(sign_in: SignIn) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &sign_in.token {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| format!("The token from {} has characters that no token has.", sign_in.token_from))?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .default_headers(headers)
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(90))
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .user_agent(concat!("weighbridge-cli/", env!("CARGO_PKG_VERSION")));
        if is_here(&sign_in.base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| format!("The client could not be made: {}", chain(&e)))?;
        Ok(Self { client, sign_in })
    }

    pub fn sign_in(&self) -> &SignIn {
        &self.sign_in
    }

    pub async fn get(&self, path: &str) -> Result<Value, Trouble> {
        read(self.send(Method::GET, path, &[], None).await?).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Trouble> {
        read(self.send(Method::POST, path, &[], Some(body)).await?).await
    }

    /// One request and its answer as it comes. `path` begins with `/` and is encoded.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &'static str)],
        body: Option<&Value>,
    ) -> Result<Response, Trouble> {
        let mut request = self.client.request(method, format!("{}{path}", self.sign_in.base));
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let base = &self.sign_in.base;
        request.send().await.map_err(|e| unheard(format!("{base} does not answer: {}", chain(&e))))
    }
}

/// `models/org/name`, the kind said even for models.
pub fn typed(repo: &RepoName) -> String {
    format!("{}/{}", repo.kind().word(), repo.path())
}

/// A revision as one segment of a path.
pub fn segment(rev: &Rev) -> String {
    encode(rev.as_str())
}

pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

async fn read(response: Response) -> Result<Value, Trouble> {
    let status = response.status();
    let text = |name| response.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok()).map(str::to_owned);
    let (retry_after, location) = (text(RETRY_AFTER), text(LOCATION));
    if status.is_redirection() {
        let place = location.and_then(|l| Url::parse(&l).ok()).and_then(|url| url.host_str().map(str::to_owned));
        let place = place.map_or_else(|| "elsewhere".to_owned(), |host| format!("to {host}"));
        return Err(unheard(format!(
            "The address sends us {place}. A token goes nowhere else: set the address itself."
        )));
    }
    let body = whole(response).await?;
    let value = serde_json::from_slice::<Value>(&body).ok().filter(Value::is_object);
    match value {
        Some(value) if status.is_success() => Ok(value),
        Some(problem) if problem.get("code").is_some_and(Value::is_string) => {
            let field = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
            let retry_after = retry_after.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
            let mut sentence = field("detail").to_owned();
            if !field("request").is_empty() {
                sentence = format!("{sentence} (request {})", field("request"));
            }
            Err(Trouble { code: field("code").to_owned(), sentence, retry_after })
        }
        _ => {
            let what = "not as Weighbridge does: is the address right, and what stands in front of it?";
            Err(unheard(format!("The address answered {}, {what}", status.as_u16())))
        }
    }
}

async fn whole(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    let broken = |e: reqwest::Error| unheard(format!("The answer broke off: {}", chain(&e)));
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST {
            return Err(unheard("The answer is larger than any of Weighbridge's.".to_owned()));
        }
    }
    Ok(body)
}

fn unheard(sentence: String) -> Trouble {
    Trouble { code: String::new(), sentence, retry_after: None }
}

/// An error with its causes: reqwest's own text says only that something went wrong.
pub fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = if text.is_empty() { words } else { format!("{text}: {words}") };
        }
        cause = inner.source();
    }
    match text.as_str() {
        "" if error.is_timeout() => "no answer in time".to_owned(),
        "" => "the request failed".to_owned(),
        _ => text,
    }
}

/// What runs on this machine is not behind anybody's proxy.
fn is_here(base: &str) -> bool {
    match Url::parse(base).ok().and_then(|url| url.host().map(|host| host.to_owned())) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const MOST: usize = 32 << 20;
