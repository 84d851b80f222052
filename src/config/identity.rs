//! `[identity]`: the providers people sign in with, whose groups are which roles, and whose machines are let in.
//!
//! Only reads and checks; nothing is asked of a provider here.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use url::Url;

use super::{front::is_loopback, place::read_secret_file, secret::Secret};
use crate::{
    app::directories::Directory,
    domain::{
        mapping::{Mapping, MappingRow},
        refusal::Fault,
        role::{Environment, Reach, Role},
    },
    gate::{
        self, EnvironmentSetting,
        identity::{Issuers, WorkloadRule},
    },
};

/// Everything that is configured of identity.
#[derive(Clone, Debug)]
pub struct Identity {
    /// How long a proof of who one is counts as fresh.
    pub fresh_for: Duration,
    /// What the proof must be worth.
    pub acr: Option<String>,
    /// Whether providers and issuers may have private addresses: many companies' do, and somebody says so.
    pub allow_private_addresses: bool,
    pub providers: Vec<Provider>,
    pub mapping: Mapping,
    pub workloads: Vec<WorkloadRule>,
}

/// One OpenID Connect provider.
#[derive(Clone, Debug)]
pub struct Provider {
    /// In addresses: `/-/oidc/{name}/callback`.
    pub name: String,
    /// Without a trailing slash unless the provider itself has one.
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub client_secret_file: Option<PathBuf>,
    /// Where the ID token has the groups; none where only the directory says them.
    pub groups_claim: Option<String>,
    /// From so many on a list may have been cut short by the provider, and gives no role.
    pub groups_limit: usize,
    /// Asked for beside `openid`.
    pub scopes: Vec<String>,
    /// Which attribute of a pushed person is what the provider's tokens call `sub`.
    pub directory_subject: DirectorySubject,
}

/// See `Provider::directory_subject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectorySubject {
    ExternalId,
    UserName,
}

impl DirectorySubject {
    pub fn word(self) -> &'static str {
        match self {
            Self::ExternalId => "external_id",
            Self::UserName => "user_name",
        }
    }
}

impl Identity {
    /// Whose directories may push people, and by what they call them.
    pub fn directories(&self) -> Vec<Directory> {
        let one = |provider: &Provider| Directory {
            provider: provider.name.clone(),
            issuer: provider.issuer.clone(),
            by_user_name: provider.directory_subject == DirectorySubject::UserName,
        };
        self.providers.iter().map(one).collect()
    }

    /// What the gate needs of it.
    pub fn for_gate(&self) -> Result<gate::Identity, Fault> {
        Ok(gate::Identity {
            mapping: self.mapping.clone(),
            workloads: self.workloads.clone(),
            issuers: Issuers::of(&self.workloads, self.allow_private_addresses)?,
            people: !self.providers.is_empty(),
            fresh_for: self.fresh_for,
            acr: self.acr.clone(),
            ..gate::Identity::default()
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    fresh_minutes: Option<u64>,
    acr: Option<String>,
    allow_private_addresses: bool,
    providers: Vec<RawProvider>,
    roles: Vec<RawRole>,
    workloads: Vec<RawWorkload>,
}

impl Raw {
    /// Whether people sign in at all.
    pub(super) fn has_people(&self) -> bool {
        !self.providers.is_empty()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProvider {
    name: String,
    issuer: String,
    client_id: String,
    client_secret: Option<Secret>,
    client_secret_file: Option<PathBuf>,
    groups_claim: Option<String>,
    groups_limit: Option<usize>,
    scopes: Option<Vec<String>>,
    directory_subject: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRole {
    provider: Option<String>,
    group: String,
    role: String,
    environments: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWorkload {
    issuer: String,
    audience: String,
    #[serde(rename = "match")]
    claims: BTreeMap<String, String>,
    role: String,
    environment: String,
    cluster: Option<String>,
    jwks_file: Option<PathBuf>,
    jwks_url: Option<String>,
    exchange: Option<String>,
}

pub(super) fn check(raw: Raw, environments: &[EnvironmentSetting]) -> Result<Identity, String> {
    let fresh = raw.fresh_minutes.unwrap_or(5);
    if !(1..=24 * 60).contains(&fresh) {
        return Err("`identity.fresh_minutes` is from 1 to 1440".to_owned());
    }
    let mut providers: Vec<Provider> = Vec::new();
    for one in raw.providers {
        let one = provider(one)?;
        if providers.iter().any(|other| other.name == one.name || other.issuer == one.issuer) {
            return Err(format!("`identity.providers` has the name or issuer of `{}` twice", one.name));
        }
        providers.push(one);
    }
    let mut rows = Vec::new();
    for row in raw.roles {
        rows.push(role_row(row, &providers, environments)?);
    }
    let workloads: Vec<WorkloadRule> =
        raw.workloads.into_iter().map(|row| workload(row, environments)).collect::<Result<_, _>>()?;
    one_place_each(&workloads)?;
    Ok(Identity {
        fresh_for: Duration::from_secs(fresh * 60),
        acr: raw.acr.filter(|acr| !acr.is_empty()),
        allow_private_addresses: raw.allow_private_addresses,
        providers,
        mapping: Mapping(rows),
        workloads,
    })
}

fn provider(raw: RawProvider) -> Result<Provider, String> {
    let RawProvider { name, issuer, client_id, client_secret, client_secret_file, .. } = &raw;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=40).contains(&name.len()) || !name.bytes().all(plain) {
        return Err(format!("`identity.providers.name` is `{name}`: up to 40 lower-case letters, digits and dashes"));
    }
    let issuer = issuer_url("identity.providers.issuer", issuer)?;
    if client_id.is_empty() {
        return Err(format!("`identity.providers.client_id` of `{name}` is empty"));
    }
    let secret = match (client_secret, client_secret_file) {
        (Some(_), Some(_)) => {
            return Err(format!("The provider `{name}` has both `client_secret` and `client_secret_file`: keep one."));
        }
        (_, Some(file)) => {
            Some(read_secret_file(file).map_err(|why| format!("`identity.providers.client_secret_file`: {why}"))?)
        }
        (secret, None) => secret.clone().filter(|secret| !secret.expose().is_empty()),
    };
    let directory_subject = match raw.directory_subject.as_deref().unwrap_or("external_id") {
        "external_id" => DirectorySubject::ExternalId,
        "user_name" => DirectorySubject::UserName,
        other => {
            return Err(format!("`identity.providers.directory_subject` is `{other}`: external_id or user_name"));
        }
    };
    let usual = || ["profile", "email", "groups"].map(str::to_owned).to_vec();
    Ok(Provider {
        name: raw.name,
        issuer,
        client_id: raw.client_id,
        client_secret: secret,
        client_secret_file: raw.client_secret_file,
        groups_claim: Some(raw.groups_claim.unwrap_or_else(|| "groups".to_owned())).filter(|claim| !claim.is_empty()),
        groups_limit: raw.groups_limit.unwrap_or(GROUPS_LIMIT),
        scopes: raw.scopes.unwrap_or_else(usual),
        directory_subject,
    })
}

/// Tokens and codes travel to an issuer: only over TLS, but to this very machine.
fn issuer_url(key: &str, text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| format!("`{key}` is `{text}`, which is not a URL"))?;
    let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    if !safe || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(format!(
            "`{key}` is `{text}`: an issuer is https://host[/path], as its own discovery document says it"
        ));
    }
    Ok(text.to_owned())
}

fn role_row(raw: RawRole, providers: &[Provider], environments: &[EnvironmentSetting]) -> Result<MappingRow, String> {
    let RawRole { provider, group, role, environments: names } = raw;
    if let Some(name) = provider.as_deref().filter(|name| !providers.iter().any(|p| p.name == **name)) {
        return Err(format!("`identity.roles` names the provider `{name}`, which is not configured"));
    }
    if group.is_empty() || group.len() > 400 || group.contains(['\t', '\n']) {
        return Err("`identity.roles` has a row without a group, or with one that no provider can say".to_owned());
    }
    let role = person_role(&role)?;
    Ok(MappingRow { provider, group, role, reach: reach(&names, environments)? })
}

fn person_role(word: &str) -> Result<Role, String> {
    let people: Vec<Role> = Role::ALL.into_iter().filter(|role| !role.needs_environment()).collect();
    people.iter().copied().find(|role| role.word() == word).ok_or_else(|| {
        let words: Vec<_> = people.iter().map(|role| role.word()).collect();
        format!("`identity.roles` has the role `{word}`; people can be: {}", words.join(", "))
    })
}

fn reach(names: &[String], environments: &[EnvironmentSetting]) -> Result<Reach, String> {
    if names == ["*"] {
        return Ok(Reach::All);
    }
    if names.is_empty() {
        return Err("`identity.roles` has a row without environments; [\"*\"] is all of them".to_owned());
    }
    Ok(Reach::These(names.iter().map(|name| environment(name, environments)).collect::<Result<_, _>>()?))
}

fn environment(name: &str, environments: &[EnvironmentSetting]) -> Result<Environment, String> {
    let known = environments.iter().find(|e| e.name.as_str() == name).map(|e| e.name.clone());
    known.ok_or_else(|| {
        let names: Vec<_> = environments.iter().map(|e| e.name.as_str()).collect();
        format!("`identity` names the environment `{name}`; there are: {}", names.join(", "))
    })
}

fn workload(raw: RawWorkload, environments: &[EnvironmentSetting]) -> Result<WorkloadRule, String> {
    let issuer = workload_issuer(&raw)?;
    if raw.audience.is_empty() {
        return Err(format!("The workload of {issuer} has no `audience`: a token for somebody else would be taken"));
    }
    claims(&issuer, &raw.claims)?;
    let role = match raw.role.as_str() {
        "cluster" => Role::Cluster,
        "ci" => Role::Ci,
        other => return Err(format!("`identity.workloads` has the role `{other}`: a machine is cluster or ci")),
    };
    if raw.cluster.is_some() && role != Role::Cluster {
        return Err("`identity.workloads.cluster` goes only with the role cluster".to_owned());
    }
    if let Some(file) = raw.jwks_file.as_deref().filter(|file| !Path::new(file).is_file()) {
        return Err(format!("`identity.workloads.jwks_file`: there is no file {}", file.display()));
    }
    let jwks_url = raw.jwks_url.as_deref().map(|url| issuer_url("identity.workloads.jwks_url", url)).transpose()?;
    let exchange_again = match raw.exchange.as_deref().unwrap_or("once") {
        "once" => false,
        "again" => true,
        other => return Err(format!("`identity.workloads.exchange` is `{other}`: once or again")),
    };
    Ok(WorkloadRule {
        issuer,
        audience: raw.audience,
        claims: raw.claims,
        role,
        environment: environment(&raw.environment, environments)?,
        cluster: raw.cluster,
        jwks_file: raw.jwks_file,
        jwks_url,
        exchange_again,
    })
}

/// `https://…`, or a trust domain of SPIFFE, which has no address of its own.
fn workload_issuer(raw: &RawWorkload) -> Result<String, String> {
    let Some(domain) = raw.issuer.strip_prefix("spiffe://") else {
        return issuer_url("identity.workloads.issuer", &raw.issuer);
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    if domain.is_empty() || domain.len() > 255 || !domain.bytes().all(plain) {
        return Err(format!("`identity.workloads.issuer` is `{}`: a trust domain is spiffe://name", raw.issuer));
    }
    if raw.jwks_file.is_none() && raw.jwks_url.is_none() {
        return Err(format!(
            "The trust domain {} needs `jwks_url`, the address of its bundle, or `jwks_file`: nothing else says its keys",
            raw.issuer
        ));
    }
    Ok(raw.issuer.clone())
}

/// Exact claims, and at least one that nobody else's job has.
fn claims(issuer: &str, claims: &BTreeMap<String, String>) -> Result<(), String> {
    let readable = |path: &str| {
        let escaped = path.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        !path.is_empty()
            && path.strip_prefix('/').is_none_or(|steps| escaped && steps.split('/').all(|s| !s.is_empty()))
    };
    if claims.is_empty()
        || claims.iter().any(|(path, value)| !readable(path) || value.is_empty() || value.contains('*'))
    {
        return Err(format!(
            "The workload of {issuer} needs `match = {{ sub = \"…\" }}`: claims by name, or as \"/kubernetes.io/namespace\", and the exact texts they must have, without patterns"
        ));
    }
    let mine = |path: &String| OF_ONE_OWNER.contains(&path.trim_start_matches('/'));
    if issuer == GITHUB && !claims.keys().any(mine) {
        return Err(format!(
            "The workload of {issuer} matches jobs of everybody on GitHub: add one of {}",
            OF_ONE_OWNER.join(", ")
        ));
    }
    Ok(())
}

/// An issuer has its keys in one place, however many rules it has.
fn one_place_each(rules: &[WorkloadRule]) -> Result<(), String> {
    for rule in rules {
        let same = rules.iter().filter(|other| other.issuer == rule.issuer);
        let mut places: Vec<String> = same
            .flat_map(|r| [r.jwks_file.as_ref().map(|f| f.display().to_string()), r.jwks_url.clone()])
            .flatten()
            .collect();
        places.sort_unstable();
        places.dedup();
        if places.len() > 1 {
            return Err(format!(
                "The workloads of {} name several places of its keys: {}",
                rule.issuer,
                places.join(", ")
            ));
        }
    }
    Ok(())
}

const GITHUB: &str = "https://token.actions.githubusercontent.com";
/// Claims of GitHub's that no stranger's job can have. A reusable workflow (`job_workflow_ref`) anybody may call.
const OF_ONE_OWNER: [&str; 6] =
    ["repository_id", "repository_owner_id", "sub", "repository", "repository_owner", "enterprise_id"];
/// Okta silently says no more than a hundred groups.
const GROUPS_LIMIT: usize = 100;
