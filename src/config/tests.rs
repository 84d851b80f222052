//! Precedence, unknown names, lists by index, hidden secrets, and what a `public_url` may be.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::*;

/// A file of its own, gone at the end.
struct File(PathBuf);

impl File {
    #[allow(clippy::disallowed_methods, reason = "tests")]
    fn new(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weighbridge-config-{}", ulid::Ulid::generate()));
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let file = File::new(text);
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::read(Some(file.0.clone()), &variables)
}

#[test]
fn nothing_at_all_starts_on_this_machine() {
    let config = read("", &[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.public_url, "http://127.0.0.1:8080");
    assert_eq!(
        (config.database_url.as_str(), config.blobs_url.as_str()),
        ("sqlite://data/weighbridge.db", "file://data/blobs")
    );
    assert_eq!(config.upstream.allow_hosts, ["huggingface.co", "*.hf.co"]);
    let all: Vec<_> = config.environments.iter().map(|e| (e.name.as_str(), e.production)).collect();
    assert_eq!(all, [("research", false), ("prod", true)]);
    assert!(config.warnings().is_empty() && !config.is_given() && config.prefix().is_empty());
}

#[test]
fn a_variable_outranks_the_file_and_the_file_the_default() {
    let text = "listen = '0.0.0.0:1'\ndata_dir = '/var/wb'\ndrain_delay_seconds = 1\n[upstream]\nurl = 'https://hub.corp'\ntoken = 'file'";
    let file = read(text, &[]).unwrap();
    assert_eq!(file.listen.port(), 1);
    assert_eq!(file.database_url, "sqlite:///var/wb/weighbridge.db");
    assert_eq!(file.upstream.allow_hosts, ["huggingface.co", "*.hf.co", "hub.corp"]);
    let over = read(
        text,
        &[
            ("WEIGHBRIDGE_LISTEN", "127.0.0.1:2"),
            ("WEIGHBRIDGE_UPSTREAM__TOKEN", "variable"),
            ("WEIGHBRIDGE_UPSTREAM__ALLOW_HOSTS", "a.corp, *.b.corp"),
            ("WEIGHBRIDGE_UPSTREAM__ALLOW_PRIVATE_ADDRESSES", "true"),
            ("WEIGHBRIDGE_DRAIN_DELAY_SECONDS", "0"),
            ("WEIGHBRIDGE_DATA_DIR", ""),
        ],
    )
    .unwrap();
    assert_eq!(over.listen.port(), 2);
    assert_eq!(over.upstream.token.as_ref().map(Secret::expose), Some("variable"));
    assert_eq!(over.upstream.allow_hosts, ["a.corp", "*.b.corp", "hub.corp"]);
    assert!(over.upstream.allow_private_addresses && over.drain_delay.is_zero());
    assert_eq!(over.data_dir, Path::new("/var/wb"), "an empty variable is not set");
}

#[test]
fn a_secret_named_two_ways_is_one_secret() {
    let secret = File::new("from-the-file\n");
    let path = secret.0.to_str().unwrap();
    let over = read("[upstream]\ntoken = 'file'", &[("WEIGHBRIDGE_UPSTREAM__TOKEN_FILE", path)]).unwrap();
    assert_eq!(over.upstream.token.as_ref().map(Secret::expose), Some("from-the-file"));
    assert!(read("[upstream]\ntoken = 'a'\ntoken_file = 'b'", &[]).is_err());
    let both = [("WEIGHBRIDGE_UPSTREAM__TOKEN", "t"), ("WEIGHBRIDGE_UPSTREAM__TOKEN_FILE", path)];
    assert!(read("", &both).is_err());
    assert!(read("[upstream]\ntoken_file = '/nowhere/at/all'", &[]).is_err_and(|why| why.contains("/nowhere/at/all")));
}

#[test]
fn the_hub_is_followed_every_hour_unless_somebody_says_otherwise() {
    let every = |text: &str| read("", &[("WEIGHBRIDGE_UPSTREAM__POLL", text)]).map(|c| c.upstream.poll.as_secs());
    assert_eq!(read("", &[]).map(|c| c.upstream.poll.as_secs()), Ok(3600));
    assert_eq!((every("0"), every("90m"), every("2d"), every("60s")), (Ok(0), Ok(5400), Ok(172_800), Ok(60)));
    for bad in ["1", "5s", "-1h", "1w", "h", "99999999999999999999d", "31d", "1\u{e9}"] {
        assert!(every(bad).is_err_and(|why| why.contains("upstream.poll")), "{bad}");
    }
    let secret = |text: &str| read("", &[("WEIGHBRIDGE_UPSTREAM__WEBHOOK_SECRET", text)]);
    let config = secret("sixteen-letters!").unwrap();
    assert_eq!(config.following().hears("sixteen-letters!"), Some(true));
    assert_eq!(config.following().hears("sixteen-letters?"), Some(false));
    assert!(!config.to_toml().contains("sixteen") && !config.to_json().to_string().contains("sixteen"));
    assert_eq!(read("", &[]).unwrap().following().hears(""), None);
    assert!(secret("short").is_err_and(|why| why.contains("upstream.webhook_secret") && !why.contains("short")));
    let both = "[upstream]\nwebhook_secret = 'sixteen-letters!'\nwebhook_secret_file = '/x'";
    assert!(read(both, &[]).is_err_and(|why| why.contains("keep one")));
}

#[test]
fn a_table_in_a_table_can_be_set_by_a_variable() {
    let variable = [("WEIGHBRIDGE_ADMISSION__PUBLISHERS__PROHIBITED", "acme, other")];
    let config = read("[admission.publishers]\nverified = ['good']", &variable).unwrap();
    assert_eq!(config.admission.publishers.prohibited, ["acme", "other"]);
    assert_eq!(config.admission.publishers.verified, ["good"]);
    assert_eq!(read("", &variable).unwrap().admission.publishers.prohibited, ["acme", "other"]);
}

#[test]
fn an_unknown_key_refuses_with_the_nearest_name_and_an_unknown_variable_warns() {
    let cases = [
        ("listn = 'x'", "`listen`"),
        ("reserved_namespace = []", "`reserved_namespaces`"),
        ("[upstrem]\nurl = 'x'", "`upstream`"),
        ("[upstream]\nallow_host = []", "`upstream.allow_hosts`"),
        ("allow_hosts = []", "`upstream.allow_hosts`"),
        ("[[environments]]\nname = 'a'\nproductoin = true", "`environments.production`"),
        ("[environments]\nname = 'a'", "[[environments]]"),
        ("upstream = 'x'", "[upstream]"),
    ];
    for (text, near) in cases {
        assert!(read(text, &[]).is_err_and(|why| why.contains(near)), "{text}: {:?}", read(text, &[]).err());
    }
    let others = [("WEIGHBRIDGE_PORT", "tcp://10.0.0.1:80"), ("WEIGHBRIDGE_LISTN", "x")];
    let warned = read("", &others).unwrap();
    assert_eq!(warned.warnings().len(), 2);
    assert!(warned.warnings().iter().any(|w| w.contains("did you mean WEIGHBRIDGE_LISTEN?")));
    let ours = [
        ("WEIGHBRIDGE_URL", "u"),
        ("WEIGHBRIDGE_TOKEN", "t"),
        ("WEIGHBRIDGE_LOG", "info"),
        ("WEIGHBRIDGE_TEST_X", "1"),
    ];
    assert!(read("", &ours).unwrap().warnings().is_empty());
}

#[test]
fn environments_come_by_index_over_those_of_the_file() {
    let names = |config: &Config| {
        config.environments.iter().map(|e| format!("{}:{}", e.name, e.production)).collect::<Vec<_>>()
    };
    let only = read(
        "",
        &[
            ("WEIGHBRIDGE_ENVIRONMENTS__0__NAME", "lab"),
            ("WEIGHBRIDGE_ENVIRONMENTS__0__PRODUCTION", "false"),
            ("WEIGHBRIDGE_ENVIRONMENTS__1__NAME", "live"),
        ],
    );
    assert_eq!(names(&only.unwrap()), ["lab:false", "live:true"]);
    let file = "[[environments]]\nname = 'a'\nproduction = false\n[[environments]]\nname = 'b'";
    let over = read(file, &[("WEIGHBRIDGE_ENVIRONMENTS__1__NAME", "c"), ("WEIGHBRIDGE_ENVIRONMENTS__2__NAME", "d")]);
    assert_eq!(names(&over.unwrap()), ["a:false", "c:true", "d:true"]);
    assert!(read(file, &[("WEIGHBRIDGE_ENVIRONMENTS__4__NAME", "x")]).is_err_and(|why| why.contains("gap")));
    let many: Vec<(String, String)> =
        (0..12).map(|i| (format!("WEIGHBRIDGE_ENVIRONMENTS__{i}__NAME"), format!("e{i}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(read("", &many).unwrap().environments.len(), 12);
    for bad in ["all", "A", "a b", ""] {
        assert!(read(&format!("[[environments]]\nname = '{bad}'"), &[]).is_err(), "{bad}");
    }
    assert!(
        read("[[environments]]\nname = 'a'\n[[environments]]\nname = 'a'", &[]).is_err_and(|why| why.contains("twice"))
    );
}

#[test]
fn secrets_are_hidden_and_origins_shown() {
    let text = "database_url = 'postgres://wb:hunter2@db.corp/wb?sslmode=require&sslpassword=hunter3'\n[upstream]\ntoken = 'hunter4'";
    let config = read(text, &[("WEIGHBRIDGE_BLOBS_URL", "s3://b/p?region=x&secret_key=hunter5")]).unwrap();
    let shown =
        [config.to_toml(), config.to_json().to_string(), format!("{:?}", config.upstream), config.shown_database_url()];
    for text in &shown {
        assert!(!text.contains("hunter"), "{text}");
    }
    assert!(
        shown[0].contains("postgres://wb:(hidden)@db.corp/wb?sslmode=require&sslpassword=(hidden)"),
        "{}",
        shown[0]
    );
    assert!(shown[0].contains("blobs_url = \"s3://b/p?region=x&secret_key=(hidden)\"    # WEIGHBRIDGE_BLOBS_URL"));
    assert!(shown[0].contains("token = \"(hidden)\"    # /"));
    assert!(shown[0].parse::<toml::Table>().is_ok(), "what is printed can be read again");
    assert!(read("[upstream]\ntoken = 'hunter2", &[]).is_err_and(|why| !why.contains("hunter")));
    assert!(read("[upstream]\ntoken = ['hunter2']", &[]).is_err_and(|why| !why.contains("hunter")));
}

#[test]
fn a_public_url_is_an_address_and_a_prefix() {
    let of = |url: &str| read(&format!("public_url = '{url}'"), &[]);
    assert_eq!(of("https://models.corp/hub").unwrap().prefix(), "/hub");
    assert!(of("https://models.corp").unwrap().warnings().is_empty());
    assert!(of("http://localhost:8080").unwrap().warnings().is_empty());
    assert_eq!(of("http://models.corp").unwrap().warnings().len(), 1);
    for bad in [
        "models.corp",
        "https://models.corp/",
        "https://m.corp/?a",
        "https://m.corp/#a",
        "https://u:p@m.corp",
        "ftp://m.corp",
        "https://m.corp/-/x",
    ] {
        assert!(of(bad).is_err(), "{bad}");
    }
    let everywhere = read("listen = '0.0.0.0:9'", &[]).unwrap();
    assert_eq!((everywhere.public_url.as_str(), everywhere.warnings().len()), ("http://127.0.0.1:9", 2));
}

#[test]
fn tls_needs_both_files_and_an_https_address() {
    let files = "[tls]\ncert_file = 'a.pem'\nkey_file = 'a.key'\n";
    let config = read(&format!("public_url = 'https://m.corp'\nlisten = '0.0.0.0:443'\n{files}"), &[]).unwrap();
    assert_eq!(config.tls.as_ref().map(|tls| tls.key_file.as_path()), Some(Path::new("a.key")));
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
    assert!(config.to_toml().contains("[tls]\ncert_file = \"a.pem\""));
    assert_eq!(read(files, &[]).unwrap().public_url, "https://127.0.0.1:8080");
    let why = read(&format!("public_url = 'http://m.corp'\n{files}"), &[]).unwrap_err();
    assert!(why.contains("https://"), "{why}");
    for half in ["cert_file = 'a.pem'", "key_file = 'a.key'"] {
        assert!(read(&format!("[tls]\n{half}"), &[]).unwrap_err().contains("needs both"));
    }
}

#[test]
fn whoever_listens_to_others_without_tls_is_warned() {
    let warned = |text: &str| read(text, &[]).unwrap().warnings().iter().any(|line| line.contains("unencrypted"));
    assert!(warned("listen = '0.0.0.0:80'\npublic_url = 'http://127.0.0.1'"));
    assert!(warned("listen = '[::]:80'"));
    assert!(warned("public_url = 'http://m.corp'"), "a proxy in front without TLS is as bad");
    assert!(!warned("listen = '0.0.0.0:80'\npublic_url = 'https://m.corp'"), "a proxy in front has it");
    assert!(!warned(""));
}

#[test]
fn trusted_proxies_are_networks() {
    let of = |list: &str| read(&format!("trusted_proxies = {list}"), &[]);
    let config = of("['10.0.0.0/8', '2001:db8::/32', '192.0.2.1']").unwrap();
    assert!(config.to_toml().contains("trusted_proxies = [\"10.0.0.0/8\", \"2001:db8::/32\", \"192.0.2.1/32\"]"));
    for bad in ["['10.0.0.1/8']", "['proxy.corp']", "['*']", "['']"] {
        assert!(of(bad).unwrap_err().contains("is no network"), "{bad}");
    }
    let listed = read("", &[("WEIGHBRIDGE_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1")]).unwrap();
    assert_eq!(listed.trusted_proxies.len(), 2);
}

#[test]
fn a_private_namespace_is_opened_to_somebody_who_is_known() {
    let of = |rest: &str| read(&format!("[[upstream.namespaces]]\nname = 'acme-lab'\n{rest}"), &[]);
    let config = of("groups = ['ml']\nenvironments = ['research']").unwrap();
    let rule = &config.upstream.namespaces[0];
    assert_eq!(
        (rule.name.as_str(), rule.groups[0].as_str(), rule.environments[0].as_str()),
        ("acme-lab", "ml", "research")
    );
    assert!(config.to_toml().contains("[[upstream.namespaces]]\nname = \"acme-lab\""));
    assert!(of("").unwrap_err().contains("to nobody"));
    assert!(of("environments = ['moon']").unwrap_err().contains("`moon`, which is not configured"));
    assert!(read("[[upstream.namespaces]]\nname = 'a/b'\ngroups = ['x']", &[]).unwrap_err().contains("`a/b`"));
}

#[test]
fn people_sign_in_only_over_tls() {
    let check = |listen: &str, public_url: &str, tls: bool, proxies: bool| {
        Front { listen: listen.parse().unwrap(), public_url, tls, proxies, people: true }.check(&mut Vec::new())
    };
    assert!(check("127.0.0.1:80", "http://127.0.0.1:80", false, false).is_ok(), "on one machine");
    assert!(check("0.0.0.0:443", "https://m.corp", true, false).is_ok());
    assert!(check("0.0.0.0:80", "https://m.corp", false, true).is_ok(), "behind a named proxy with TLS");
    assert!(check("0.0.0.0:80", "https://m.corp", false, false).unwrap_err().contains("trusted_proxies"));
    assert!(check("0.0.0.0:80", "http://127.0.0.1", false, true).unwrap_err().contains("without TLS"));
    assert!(check("127.0.0.1:80", "http://m.corp", false, true).unwrap_err().contains("https://"));
}

#[test]
fn unverified_bytes_leave_only_where_it_is_allowed() {
    let streams = |text: &str| {
        let config = read(text, &[]).unwrap();
        let all: Vec<bool> = config.environments.iter().map(|e| e.stream_unverified).collect();
        (all, config.warnings().len())
    };
    assert_eq!(streams(""), (vec![true, false], 0), "outside production");
    let named = "[[environments]]\nname = 'a'\n[[environments]]\nname = 'b'\nproduction = false\n";
    assert_eq!(streams(named), (vec![false, true], 0));
    let turned = "[[environments]]\nname = 'a'\nstream_unverified = true\n[[environments]]\nname = 'b'\nproduction = \
                  false\nstream_unverified = false\n";
    assert_eq!(streams(turned), (vec![true, false], 0));
    let strict = format!("{turned}[admission]\nprofile = 'strict'\n");
    assert_eq!(
        streams(&strict),
        (vec![false, false], 1),
        "strict verifies first, and says so to whoever wants otherwise"
    );
    assert_eq!(streams("[admission]\nprofile = 'strict'"), (vec![false, false], 0));
}
