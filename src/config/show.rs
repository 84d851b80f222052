//! The effective configuration as `config check` prints it. Secrets are hidden before anything is put together.

use std::fmt::Write as _;

use serde_json::json;
use toml::Value;

use super::{
    Config, Identity,
    secret::{HIDDEN, hide_in_url},
    size,
};

pub(super) fn toml(config: &Config) -> String {
    let mut out = String::new();
    for (section, lines) in sections(config) {
        if !section.is_empty() {
            let _ = writeln!(out, "\n{section}");
        }
        for (path, value) in lines {
            let key = path.rsplit('.').next().unwrap_or(&path);
            let _ = match config.origins.get(&path) {
                Some(origin) => writeln!(out, "{key} = {value}    # {origin}"),
                None => writeln!(out, "{key} = {value}"),
            };
        }
    }
    out
}

pub(super) fn json(config: &Config) -> serde_json::Value {
    let lines = sections(config).into_iter().flat_map(|(_, lines)| lines);
    let entry = |(path, value): (String, Value)| {
        let origin = config.origins.get(&path).map(ToString::to_string);
        (path, json!({"value": value, "from": origin}))
    };
    serde_json::Value::Object(lines.map(entry).collect())
}

type Lines = Vec<(String, Value)>;

#[allow(clippy::too_many_lines, reason = "a line for each key, in the order of the file")]
fn sections(config: &Config) -> Vec<(String, Lines)> {
    let text = |text: &str| Value::String(text.to_owned());
    let list = |list: &[String]| Value::Array(list.iter().map(|t| text(t)).collect());
    let number = |seconds: u64| Value::Integer(i64::try_from(seconds).unwrap_or(i64::MAX));
    let line = |path: &str, value: Value| (path.to_owned(), value);
    let mut all = vec![(
        String::new(),
        vec![
            line("listen", text(&config.listen.to_string())),
            line("public_url", text(&config.public_url)),
            line("trusted_proxies", list(&config.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>())),
            line("data_dir", text(&config.data_dir.to_string_lossy())),
            line("database_url", text(&hide_in_url(&config.database_url))),
            line("blobs_url", text(&hide_in_url(&config.blobs_url))),
            line("reserved_namespaces", list(&config.reserved_namespaces)),
            line("drain_delay_seconds", number(config.drain_delay.as_secs())),
            line("drain_timeout_seconds", number(config.drain_timeout.as_secs())),
            line("replica", text(&config.replica)),
        ],
    )];
    if let Some(tls) = &config.tls {
        let files = [("tls.cert_file", &tls.cert_file), ("tls.key_file", &tls.key_file)];
        all.push(("[tls]".to_owned(), files.map(|(key, file)| line(key, text(&file.to_string_lossy()))).into()));
    }
    for (index, environment) in config.environments.iter().enumerate() {
        let path = |key: &str| format!("environments.{index}.{key}");
        let name = (path("name"), text(environment.name.as_str()));
        all.push((
            "[[environments]]".to_owned(),
            vec![
                name,
                (path("production"), Value::Boolean(environment.production)),
                (path("data_class"), text(environment.data_class.word())),
                (path("stream_unverified"), Value::Boolean(environment.stream_unverified)),
            ],
        ));
    }
    let upstream = &config.upstream;
    let mut lines = vec![line("upstream.url", text(&hide_in_url(upstream.url.as_str().trim_end_matches('/'))))];
    match (&upstream.token_file, &upstream.token) {
        (Some(file), _) => lines.push(line("upstream.token_file", text(&file.to_string_lossy()))),
        (None, Some(_)) => lines.push(line("upstream.token", text(HIDDEN))),
        (None, None) => {}
    }
    lines.push(line("upstream.allow_hosts", list(&upstream.allow_hosts)));
    lines.push(line("upstream.allow_private_addresses", Value::Boolean(upstream.allow_private_addresses)));
    lines.push(line("upstream.poll", text(&poll(upstream.poll.as_secs()))));
    match (&upstream.webhook_secret_file, &upstream.webhook_secret) {
        (Some(file), _) => lines.push(line("upstream.webhook_secret_file", text(&file.to_string_lossy()))),
        (None, Some(_)) => lines.push(line("upstream.webhook_secret", text(HIDDEN))),
        (None, None) => {}
    }
    all.push(("[upstream]".to_owned(), lines));
    for (n, rule) in upstream.namespaces.iter().enumerate() {
        let path = |key: &str| format!("upstream.namespaces.{n}.{key}");
        let environments: Vec<String> = rule.environments.iter().map(ToString::to_string).collect();
        let lines = vec![
            (path("name"), text(&rule.name)),
            (path("groups"), list(&rule.groups)),
            (path("environments"), list(&environments)),
        ];
        all.push(("[[upstream.namespaces]]".to_owned(), lines));
    }
    let limit = text(&size::text(config.intake.whole_file_limit));
    all.push(("[intake]".to_owned(), vec![line("intake.whole_file_limit", limit)]));
    let admission = &config.admission;
    all.push(("[admission]".to_owned(), vec![line("admission.profile", text(&admission.profile))]));
    let publishers = &admission.publishers;
    let tiers = [
        ("strategic", &publishers.strategic),
        ("verified", &publishers.verified),
        ("known", &publishers.known),
        ("prohibited", &publishers.prohibited),
    ];
    let lines = tiers.map(|(tier, names)| line(&format!("admission.publishers.{tier}"), list(names)));
    all.push(("[admission.publishers]".to_owned(), lines.into()));
    let storage = &config.storage;
    let quota = storage.quota.map_or_else(|| "none".to_owned(), |bytes| bytes.to_string());
    let lines = vec![
        line("storage.quota", text(&quota)),
        line("storage.keep_free", text(&storage.keep_free.to_string())),
        line("storage.evict", text(storage.evict.word())),
    ];
    all.push(("[storage]".to_owned(), lines));
    all.extend(identity(&config.identity));
    all
}

fn identity(identity: &Identity) -> Vec<(String, Lines)> {
    let text = |text: &str| Value::String(text.to_owned());
    let list = |list: &[String]| Value::Array(list.iter().map(|t| text(t)).collect());
    let minutes = i64::try_from(identity.fresh_for.as_secs() / 60).unwrap_or(i64::MAX);
    let mut lines = vec![("identity.fresh_minutes".to_owned(), Value::Integer(minutes))];
    lines.extend(identity.acr.as_deref().map(|acr| ("identity.acr".to_owned(), text(acr))));
    let private = Value::Boolean(identity.allow_private_addresses);
    lines.push(("identity.allow_private_addresses".to_owned(), private));
    let mut all = vec![("[identity]".to_owned(), lines)];
    for (index, provider) in identity.providers.iter().enumerate() {
        let path = |key: &str| format!("identity.providers.{index}.{key}");
        let mut lines = vec![
            (path("name"), text(&provider.name)),
            (path("issuer"), text(&provider.issuer)),
            (path("client_id"), text(&provider.client_id)),
        ];
        match (&provider.client_secret_file, &provider.client_secret) {
            (Some(file), _) => lines.push((path("client_secret_file"), text(&file.to_string_lossy()))),
            (None, Some(_)) => lines.push((path("client_secret"), text(HIDDEN))),
            (None, None) => {}
        }
        let limit = i64::try_from(provider.groups_limit).unwrap_or(i64::MAX);
        lines.extend([
            (path("groups_claim"), text(provider.groups_claim.as_deref().unwrap_or_default())),
            (path("groups_limit"), Value::Integer(limit)),
            (path("scopes"), list(&provider.scopes)),
            (path("directory_subject"), text(provider.directory_subject.word())),
        ]);
        all.push(("[[identity.providers]]".to_owned(), lines));
    }
    for (index, row) in identity.mapping.0.iter().enumerate() {
        let path = |key: &str| format!("identity.roles.{index}.{key}");
        let reach: Vec<String> = row.reach.to_string().split(',').map(str::to_owned).collect();
        let mut lines: Lines = row.provider.iter().map(|name| (path("provider"), text(name))).collect();
        lines.extend([
            (path("group"), text(&row.group)),
            (path("role"), text(row.role.word())),
            (path("environments"), list(&reach)),
        ]);
        all.push(("[[identity.roles]]".to_owned(), lines));
    }
    for (index, rule) in identity.workloads.iter().enumerate() {
        let path = |key: &str| format!("identity.workloads.{index}.{key}");
        let claims = rule.claims.iter().map(|(path, value)| (path.clone(), text(value))).collect();
        let mut lines = vec![
            (path("issuer"), text(&rule.issuer)),
            (path("audience"), text(&rule.audience)),
            (path("match"), Value::Table(claims)),
            (path("role"), text(rule.role.word())),
            (path("environment"), text(rule.environment.as_str())),
        ];
        lines.extend(rule.cluster.as_deref().map(|cluster| (path("cluster"), text(cluster))));
        lines.extend(rule.jwks_file.as_deref().map(|file| (path("jwks_file"), text(&file.to_string_lossy()))));
        lines.extend(rule.jwks_url.as_deref().map(|url| (path("jwks_url"), text(url))));
        lines.push((path("exchange"), text(if rule.exchange_again { "again" } else { "once" })));
        all.push(("[[identity.workloads]]".to_owned(), lines));
    }
    all
}

/// A span of time as it is written in the file.
fn poll(seconds: u64) -> String {
    match seconds {
        0 => "0".to_owned(),
        _ if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        _ if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}
