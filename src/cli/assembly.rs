//! Putting the parts together, as the configuration says.
//!
//! `Host` is what a host's command needs to change something: the gate and the ledger beside a running gateway.

use std::sync::Arc;

use crate::{
    app::{
        Answers, App, Basis, Bells, Face, Recent, Stopping,
        providers::{Providers, Setting},
        storage::Storage,
        vigils::Vigils,
    },
    blobs::Blobs,
    config::{Config, DirectorySubject, Identity, Provider},
    domain::refusal::Fault,
    gate::{self, Gate, Parts, access::Access, admission::Admission},
    intake::change,
    keys::SealKey,
    ledger::{self, Ledger},
    sandbox::{self, Sandbox},
    store::{Store, sqlite_file},
    upstream::Upstream,
};

/// The parts that have to be stopped in order at the end.
pub struct Host {
    pub gate: Gate,
    pub ledger: Ledger,
    pub store: Store,
    pub upstream: Upstream,
}

impl Host {
    pub async fn open(config: &Config, public_url: &str, migrate: bool) -> Result<Self, Fault> {
        let store = Store::open(&config.database_url, migrate).await?;
        let settings = ledger::Settings { data_dir: config.data_dir.clone(), replica: config.replica.clone() };
        let ledger = Ledger::open(store.clone(), settings).await?;
        let upstream = Upstream::new(config.upstream_settings())?;
        let access = Access::built_in().await?;
        let admission = Admission::built_in(&config.admission.profile).await?;
        known_environments(access.environments().chain(admission.environments()), config)?;
        let gate = Gate::new(Parts {
            identity: gate::Identity {
                namespaces: config.upstream.namespaces.clone(),
                seals: Some(Arc::new(SealKey::load_or_make(&config.data_dir)?)),
                ..config.identity.for_gate()?
            },
            store: store.clone(),
            ledger: ledger.clone(),
            access,
            admission,
            upstream: upstream.clone(),
            environments: config.environments.clone(),
            public_url: public_url.to_owned(),
        });
        Ok(Self { gate, ledger, store, upstream })
    }

    /// For one command beside a gateway that may or may not be running. Only a database that does not exist yet gets
    /// its schema: bringing an older one up to date is said aloud, by `serve` or `migrate`.
    pub async fn for_command(config: &Config) -> Result<Self, Fault> {
        let absent = sqlite_file(&config.database_url).is_some_and(|file| !file.exists());
        Self::open(config, &config.public_url, absent).await
    }

    /// Ends a command: what it wrote gets its place in the ledger now, or within a second from whoever is running.
    pub async fn close(self) {
        if let Err(fault) = self.ledger.seal_pending().await {
            tracing::warn!(%fault, "what was changed gets its ledger entry when the gateway starts");
        }
        self.ledger.stop().await;
        self.store.close().await;
    }

    pub async fn app(&self, config: &Config, public_url: &str) -> Result<App, Fault> {
        let blobs = Blobs::open(&config.blobs_url, &config.data_dir).await?;
        let sandbox = sandbox(config).await?;
        let face = Face { public_url: public_url.to_owned(), prefix: config.prefix(), hold: HOLD };
        Ok(App {
            gate: self.gate.clone(),
            blobs,
            upstream: self.upstream.clone(),
            chores: self.store.chores(),
            bells: Arc::new(Bells::default()),
            face: Arc::new(face),
            stopping: Stopping::default(),
            answers: Answers::default(),
            recent: Recent::default(),
            sandbox,
            publishers: Arc::new(config.admission.publishers.clone()),
            basis: Basis::of(change::basis::words(&self.gate, &config.admission.publishers)),
            following: Arc::new(config.following()),
            whole_file_limit: config.intake.whole_file_limit,
            storage: Storage::new(config.storage),
            vigils: Vigils::default(),
            providers: providers(&config.identity)?,
            tries: Arc::default(),
            directories: Arc::new(config.identity.directories()),
            in_background: false,
        })
    }
}

/// Where people sign in.
fn providers(identity: &Identity) -> Result<Providers, Fault> {
    let one = |provider: &Provider| Setting {
        name: provider.name.clone(),
        issuer: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        client_secret: provider.client_secret.as_ref().map(|secret| secret.expose().to_owned()),
        groups_claim: provider.groups_claim.clone(),
        groups_limit: provider.groups_limit,
        scopes: provider.scopes.clone(),
        subject_is_user_name: provider.directory_subject == DirectorySubject::UserName,
        acr: identity.acr.clone(),
    };
    Providers::new(identity.providers.iter().map(one).collect(), identity.allow_private_addresses)
}

/// Where files are scanned, and a line about how well that is locked up. Under `strict` it must be locked up whole.
async fn sandbox(config: &Config) -> Result<Sandbox, Fault> {
    let sandbox = Sandbox::new(sandbox::Limits::default());
    let strength = sandbox.strength().await?;
    if config.admission.profile == "strict" {
        strength.enough_for_strict().map_err(Fault::new)?;
    }
    match strength.statement() {
        Ok(line) => tracing::info!(line, "files are scanned in a child process"),
        Err(line) => tracing::warn!(line, "files are scanned in a child process that this system cannot lock up whole"),
    }
    Ok(sandbox)
}

/// How long a request is held for something that is under way: clients give up after ten seconds.
const HOLD: std::time::Duration = std::time::Duration::from_secs(8);

/// A policy row for an environment that nobody configured would never match: a deny written so would deny nothing.
fn known_environments<'a>(mut in_rules: impl Iterator<Item = &'a str>, config: &Config) -> Result<(), Fault> {
    let stranger = in_rules.find(|name| !config.environments.iter().any(|e| e.name.as_str() == *name));
    stranger.map_or(Ok(()), |name| {
        let names: Vec<_> = config.environments.iter().map(|e| e.name.as_str()).collect();
        let there = names.join(", ");
        Err(Fault::new(format!(
            "the policy has a row for the environment `{name}`, which is not configured; there are: {there}"
        )))
    })
}
