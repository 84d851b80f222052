//! Every key there is, with the kind of its value: what a file may hold and a variable may set.

use crate::domain::spelling::distance;

/// How a variable's text becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Switch,
    Number,
    /// In a variable, separated by commas.
    List,
    /// Names of our own choice with a text each; in a variable `name=text`, separated by commas.
    Table,
}

/// By path; `#` is a place in a list of tables.
pub(super) const KEYS: &[(&str, Kind)] = &[
    ("listen", Kind::Text),
    ("public_url", Kind::Text),
    ("data_dir", Kind::Text),
    ("database_url", Kind::Text),
    ("blobs_url", Kind::Text),
    ("reserved_namespaces", Kind::List),
    ("environments.#.name", Kind::Text),
    ("environments.#.production", Kind::Switch),
    ("environments.#.data_class", Kind::Text),
    ("environments.#.stream_unverified", Kind::Switch),
    ("upstream.url", Kind::Text),
    ("upstream.token", Kind::Text),
    ("upstream.token_file", Kind::Text),
    ("upstream.allow_hosts", Kind::List),
    ("upstream.allow_private_addresses", Kind::Switch),
    ("upstream.poll", Kind::Text),
    ("upstream.webhook_secret", Kind::Text),
    ("upstream.webhook_secret_file", Kind::Text),
    ("intake.whole_file_limit", Kind::Text),
    ("admission.profile", Kind::Text),
    ("admission.publishers.strategic", Kind::List),
    ("admission.publishers.verified", Kind::List),
    ("admission.publishers.known", Kind::List),
    ("admission.publishers.prohibited", Kind::List),
    ("storage.quota", Kind::Text),
    ("storage.keep_free", Kind::Text),
    ("storage.evict", Kind::Text),
    ("tls.cert_file", Kind::Text),
    ("tls.key_file", Kind::Text),
    ("trusted_proxies", Kind::List),
    ("upstream.namespaces.#.name", Kind::Text),
    ("upstream.namespaces.#.groups", Kind::List),
    ("upstream.namespaces.#.environments", Kind::List),
    ("identity.fresh_minutes", Kind::Number),
    ("identity.acr", Kind::Text),
    ("identity.allow_private_addresses", Kind::Switch),
    ("identity.providers.#.name", Kind::Text),
    ("identity.providers.#.issuer", Kind::Text),
    ("identity.providers.#.client_id", Kind::Text),
    ("identity.providers.#.client_secret", Kind::Text),
    ("identity.providers.#.client_secret_file", Kind::Text),
    ("identity.providers.#.groups_claim", Kind::Text),
    ("identity.providers.#.groups_limit", Kind::Number),
    ("identity.providers.#.scopes", Kind::List),
    ("identity.providers.#.directory_subject", Kind::Text),
    ("identity.roles.#.provider", Kind::Text),
    ("identity.roles.#.group", Kind::Text),
    ("identity.roles.#.role", Kind::Text),
    ("identity.roles.#.environments", Kind::List),
    ("identity.workloads.#.issuer", Kind::Text),
    ("identity.workloads.#.audience", Kind::Text),
    ("identity.workloads.#.match", Kind::Table),
    ("identity.workloads.#.role", Kind::Text),
    ("identity.workloads.#.environment", Kind::Text),
    ("identity.workloads.#.cluster", Kind::Text),
    ("identity.workloads.#.jwks_file", Kind::Text),
    ("identity.workloads.#.jwks_url", Kind::Text),
    ("identity.workloads.#.exchange", Kind::Text),
    ("drain_delay_seconds", Kind::Number),
    ("drain_timeout_seconds", Kind::Number),
    ("replica", Kind::Text),
];

pub(super) fn kind(path: &str) -> Option<Kind> {
    KEYS.iter().find(|(key, _)| *key == path).map(|(_, kind)| *kind)
}

/// Whether a path is on the way to a key: `upstream`, `environments.#`.
pub(super) fn is_section(path: &str) -> bool {
    KEYS.iter().any(|(key, _)| key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// What somebody who wrote `word` probably meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (distance(word, name), name))
        .min()
        .filter(|(far, _)| *far <= word.len() / 2 + 1)
        .map(|(_, name)| name)
}
