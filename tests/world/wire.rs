//! Plain requests, for what a test has to see on the wire itself.
//!
//! Follows no redirect and understands nothing: a reply is its status, headers and bytes.

use std::time::Duration;

use reqwest::{Client, Method, header::HeaderMap, redirect};
use serde_json::Value;

use crate::world::World;

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    /// A header's text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl World {
    pub async fn get(&self, path: &str, token: &str) -> Reply {
        self.ask("GET", path, token, &[]).await
    }

    pub async fn head(&self, path: &str, token: &str) -> Reply {
        self.ask("HEAD", path, token, &[]).await
    }

    /// One request; an empty token sends none.
    pub async fn ask(&self, method: &str, path: &str, token: &str, headers: &[(&str, &str)]) -> Reply {
        ask(method, &format!("{}{path}", self.url()), token, headers).await.unwrap()
    }
}

pub async fn ask(method: &str, url: &str, token: &str, headers: &[(&str, &str)]) -> reqwest::Result<Reply> {
    let mut request = client().request(Method::from_bytes(method.as_bytes()).unwrap(), url);
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let reply = request.send().await?;
    let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
    Ok(Reply { status, headers, body: reply.bytes().await?.to_vec() })
}

/// Asks until the file is there: waits as long as it is told to, as huggingface_hub does.
pub async fn patient(url: &str, token: &str, headers: &[(&str, &str)]) -> reqwest::Result<Reply> {
    for _ in 0..60 {
        let reply = ask("GET", url, token, headers).await?;
        if !matches!(reply.status, 429 | 503) {
            return Ok(reply);
        }
        let seconds = reply.header("retry-after").parse().unwrap_or(1);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
    ask("GET", url, token, headers).await
}

/// Looks at no certificate: that is what curl, openssl and the stock clients are for.
pub fn client() -> Client {
    let builder = Client::builder().redirect(redirect::Policy::none()).no_proxy();
    builder.tls_danger_accept_invalid_certs(true).build().unwrap()
}

/// Sends a request that a test composed.
pub async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let reply = request.send().await.unwrap();
    let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
    Reply { status, headers, body: reply.bytes().await.unwrap().to_vec() }
}
