//! Where the keys of issuers come from, and how long they are believed.
//!
//! Keys that are known are used without waiting for anybody. Only who comes with an unknown one waits for a fetch, of which
//! there is one at a time for each issuer. An issuer that is down takes nothing away: its keys go on for a day, and that is
//! said. Never asks a host that the configuration does not name, and never sends it anything.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use http::StatusCode;
use jsonwebtoken::Algorithm;
use serde_json::Value;
use url::Url;

use super::{WorkloadRule, keys::Keys};
use crate::{
    domain::refusal::{Code, Fault, Refusal},
    outbound::Outbound,
    tasks,
};

/// Every issuer whose tokens are taken. Cheap to clone; the keys are shared.
#[derive(Clone, Debug, Default)]
pub struct Issuers(Arc<BTreeMap<String, Arc<Issuer>>>);

/// How an issuer's keys stand in this process.
#[derive(Clone, Debug)]
pub struct IssuerState {
    pub issuer: String,
    /// Where its keys come from.
    pub from: String,
    /// How many are known.
    pub keys: usize,
    /// How long ago they were heard; `None` when they never were.
    pub age: Option<Duration>,
    /// Why the last try to hear them failed.
    pub trouble: Option<String>,
}

impl Issuers {
    pub fn of(rules: &[WorkloadRule], allow_private_addresses: bool) -> Result<Self, Fault> {
        let mut all = BTreeMap::new();
        if rules.is_empty() {
            return Ok(Self::default());
        }
        let out = Outbound::new(allow_private_addresses)?;
        for rule in rules {
            // Rules of one issuer name one place, or leave it to the others: the configuration sees to it.
            let named = rules.iter().filter(|other| other.issuer == rule.issuer);
            let file = named.clone().find_map(|rule| rule.jwks_file.clone()).map(Place::File);
            let place = file.or_else(|| named.clone().find_map(|rule| rule.jwks_url.clone()).map(Place::Address));
            let place = place.unwrap_or(Place::Discovery);
            let name = rule.issuer.clone();
            let issuer =
                Issuer { name: name.clone(), place, out: out.clone(), now: RwLock::default(), one: Arc::default() };
            all.insert(name, Arc::new(issuer));
        }
        Ok(Self(Arc::new(all)))
    }

    pub(super) fn find(&self, name: &str) -> Option<&Arc<Issuer>> {
        self.0.get(name)
    }

    pub fn states(&self) -> Vec<IssuerState> {
        self.0.values().map(|issuer| issuer.state()).collect()
    }

    /// Asks every issuer now, whatever is known: for whoever wants to know whether it can be asked.
    pub async fn ask_all(&self) -> Vec<IssuerState> {
        let all: Vec<_> = self.0.values().cloned().collect();
        let asked = all.iter().map(|issuer| issuer.clone().fetch(Why::New));
        futures_util::future::join_all(asked).await;
        self.states()
    }

    /// Whether keys are used that could not be heard again.
    pub fn are_stale(&self) -> bool {
        self.states().iter().any(|state| state.trouble.is_some())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Discovery,
    Address(String),
    File(PathBuf),
}

/// One issuer and its keys.
#[derive(Debug)]
pub(super) struct Issuer {
    name: String,
    place: Place,
    out: Outbound,
    /// Held for the length of a copy, never while anything is waited for.
    now: RwLock<Known>,
    /// Who fetches holds it; nobody who finds their key waits for it.
    one: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    keys: Option<Arc<Keys>>,
    heard: Option<Instant>,
    tried: Option<Instant>,
    /// When somebody came with a key that was not known, and we asked.
    searched: Option<Instant>,
    trouble: Option<String>,
}

/// Why keys are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    New,
    UnknownKey,
    Age,
}

impl Known {
    fn usable(&self) -> Option<&Arc<Keys>> {
        self.keys.as_ref().filter(|_| self.heard.is_some_and(|at| at.elapsed() < BELIEVED))
    }

    fn may_search(&self) -> bool {
        let waited = |since: Option<Instant>, pause: Duration| since.is_none_or(|at| at.elapsed() >= pause);
        if self.trouble.is_some() { waited(self.tried, AFTER_TROUBLE) } else { waited(self.searched, SEARCH) }
    }
}

impl Issuer {
    /// The keys among which the one is that a header means.
    pub async fn keys(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Result<Arc<Keys>, Refusal> {
        let known = self.known();
        if let Some(keys) = known.usable().filter(|keys| keys.has(id, algorithm)) {
            self.refresh_if_old(&known);
            return Ok(keys.clone());
        }
        let why = if known.keys.is_some() { Why::UnknownKey } else { Why::New };
        if known.may_search() || self.one.try_lock().is_err() {
            // In a task of its own: whoever asked may leave, and others wait for the same.
            let search = tasks::spawn(self.clone().search(why, id.map(str::to_owned), algorithm));
            if tokio::time::timeout(PATIENCE, search).await.is_err() {
                return Err(self.unreachable("it has not answered yet"));
            }
        }
        let known = self.known();
        match known.usable().filter(|keys| keys.has(id, algorithm)) {
            Some(keys) => Ok(keys.clone()),
            None => match &known.trouble {
                Some(trouble) => Err(self.unreachable(trouble)),
                None => Err(super::wrong("its issuer has published no key that signs like it and is named as it says")),
            },
        }
    }

    /// Waits for whoever is fetching, and fetches where that did not help.
    async fn search(self: Arc<Self>, why: Why, id: Option<String>, algorithm: Algorithm) {
        let one = self.one.clone();
        let _alone = one.lock().await;
        let known = self.known();
        let found = known.usable().is_some_and(|keys| keys.has(id.as_deref(), algorithm));
        if !found && known.may_search() {
            self.fetch_alone(why).await;
        }
    }

    fn refresh_if_old(self: &Arc<Self>, known: &Known) {
        let fresh_for = if matches!(self.place, Place::File(_)) { FRESH_FILE } else { FRESH };
        let old = known.heard.is_none_or(|at| at.elapsed() >= fresh_for);
        let waited = known.tried.is_none_or(|at| at.elapsed() >= fresh_for.min(SEARCH));
        if old && waited && self.one.try_lock().is_ok() {
            drop(tasks::spawn(self.clone().fetch(Why::Age)));
        }
    }

    async fn fetch(self: Arc<Self>, why: Why) {
        let one = self.one.clone();
        let _alone = one.lock().await;
        let tried = self.known().tried;
        if why == Why::Age && tried.is_some_and(|at| at.elapsed() < FRESH_FILE) {
            return;
        }
        self.fetch_alone(why).await;
    }

    async fn fetch_alone(&self, why: Why) {
        let asked = tokio::time::timeout(PATIENCE, self.ask()).await;
        let heard = asked.unwrap_or_else(|_| Err("it did not answer in time".to_owned()));
        let mut known = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.tried = Some(now);
        if why == Why::UnknownKey {
            known.searched = Some(now);
        }
        match heard {
            Ok(keys) => {
                if known.trouble.take().is_some() {
                    tracing::info!(issuer = self.name, keys = keys.len(), "the keys of an issuer are heard again");
                }
                (known.keys, known.heard) = (Some(Arc::new(keys)), Some(now));
            }
            Err(trouble) => {
                let age = known.heard.map(|at| at.elapsed());
                tracing::warn!(
                    issuer = self.name,
                    trouble,
                    ?age,
                    "the keys of an issuer cannot be heard; those known are used"
                );
                known.trouble = Some(trouble);
            }
        }
    }

    async fn ask(&self) -> Result<Keys, String> {
        let address = match &self.place {
            Place::File(path) => {
                let bytes = tokio::fs::read(path).await.map_err(|error| format!("{}: {error}", path.display()))?;
                return Keys::read(&bytes).map_err(str::to_owned);
            }
            Place::Address(address) => address.clone(),
            Place::Discovery => self.discover().await?,
        };
        Keys::read(&self.get(&address).await?).map_err(str::to_owned)
    }

    /// The address of the keys, as the issuer itself says it: at its own host, or not at all.
    async fn discover(&self) -> Result<String, String> {
        let place = format!("{}/.well-known/openid-configuration", self.name.trim_end_matches('/'));
        let document: Value = serde_json::from_slice(&self.get(&place).await?)
            .map_err(|_| "its discovery document is not JSON".to_owned())?;
        let text = |key: &str| document.get(key).and_then(Value::as_str);
        if text("issuer") != Some(self.name.as_str()) {
            return Err("its discovery document is another issuer's".to_owned());
        }
        let keys = text("jwks_uri").ok_or("its discovery document names no keys")?;
        let at = |url: &str| Url::parse(url).ok().map(|url| url.origin());
        if at(keys).is_none_or(|origin| !origin.is_tuple() || Some(origin) != at(&self.name)) {
            return Err("its keys are at another host; name their address as `jwks_url` if that is right".to_owned());
        }
        Ok(keys.to_owned())
    }

    async fn get(&self, address: &str) -> Result<Vec<u8>, String> {
        let request =
            http::Request::get(address).header("accept", "application/json, application/jwk-set+json, */*;q=0.5");
        let request = request.body(Vec::new()).map_err(|_| "that is no address".to_owned())?;
        let reply = self.out.send(request).await.map_err(|fault| fault.to_string())?;
        match reply.status {
            StatusCode::OK => Ok(reply.body),
            status => Err(format!("it answered {}", status.as_u16())),
        }
    }

    fn known(&self) -> Known {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn state(&self) -> IssuerState {
        let known = self.known();
        let from = match &self.place {
            Place::Discovery => "its discovery document".to_owned(),
            Place::Address(address) => address.clone(),
            Place::File(path) => path.display().to_string(),
        };
        IssuerState {
            issuer: self.name.clone(),
            from,
            keys: known.keys.map_or(0, |keys| keys.len()),
            age: known.heard.map(|at| at.elapsed()),
            trouble: known.trouble,
        }
    }

    /// Whether keys that were heard then would be used now.
    #[cfg(test)]
    pub fn would_believe(keys: Keys, heard: Instant) -> bool {
        Known { keys: Some(Arc::new(keys)), heard: Some(heard), ..Known::default() }.usable().is_some()
    }

    /// The token may be good: its holder comes back, as clients do after 503.
    fn unreachable(&self, trouble: &str) -> Refusal {
        let sentence = format!(
            "This token cannot be checked now: the keys of its issuer {} cannot be heard ({trouble}), and it is signed with none that is known.",
            self.name
        );
        Refusal::new(Code::Unavailable, sentence)
            .hint("It is tried again; ask your operator for weighbridge doctor.")
            .retry_after(10)
    }
}

/// How long keys are used without asking again; beyond it they are asked for beside the requests that use them.
const FRESH: Duration = Duration::from_mins(5);
/// The same of a file on this machine.
const FRESH_FILE: Duration = Duration::from_secs(10);
/// How long keys are believed that cannot be heard again. A key that its issuer has withdrawn lives no longer than this.
const BELIEVED: Duration = Duration::from_hours(24);
/// How often an unknown key makes us ask: whoever invents names would have us ask without end.
const SEARCH: Duration = Duration::from_mins(1);
/// How soon an issuer is asked again that did not answer.
const AFTER_TROUBLE: Duration = Duration::from_secs(10);
/// How long anybody waits for an issuer.
const PATIENCE: Duration = Duration::from_secs(10);
