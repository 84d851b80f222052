//! The way out to everything but the hub: one maker of HTTP clients, each held to the hosts it is for.
//!
//! Nothing is followed elsewhere, nothing is waited for without end, nothing is read without end, and what came back is
//! never shown: whoever asks says what they expected instead. Never sends anything of ours but what its caller gives it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

use crate::domain::{
    network::{is_public, is_usable},
    refusal::Fault,
};

/// A client for one or a few hosts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: reqwest::Client,
    allow_private: bool,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Outbound {
    pub fn new(allow_private: bool) -> Result<Self, Fault> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(PATIENCE)
            .no_proxy()
            .dns_resolver(Arc::new(Judged { allow_private }))
            .user_agent(concat!("weighbridge/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Fault::because("making an HTTP client", error))?;
        Ok(Self { client, allow_private })
    }

    /// Sends a request to a host that its caller has been configured for.
    pub async fn send(&self, request: http::Request<Vec<u8>>) -> Result<Reply, Fault> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let failed = |what: &str| Fault::new(format!("asking {host}: {what}")).passing();
        let url = Url::parse(&request.uri().to_string()).map_err(|_| failed("that is no address"))?;
        if !self.may_ask(&url) {
            return Err(Fault::new(format!(
                "asking {host}: its address is private or not over TLS, which is not allowed here"
            )));
        }
        let request =
            reqwest::Request::try_from(request).map_err(|_| failed("the request could not be put together"))?;
        // The error could name an address with a secret in it, so its kind is all that is told.
        let answer = self.client.execute(request).await.map_err(|error| failed(kind(&error)))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        let mut parts = answer.bytes_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| failed(kind(&error)))?;
            if body.len() + part.len() > LARGEST {
                return Err(failed("its answer is too large"));
            }
            body.extend_from_slice(&part);
        }
        Ok(Reply { status, headers, body })
    }

    pub async fn get(&self, url: &str) -> Result<Reply, Fault> {
        let request = http::Request::get(url).header("accept", "application/json").body(Vec::new());
        self.send(request.map_err(|_| Fault::new("asking another host: that is no address"))?).await
    }

    /// Over TLS, or to this very machine. Names are judged again when they are looked up.
    fn may_ask(&self, url: &Url) -> bool {
        let (literal, local) = match url.host() {
            Some(url::Host::Ipv4(ip)) => (Some(ip.into()), ip.is_loopback()),
            Some(url::Host::Ipv6(ip)) => (Some(ip.into()), ip.is_loopback()),
            Some(url::Host::Domain(name)) => (None, name == "localhost"),
            None => return false,
        };
        let fits = |ip| if self.allow_private { is_usable(ip) } else { is_public(ip) };
        let judged = literal.is_none_or(fits);
        (url.scheme() == "https" || (url.scheme() == "http" && local)) && judged
    }
}

/// Looks names up and leaves out the addresses that must not be asked.
struct Judged {
    allow_private: bool,
}

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = self.allow_private;
        Box::pin(async move {
            let all: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let fine: Vec<SocketAddr> =
                all.into_iter().filter(|at| if allow { is_usable(at.ip()) } else { is_public(at.ip()) }).collect();
            if fine.is_empty() {
                return Err("every address of this name is private".into());
            }
            Ok(Box::new(fine.into_iter()) as Addrs)
        })
    }
}

fn kind(error: &reqwest::Error) -> &'static str {
    match error {
        e if e.is_timeout() => "it did not answer in time",
        e if e.is_connect() => "there is no connection to it",
        _ => "the answer broke off",
    }
}

const PATIENCE: Duration = Duration::from_secs(15);
const LARGEST: usize = 2 << 20;
