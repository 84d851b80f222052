//! The identity providers: how they are configured, and what they publish about themselves, kept while it is fresh.
//!
//! Never signs anybody in, and never believes a document that names another issuer or leads off TLS.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use crate::{domain::refusal::Fault, outbound::Outbound};

/// All of them, in the order of the configuration. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Providers(Arc<Vec<Arc<Provider>>>);

/// How one is configured.
pub struct Setting {
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<String>,
    pub groups_claim: Option<String>,
    pub groups_limit: usize,
    pub scopes: Vec<String>,
    /// Whether a pushed person's user name is what its tokens call `sub`; else it is the external id.
    pub subject_is_user_name: bool,
    /// What a step-up must be worth.
    pub acr: Option<String>,
}

pub struct Provider {
    pub setting: Setting,
    outbound: Outbound,
    document: Mutex<Kept<Document>>,
    keys: Mutex<Kept<serde_json::Value>>,
    /// When they were last asked for because of a key that is not among them.
    newer: Mutex<Option<Instant>>,
}

/// What a provider says about itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    pub end_session_endpoint: Option<String>,
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Vec<String>,
}

struct Kept<T> {
    value: Option<Arc<T>>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { value: None, fetched: None, tried: None }
    }
}

impl<T> Kept<T> {
    fn is_fresh(&self, span: Duration) -> bool {
        self.fetched.is_some_and(|at| at.elapsed() < span)
    }

    fn was_tried(&self, span: Duration) -> bool {
        self.tried.is_some_and(|at| at.elapsed() < span)
    }

    fn keep(&mut self, value: T) -> Arc<T> {
        self.fetched = Some(Instant::now());
        self.value.insert(Arc::new(value)).clone()
    }
}

impl Providers {
    pub fn new(settings: Vec<Setting>, allow_private_addresses: bool) -> Result<Self, Fault> {
        let outbound = Outbound::new(allow_private_addresses)?;
        let one = |setting| {
            Arc::new(Provider {
                setting,
                outbound: outbound.clone(),
                document: Mutex::default(),
                keys: Mutex::default(),
                newer: Mutex::default(),
            })
        };
        Ok(Self(Arc::new(settings.into_iter().map(one).collect())))
    }

    pub fn find(&self, name: &str) -> Option<Arc<Provider>> {
        self.0.iter().find(|one| one.setting.name == name).cloned()
    }

    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|one| one.setting.name.clone()).collect()
    }
}

impl Provider {
    /// Its discovery document: fetched once an hour, and the one before for as long as it cannot be reached.
    pub async fn document(&self) -> Result<Arc<Document>, Fault> {
        let mut kept = self.document.lock().await;
        if let Some(value) = kept.value.as_ref().filter(|_| kept.is_fresh(HOUR)) {
            return Ok(value.clone());
        }
        if kept.was_tried(SOON) {
            return kept.value.clone().ok_or_else(|| self.down("it did not answer a moment ago"));
        }
        kept.tried = Some(Instant::now());
        match self.fetch_document().await {
            Ok(document) => Ok(kept.keep(document)),
            Err(fault) => {
                // From the end of the try: whoever waited for it does not begin another.
                kept.tried = Some(Instant::now());
                tracing::warn!(provider = self.setting.name, %fault, "a provider cannot be asked who it is");
                kept.value.clone().ok_or(fault)
            }
        }
    }

    /// The keys it signs with, as it publishes them.
    pub async fn keys(&self) -> Result<Arc<serde_json::Value>, Fault> {
        self.keys_not_older_than(HOUR).await
    }

    /// The same after a token was signed with a key that is not among them: asked again, but at most once a minute, for
    /// whoever sends such tokens could make us ask for ever.
    pub async fn newer_keys(&self) -> Result<Arc<serde_json::Value>, Fault> {
        let mut last = self.newer.lock().await;
        if last.is_some_and(|at| at.elapsed() < Duration::from_mins(1)) {
            return self.keys().await;
        }
        *last = Some(Instant::now());
        self.keys_not_older_than(Duration::ZERO).await
    }

    async fn keys_not_older_than(&self, span: Duration) -> Result<Arc<serde_json::Value>, Fault> {
        let document = self.document().await?;
        let mut kept = self.keys.lock().await;
        if let Some(value) = kept.value.as_ref().filter(|_| kept.is_fresh(span)) {
            return Ok(value.clone());
        }
        if span > Duration::ZERO && kept.was_tried(SOON) {
            return kept.value.clone().ok_or_else(|| self.down("its keys could not be fetched a moment ago"));
        }
        kept.tried = Some(Instant::now());
        match self.fetch_json(&document.jwks_uri).await {
            Ok(keys) => Ok(kept.keep(keys)),
            Err(fault) => {
                kept.tried = Some(Instant::now());
                kept.value.clone().ok_or(fault)
            }
        }
    }

    /// Sends what a sign-in sends to the token endpoint.
    pub async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, Fault> {
        let reply = self.outbound.send(request).await?;
        if reply.status.is_server_error() {
            return Err(self.down("it answers with an error of its own"));
        }
        let mut response = http::Response::new(reply.body);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        Ok(response)
    }

    async fn fetch_document(&self) -> Result<Document, Fault> {
        let issuer = self.setting.issuer.trim_end_matches('/');
        let found = self.fetch_json(&format!("{issuer}/.well-known/openid-configuration")).await?;
        let document: Document = serde_json::from_value(found)
            .map_err(|_| self.down("its discovery document lacks what a sign-in needs"))?;
        if document.issuer != self.setting.issuer {
            return Err(self.down("its discovery document names another issuer"));
        }
        let places = [&document.authorization_endpoint, &document.token_endpoint, &document.jwks_uri];
        if !places.into_iter().chain(&document.end_session_endpoint).all(|place| is_safe(place)) {
            return Err(self.down("its discovery document leads to an address without TLS"));
        }
        Ok(document)
    }

    async fn fetch_json(&self, url: &str) -> Result<serde_json::Value, Fault> {
        let reply = self.outbound.get(url).await?;
        if !reply.status.is_success() {
            return Err(self.down(&format!("it answers {} where it publishes itself", reply.status.as_u16())));
        }
        serde_json::from_slice(&reply.body).map_err(|_| self.down("what it publishes is not JSON"))
    }

    fn down(&self, why: &str) -> Fault {
        Fault::new(format!("asking the provider {}: {why}", self.setting.name)).passing()
    }
}

/// Over TLS, or on this very machine.
fn is_safe(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let local = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && local)
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({} at {})", self.setting.name, self.setting.issuer)
    }
}

const HOUR: Duration = Duration::from_hours(1);
/// One that is down is not asked again by everybody who comes.
const SOON: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_or_this_machine_is_safe() {
        for good in ["https://login.example.com/a", "http://127.0.0.1:1/a", "http://localhost/", "http://[::1]/"] {
            assert!(is_safe(good), "{good}");
        }
        for bad in ["http://login.example.com/", "http://localhost.example.com/", "ftp://127.0.0.1/", "/a", ""] {
            assert!(!is_safe(bad), "{bad}");
        }
    }
}
