//! The configuration: one TOML file, every key also an environment variable, read once at the start.
//!
//! A key in the file that nobody knows refuses to start, with the nearest right name; an unknown variable only warns,
//! because orchestrators inject their own. This is the one place that reads environment variables, and it never shows a
//! secret: `Secret` prints as `(hidden)`.

mod front;
mod identity;
mod keys;
mod namespaces;
mod place;
mod secret;
mod show;
mod size;
mod sources;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use url::Url;

use self::front::{Front, own_url, public_url};
pub use self::{
    front::TlsFiles,
    identity::{DirectorySubject, Identity, Provider},
    keys::nearest,
    place::{read_secret_file, stored_sign_in},
    secret::Secret,
    sources::{Origin, Variables, log_filter, variables},
};
use crate::{
    app::{
        Following, Publishers,
        storage::{Evict, StorageRules},
    },
    domain::{name::RepoName, role::Environment, span, subnet::Network},
    gate::{
        EnvironmentSetting,
        admission::{DataClass, PROFILES},
        rights::NamespaceRule,
    },
    upstream,
};

/// Everything that can be configured, checked and with its defaults.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// Without a trailing slash.
    pub public_url: String,
    pub tls: Option<TlsFiles>,
    /// Who may say whose request it hands on.
    pub trusted_proxies: Vec<Network>,
    pub data_dir: PathBuf,
    pub database_url: String,
    pub blobs_url: String,
    pub reserved_namespaces: Vec<String>,
    pub environments: Vec<EnvironmentSetting>,
    pub upstream: Upstream,
    pub intake: Intake,
    pub admission: Admission,
    pub storage: StorageRules,
    pub identity: Identity,
    pub drain_delay: Duration,
    pub drain_timeout: Duration,
    pub replica: String,
    /// The file that was named, rather than found in this folder.
    named_file: Option<PathBuf>,
    /// What was not left at its default, by key, and who said it.
    origins: BTreeMap<String, Origin>,
    /// What is allowed and still worth saying at the start.
    warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Upstream {
    pub url: Url,
    pub token: Option<Secret>,
    pub token_file: Option<PathBuf>,
    pub allow_hosts: Vec<String>,
    pub allow_private_addresses: bool,
    /// How often each repository is looked up again; zero is never.
    pub poll: Duration,
    /// What the hub's webhook says to be heard.
    pub webhook_secret: Option<Secret>,
    pub webhook_secret_file: Option<PathBuf>,
    /// Whose repositories that are private at the hub are open to whom.
    pub namespaces: Vec<NamespaceRule>,
}

impl Config {
    /// Reads file and variables as they are for this process. `path` is what `--config` named.
    pub fn load(path: Option<PathBuf>) -> Result<Self, String> {
        Self::read(path, &variables())
    }

    /// Reads this file and nothing else: no variable outranks it.
    pub fn load_only(path: PathBuf) -> Result<Self, String> {
        Self::read(Some(path), &Variables::new())
    }

    fn read(path: Option<PathBuf>, variables: &Variables) -> Result<Self, String> {
        let given = sources::gather(path, variables)?;
        let origins = given.origins;
        let raw: Raw = given
            .table
            .try_into()
            .map_err(|e: toml::de::Error| format!("The configuration is wrong: {}", one_line(&e)))?;
        let mut config = raw.check(&origins)?;
        config.warnings.splice(0..0, given.warnings);
        config.origins = origins;
        config.named_file = given.named_file;
        Ok(config)
    }

    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether anybody has configured anything: then we are probably on the gateway's own host.
    pub fn is_given(&self) -> bool {
        !self.origins.is_empty()
    }

    pub fn named_file(&self) -> Option<&Path> {
        self.named_file.as_deref()
    }

    pub fn is_default(&self, key: &str) -> bool {
        !self.origins.contains_key(key)
    }

    /// Whether nobody has configured anything at all.
    pub fn is_bare(&self) -> bool {
        self.named_file.is_none() && self.origins.is_empty()
    }

    /// The path part of `public_url`: empty, or `/prefix`.
    pub fn prefix(&self) -> String {
        Url::parse(&self.public_url).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
    }

    pub fn upstream_settings(&self) -> upstream::Settings {
        upstream::Settings {
            url: self.upstream.url.clone(),
            token: self.upstream.token.as_ref().map(|token| token.expose().to_owned()),
            allow_hosts: self.upstream.allow_hosts.clone(),
            allow_private_addresses: self.upstream.allow_private_addresses,
            reserved_namespaces: self.reserved_namespaces.clone(),
        }
    }

    pub fn following(&self) -> Following {
        let secret = self.upstream.webhook_secret.as_ref();
        Following { every: self.upstream.poll, secret: secret.map(|secret| Following::hash(secret.expose())) }
    }

    /// The whole effective configuration as TOML, secrets hidden, each line that is not a default with its origin.
    pub fn to_toml(&self) -> String {
        show::toml(self)
    }

    /// The same as one JSON object, for scripts.
    pub fn to_json(&self) -> serde_json::Value {
        show::json(self)
    }

    /// The database's address without its password.
    pub fn shown_database_url(&self) -> String {
        secret::hide_in_url(&self.database_url)
    }
}

/// What the way into the house may cost.
#[derive(Clone, Debug)]
pub struct Intake {
    /// The largest file that is fetched whole so that it can be judged.
    pub whole_file_limit: u64,
}

/// How revisions are judged.
#[derive(Clone, Debug)]
pub struct Admission {
    /// How much of the rules enforces: `observe`, `guarded` or `strict`.
    pub profile: String,
    pub publishers: Publishers,
}

/// The file as serde sees it, once the variables were laid over it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    listen: Option<String>,
    public_url: Option<String>,
    tls: front::RawTls,
    trusted_proxies: Vec<String>,
    data_dir: Option<PathBuf>,
    database_url: Option<String>,
    blobs_url: Option<String>,
    reserved_namespaces: Vec<String>,
    environments: Vec<RawEnvironment>,
    upstream: RawUpstream,
    intake: RawIntake,
    admission: RawAdmission,
    storage: RawStorage,
    identity: identity::Raw,
    drain_delay_seconds: Option<u64>,
    drain_timeout_seconds: Option<u64>,
    replica: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEnvironment {
    name: String,
    #[serde(default = "yes")]
    production: bool,
    data_class: Option<String>,
    stream_unverified: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawIntake {
    whole_file_limit: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawAdmission {
    profile: Option<String>,
    publishers: Publishers,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawStorage {
    quota: Option<String>,
    keep_free: Option<String>,
    evict: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawUpstream {
    url: Option<String>,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    allow_hosts: Option<Vec<String>>,
    allow_private_addresses: bool,
    poll: Option<String>,
    webhook_secret: Option<Secret>,
    webhook_secret_file: Option<PathBuf>,
    namespaces: Vec<namespaces::Raw>,
}

impl Raw {
    fn check(self, origins: &BTreeMap<String, Origin>) -> Result<Config, String> {
        let mut warnings = Vec::new();
        let listen = self.listen.as_deref().unwrap_or("127.0.0.1:8080");
        let listen: SocketAddr = listen
            .parse()
            .map_err(|_| format!("`listen` must be an address with a port, such as 0.0.0.0:8080, not `{listen}`"))?;
        let tls = self.tls.check()?;
        let trusted_proxies = front::networks(&self.trusted_proxies)?;
        let public_url = match &self.public_url {
            Some(text) => public_url(text)?,
            None => own_url(listen, tls.is_some(), &mut warnings),
        };
        let proxies = !trusted_proxies.is_empty();
        let people = self.identity.has_people();
        let front = Front { listen, public_url: &public_url, tls: tls.is_some(), proxies, people };
        front.check(&mut warnings)?;
        let data_dir = self.data_dir.unwrap_or_else(|| PathBuf::from("data"));
        if data_dir.as_os_str().is_empty() {
            return Err("`data_dir` is empty".to_owned());
        }
        let admission = admission(self.admission)?;
        let mut environments = environments(self.environments)?;
        if admission.profile == "strict" {
            for (n, environment) in environments.iter_mut().enumerate() {
                let asked_for = origins.contains_key(&format!("environments.{n}.stream_unverified"));
                if asked_for && environment.stream_unverified {
                    warnings.push(format!(
                        "`environments.stream_unverified` of `{}` is off: under `strict` every file is verified whole first.",
                        environment.name
                    ));
                }
                environment.stream_unverified = false;
            }
        }
        let shown = data_dir.display();
        let database_url = self.database_url.unwrap_or_else(|| format!("sqlite://{shown}/weighbridge.db"));
        let blobs_url = self.blobs_url.unwrap_or_else(|| format!("file://{shown}/blobs"));
        Ok(Config {
            listen,
            public_url,
            tls,
            trusted_proxies,
            database_url: one_of("database_url", database_url, &["sqlite:", "postgres://", "postgresql://"])?,
            blobs_url: one_of("blobs_url", blobs_url, &["file://", "s3://"])?,
            data_dir,
            reserved_namespaces: self
                .reserved_namespaces
                .iter()
                .map(|text| namespace(text))
                .collect::<Result<_, _>>()?,
            identity: identity::check(self.identity, &environments)?,
            upstream: upstream(self.upstream, &environments, origins)?,
            environments,
            intake: intake(&self.intake)?,
            admission,
            storage: storage(&self.storage)?,
            drain_delay: seconds("drain_delay_seconds", self.drain_delay_seconds.unwrap_or(5))?,
            drain_timeout: seconds("drain_timeout_seconds", self.drain_timeout_seconds.unwrap_or(600))?,
            replica: replica(self.replica)?,
            named_file: None,
            origins: BTreeMap::new(),
            warnings,
        })
    }
}

fn one_of(key: &str, url: String, schemes: &[&str]) -> Result<String, String> {
    if schemes.iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(url);
    }
    Err(format!("`{key}` must begin with {}", schemes.join(" or ")))
}

/// A namespace of the company: what stands before the slash in a repository's name.
fn namespace(text: &str) -> Result<String, String> {
    let name = text.trim();
    if RepoName::parse(&format!("{name}/x")).is_some_and(|repo| repo.owner() == Some(name)) {
        Ok(name.to_owned())
    } else {
        Err(format!("`reserved_namespaces` has `{text}`, which no repository's owner can be called"))
    }
}

fn environments(raw: Vec<RawEnvironment>) -> Result<Vec<EnvironmentSetting>, String> {
    if raw.is_empty() {
        let data_class = DataClass::Unstated;
        let setting = |name, production: bool| {
            let stream_unverified = !production;
            Environment::new(name).map(|name| EnvironmentSetting { name, production, data_class, stream_unverified })
        };
        return Ok([setting("research", false), setting("prod", true)].into_iter().flatten().collect());
    }
    let mut all: Vec<EnvironmentSetting> = Vec::new();
    for RawEnvironment { name, production, data_class, stream_unverified } in raw {
        let wrong = || {
            format!(
                "`environments` has `{name}`: a name is up to 40 lower-case letters, digits and dashes, and not `all`"
            )
        };
        let name = Environment::new(&name).ok_or_else(wrong)?;
        if all.iter().any(|e| e.name == name) {
            return Err(format!("`environments` has `{name}` twice"));
        }
        let data_class = data_class.as_deref().unwrap_or(DataClass::Unstated.word());
        let data_class = DataClass::from_word(data_class).ok_or_else(|| {
            let words: Vec<_> = DataClass::ALL.iter().map(|class| class.word()).collect();
            format!("`environments.data_class` of `{name}` is `{data_class}`; there are: {}", words.join(", "))
        })?;
        let stream_unverified = stream_unverified.unwrap_or(!production);
        all.push(EnvironmentSetting { name, production, data_class, stream_unverified });
    }
    Ok(all)
}

fn intake(raw: &RawIntake) -> Result<Intake, String> {
    let text = raw.whole_file_limit.as_deref().unwrap_or(WHOLE_FILE_LIMIT);
    Ok(Intake { whole_file_limit: size::bytes("intake.whole_file_limit", text)? })
}

fn admission(raw: RawAdmission) -> Result<Admission, String> {
    let profile = raw.profile.unwrap_or_else(|| "guarded".to_owned());
    let names: Vec<_> = PROFILES.iter().map(|(name, _)| *name).collect();
    if !names.contains(&profile.as_str()) {
        let near = nearest(&profile, names.iter().copied());
        let near = near.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        return Err(format!("`admission.profile` is `{profile}`; there are: {}{near}", names.join(", ")));
    }
    Ok(Admission { profile, publishers: raw.publishers })
}

fn storage(raw: &RawStorage) -> Result<StorageRules, String> {
    let quota = raw.quota.as_deref().filter(|text| *text != "none");
    let quota = quota.map(|text| size::bytes("storage.quota", text)).transpose()?;
    if quota == Some(0) {
        return Err("`storage.quota` of 0 leaves no room for anything; without a limit it is `none`".to_owned());
    }
    let keep_free = raw.keep_free.as_deref().map_or(Ok(0), |text| size::bytes("storage.keep_free", text))?;
    let evict = raw.evict.as_deref().unwrap_or(Evict::default().word());
    let evict = Evict::from_word(evict).ok_or_else(|| {
        let words = Evict::ALL.map(Evict::word).join(", ");
        format!("`storage.evict` is `{evict}`; there are: {words}")
    })?;
    Ok(StorageRules { quota, keep_free, evict })
}

fn upstream(
    raw: RawUpstream,
    environments: &[EnvironmentSetting],
    origins: &BTreeMap<String, Origin>,
) -> Result<Upstream, String> {
    let text = raw.url.unwrap_or_else(|| HUB.to_owned());
    let url = Url::parse(&text).map_err(|_| "`upstream.url` is not a URL such as https://huggingface.co".to_owned())?;
    let mut allow_hosts = raw.allow_hosts.unwrap_or_else(|| HUB_HOSTS.map(str::to_owned).to_vec());
    if let (true, Some(host)) = (origins.contains_key("upstream.url"), url.host_str())
        && !allow_hosts.iter().any(|name| name == host)
    {
        allow_hosts.push(host.to_owned());
    }
    let token = match &raw.token_file {
        Some(file) => Some(read_secret_file(file).map_err(|why| format!("`upstream.token_file`: {why}"))?),
        None => raw.token.filter(|token| !token.expose().is_empty()),
    };
    Ok(Upstream {
        url,
        token,
        token_file: raw.token_file,
        allow_hosts,
        allow_private_addresses: raw.allow_private_addresses,
        poll: poll(raw.poll.as_deref().unwrap_or("1h"))?,
        webhook_secret: webhook_secret(raw.webhook_secret, raw.webhook_secret_file.as_deref())?,
        webhook_secret_file: raw.webhook_secret_file,
        namespaces: raw.namespaces.iter().map(|one| one.check(environments)).collect::<Result<_, _>>()?,
    })
}

/// `1h`, `30m`, `2d`, or `0` for never.
fn poll(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`upstream.poll` is `{text}`: write 1h, 30m or 2d, at least 1m, or 0 for never");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let seconds = span::seconds(text).ok().filter(|span| (60..=30 * span::DAY).contains(span)).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds.unsigned_abs()))
}

/// Anybody may knock at the webhook, so its secret is no word to be guessed.
fn webhook_secret(secret: Option<Secret>, file: Option<&Path>) -> Result<Option<Secret>, String> {
    let secret = match file {
        Some(file) => Some(read_secret_file(file).map_err(|why| format!("`upstream.webhook_secret_file`: {why}"))?),
        None => secret.filter(|secret| !secret.expose().is_empty()),
    };
    if secret.as_ref().is_some_and(|secret| secret.expose().len() < SHORTEST_SECRET) {
        return Err(format!("`upstream.webhook_secret` has fewer than {SHORTEST_SECRET} characters"));
    }
    Ok(secret)
}

fn seconds(key: &str, seconds: u64) -> Result<Duration, String> {
    if seconds <= 86_400 { Ok(Duration::from_secs(seconds)) } else { Err(format!("`{key}` is more than a day")) }
}

/// What entries of the ledger call this process.
fn replica(given: Option<String>) -> Result<String, String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(name) = given {
        let good = (1..=64).contains(&name.len()) && name.chars().all(fine);
        return if good {
            Ok(name)
        } else {
            Err("`replica` must be up to 64 letters, digits, dots and dashes".to_owned())
        };
    }
    let host: String = place::host_name().chars().filter(|c| fine(*c)).take(50).collect();
    let mut random = [0; 3];
    crate::keys::fill(&mut random).map_err(|fault| fault.to_string())?;
    Ok(format!("{host}-{:02x}{:02x}{:02x}", random[0], random[1], random[2]))
}

/// A parser's complaint without the excerpt it draws, which could hold a secret.
fn one_line(error: &toml::de::Error) -> String {
    error.message().replace('\n', " ")
}

fn yes() -> bool {
    true
}

const SHORTEST_SECRET: usize = 16;
const WHOLE_FILE_LIMIT: &str = "20GiB";
const HUB: &str = "https://huggingface.co";
const HUB_HOSTS: [&str; 2] = ["huggingface.co", "*.hf.co"];
