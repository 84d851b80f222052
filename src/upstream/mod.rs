//! The public hub, seen from here: what it says of repositories, and the bytes of their files.
//!
//! Plain HTTP with redirects followed by hand: every hop is checked against the list of hosts and addresses before
//! anything is sent, and only the configured origin ever sees the token. Never uses Xet, never keeps a cookie, never
//! stores a byte, and never decides whether what it brings may be served.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::disallowed_methods,
        reason = "a test fails by panicking and drains nothing"
    )
)]

mod address;
mod answer;
mod ask;
mod budget;
mod download;
mod facts;
mod hosts;
mod owners;
mod probe;
mod recall;
mod repository;
#[cfg(test)]
mod stub;
#[cfg(test)]
mod tests;
mod trouble;

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use http::HeaderValue;
use url::Url;

use self::{address::Resolver, budget::Budget, hosts::Hosts, recall::Recall};
pub use self::{
    download::Download,
    facts::{CommitFact, RefFact, RefKind, RepoFacts, SearchHit, TreeFile},
    owners::OwnerFacts,
    probe::{HostAnswer, HostProbe},
    trouble::Trouble,
};
use crate::domain::{name::RepoName, refusal::Fault};

/// Where the hub is, and what may be reached for it.
#[derive(Clone)]
pub struct Settings {
    pub url: Url,
    pub token: Option<String>,
    /// Exact names and `*.suffix`, each with or without a port. The url's own host is always one of them.
    pub allow_hosts: Vec<String>,
    pub allow_private_addresses: bool,
    /// The company's own namespaces: nobody outside is ever asked about them.
    pub reserved_namespaces: Vec<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("host", &self.url.host_str())
            .field("token", &self.token.as_ref().map(|_| "(hidden)"))
            .field("allow_hosts", &self.allow_hosts)
            .field("allow_private_addresses", &self.allow_private_addresses)
            .field("reserved_namespaces", &self.reserved_namespaces)
            .finish_non_exhaustive()
    }
}

/// The hub, shared by everybody who asks it: one pool of connections, one budget, one memory.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    /// Whose eyes the hub is seen with, and so what it said to them.
    authorization: Option<HeaderValue>,
    recall: Recall,
}

/// What does not depend on who asks.
struct Shared {
    client: reqwest::Client,
    hosts: Hosts,
    resolver: Resolver,
    reserved: Vec<String>,
    budget: Budget,
    limits: Limits,
}

impl Deref for Inner {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Upstream {
    pub fn new(settings: Settings) -> Result<Self, Fault> {
        let resolver = Resolver::system(settings.allow_private_addresses);
        Self::build(settings, resolver, Limits::default())
    }

    fn build(settings: Settings, resolver: Resolver, limits: Limits) -> Result<Self, Fault> {
        let hosts = Hosts::new(&settings.url, &settings.allow_hosts, settings.allow_private_addresses, resolver.judge)?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(resolver.clone())
            // A proxy named in the environment would look names up for us, and no address could be checked.
            .no_proxy()
            .referer(false)
            .connect_timeout(limits.connect)
            .https_only(settings.url.scheme() == "https")
            // Another crate in this binary may switch decompression on for everybody; the length would be lost.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(8 * STREAM_WINDOW)
            .user_agent(concat!("weighbridge/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| Fault::because("making the client for the upstream hub", e.without_url()))?;
        let authorization = settings.token.as_deref().map(authorization).transpose()?.flatten();
        let reserved = settings.reserved_namespaces.into_iter().map(|n| n.trim().to_ascii_lowercase()).collect();
        let (budget, recall) = (Budget::new(&limits), Recall::new(&limits));
        let shared = Arc::new(Shared { client, hosts, resolver, reserved, budget, limits });
        Ok(Self(Arc::new(Inner { shared, authorization, recall })))
    }

    /// The same hub with another credential: one pool of connections and one budget, and a memory of its own, because
    /// what is hidden from one is there for the other.
    pub fn with_token(&self, token: &str) -> Result<Self, Fault> {
        let authorization = authorization(token)?;
        let (shared, recall) = (Arc::clone(&self.0.shared), Recall::new(&self.0.limits));
        Ok(Self(Arc::new(Inner { shared, authorization, recall })))
    }

    /// Whether a name belongs to the company and is therefore never asked for outside, in any spelling.
    pub fn is_reserved(&self, name: &RepoName) -> bool {
        self.0.is_reserved(name)
    }
}

impl Inner {
    fn is_reserved(&self, name: &RepoName) -> bool {
        name.owner().is_some_and(|owner| self.is_ours(owner))
    }

    fn is_ours(&self, namespace: &str) -> bool {
        self.reserved.iter().any(|ours| ours.eq_ignore_ascii_case(namespace))
    }

    /// Asked before every request that names a repository, the hops of a redirect included.
    fn refuse_reserved(&self, name: &RepoName) -> Result<(), Trouble> {
        if self.is_reserved(name) { Err(Trouble::Reserved) } else { Ok(()) }
    }
}

/// How long and how much: one place, so that tests can make them small.
#[derive(Clone)]
struct Limits {
    connect: Duration,
    /// From sending a request to the end of the answer's headers.
    headers: Duration,
    /// Between two pieces of a file.
    idle: Duration,
    /// A whole JSON answer, body included.
    json: Duration,
    /// How long a caller waits for its turn before it is told `Busy`.
    patience: Duration,
    /// The first pause before asking again; the second is twice as long.
    pause: Duration,
    positive: Duration,
    negative: Duration,
    answers_at_once: usize,
    downloads_at_once: usize,
    /// Parts of files, which are short and many.
    parts_at_once: usize,
    page_bytes: usize,
    list_bytes: usize,
    list_pages: usize,
    list_entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            headers: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            json: Duration::from_mins(1),
            patience: Duration::from_secs(30),
            pause: Duration::from_millis(400),
            positive: Duration::from_secs(5),
            negative: Duration::from_secs(45),
            answers_at_once: 16,
            downloads_at_once: 48,
            parts_at_once: 32,
            page_bytes: 64 << 20,
            list_bytes: 256 << 20,
            list_pages: 1_000,
            list_entries: 300_000,
        }
    }
}

/// The header is marked sensitive: whatever prints it prints `Sensitive`. An empty token is no token.
fn authorization(token: &str) -> Result<Option<HeaderValue>, Fault> {
    let token = token.trim();
    if token.is_empty() {
        return Ok(None);
    }
    let header = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut header = header.map_err(|_| Fault::new("reading the hub's token: it has characters no token has"))?;
    header.set_sensitive(true);
    Ok(Some(header))
}

/// Large enough for 200 MB/s at 20 ms: the default would hold a large file to a tenth of that.
const STREAM_WINDOW: u32 = 4 << 20;
