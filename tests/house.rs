//! The house rules that a reader would otherwise have to remember: floors, who may touch what, and the open doors.
//!
//! Reads the source tree. A rule that cries wolf twice is taken out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every module of `src/`, floor by floor. A file imports only from lower floors or its own folder.
const FLOORS: &[&[&str]] = &[
    &["domain"],
    &["clock", "store", "blobs", "upstream", "outbound", "sandbox", "keys", "tasks"],
    &["ledger"],
    &["gate"],
    &["app", "endpoint", "jobs"],
    &["hub", "intake", "review", "accounts", "console"],
    &["cli", "config", "logs", "routes", "serve", "main", "lib"],
];

/// Adapters and features are blind to each other; the exceptions are said here.
const MAY_SEE: &[(&str, &str)] = &[
    ("store", "clock"),
    ("jobs", "app"),
    ("upstream", "tasks"),
    ("blobs", "tasks"),
    ("endpoint", "app"),
    // The door asks for an intake and waits for it.
    ("endpoint", "jobs"),
];

/// Doors that open without a grant; each has its reason, and the list grows only with one.
const OPEN: &[&str] = &[
    "/",
    "/-",
    "/-/assets/style.css",
    "/-/healthz",
    "/-/readyz",
    // Asks for a secret of its own.
    "/-/webhooks/upstream",
    // Nobody is signed in yet who signs in: a choice that is the same for all, the way to the provider, and the way
    // back, which gives nothing before every part of the provider's answer was found right.
    "/-/sign-in",
    "/-/oidc/{provider}/start",
    "/-/oidc/{provider}/callback",
    // The provider's own call: only a token that it signed for this is heard.
    "/-/oidc/{provider}/backchannel-logout",
    // A terminal is nobody yet: what it gets, a person allows on a page behind their own sign-in.
    "/oauth/device",
    // The codes and tokens that are exchanged here are what whoever asks is known by.
    "/oauth/token",
    // Whoever finds a leaked token has no account; the token shown is ended, and nothing is said about it.
    "/api/credentials/revoke",
    // Where a code of the host is typed; a wrong one opens nothing.
    "/-/host-code",
];

fn sources() -> Vec<(String, String)> {
    sources_of("src")
}

fn sources_of(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

fn floor(room: &str) -> usize {
    FLOORS.iter().position(|floor| floor.contains(&room)).unwrap_or_else(|| panic!("{room} stands on no floor"))
}

fn is_test(file: &str) -> bool {
    file.ends_with("tests.rs") || file.contains("/tests/") || file.ends_with("testing.rs") || file.ends_with("stub.rs")
}

/// The code above the unit tests at a file's end, without comments.
fn code(text: &str) -> String {
    let above = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    above.lines().filter(|line| !line.trim_start().starts_with("//")).fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn files_import_only_from_lower_floors() {
    let mut wrong = Vec::new();
    for (file, text) in sources().iter().filter(|(file, _)| !is_test(file)) {
        let (here, code) = (room(file), code(text));
        for other in FLOORS.iter().flat_map(|floor| floor.iter()).filter(|other| **other != here) {
            let named = [format!("crate::{other}"), format!("\n    {other}::"), format!("{{{other}::")];
            let imports = code.split("\nuse crate::").skip(1).map(|block| block.split(';').next().unwrap());
            let grouped = imports
                .clone()
                .any(|block| block.starts_with(&format!("{other}::")) || named[1..].iter().any(|n| block.contains(n)));
            let used = grouped || code.contains(&named[0]);
            let sideways = floor(other) == floor(here) && floor(here) < 6 && !MAY_SEE.contains(&(here, other));
            if used && (floor(other) > floor(here) || sideways) {
                wrong.push(format!("{file} uses {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_named_files_touch_the_database_axum_casbin_and_the_network() {
    type May = fn(&str) -> bool;
    let allowed: [(&str, May); 11] = [
        ("sea_orm", |f| {
            f.starts_with("store/") || f.starts_with("ledger/") || f.ends_with("sql.rs") || f == "gate/tx.rs"
        }),
        ("axum::", |f| f.starts_with("endpoint/") || f.starts_with("serve") || f.ends_with("http.rs")),
        ("casbin", |f| f.starts_with("gate/")),
        ("reqwest", |f| f.starts_with("upstream/") || f.starts_with("cli/") || f == "outbound.rs"),
        // Grants without a credential: a handler that could take one would be a way round the gate.
        ("admit_host", |f| f.starts_with("cli/") || f.starts_with("gate/")),
        ("admit_work", |f| f.starts_with("intake/") || f.starts_with("gate/")),
        ("admit_newcomer", |f| f.starts_with("accounts/") || f.starts_with("gate/")),
        ("openidconnect", |f| f.starts_with("accounts/sign_in/")),
        ("Away(", |f| f.starts_with("accounts/sign_in/") || f == "endpoint/answer.rs"),
        // The sample hub is for the demo; nothing that serves may know it.
        ("weighbridge_simulator", |f| f.starts_with("cli/demo/")),
        ("RawTx", |f| f.starts_with("ledger/") || f == "gate/tx.rs"),
    ];
    let mut wrong = Vec::new();
    for (file, text) in sources().iter().filter(|(file, _)| !is_test(file)) {
        let code = code(text);
        let lines = code.lines();
        for (word, may) in &allowed {
            if !may(file) && lines.clone().any(|line| line.contains(word)) {
                wrong.push(format!("{file} touches {word}"));
            }
        }
        let features = floor(room(file)) == 5;
        if features && lines.clone().any(|line| line.contains("crate::ledger") || line.contains("    ledger::")) {
            wrong.push(format!("{file} reaches for the ledger"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The scanner reads what it is given and nothing else; hostile bytes reach a decoder only through the capped reader.
#[test]
fn the_scanner_is_pure() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scanners/Cargo.toml")).unwrap();
    let depends = |name: &&str| {
        manifest.lines().any(|line| line.starts_with(&format!("{name}.")) || line.starts_with(&format!("{name} ")))
    };
    let impure: Vec<_> = ["tokio", "reqwest", "sea-orm", "hyper", "time", "chrono", "rand", "weighbridge"]
        .into_iter()
        .filter(depends)
        .collect();
    assert!(impure.is_empty(), "the scanner depends on {impure:?}");
    let decoders = ["flate2::", "bzip2::", "lzma_rust2::", "ruzstd::", "lz4_flex::"];
    let outside =
        ["std::net", "std::process", "std::env", "SystemTime", "Instant::", "fs::read", "fs::write", "fs::File"];
    let mut wrong = Vec::new();
    for (file, text) in sources_of("scanners/src").iter().filter(|(file, _)| !is_test(file)) {
        let code = code(text);
        wrong.extend(
            decoders
                .iter()
                .filter(|word| !file.starts_with("unpack") && code.contains(*word))
                .map(|w| format!("{file}: {w}")),
        );
        wrong.extend(
            outside.iter().filter(|word| file != "source.rs" && code.contains(*word)).map(|w| format!("{file}: {w}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_first_what_it_is() {
    let unnamed: Vec<_> = sources()
        .into_iter()
        .chain(sources_of("scanners/src"))
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(file, _)| file)
        .collect();
    assert!(unnamed.is_empty(), "no first line: {unnamed:?}");
    let bad = ["helper", "util", "common", "misc", "manager", "service", "dto", "artifact"];
    let named: Vec<_> = sources()
        .into_iter()
        .chain(sources_of("scanners/src"))
        .map(|(file, _)| file)
        .filter(|f| bad.iter().any(|b| f.contains(b)))
        .collect();
    assert!(named.is_empty(), "a name that says nothing: {named:?}");
}

/// What makes a grant, a transaction or a stream unforgeable is that nobody else sees inside these files.
#[test]
fn the_locks_have_no_child_modules_and_open_no_fields() {
    for file in ["gate/grant.rs", "gate/tx.rs", "ledger/tx.rs", "gate/stream.rs"] {
        let (_, text) = sources().into_iter().find(|(name, _)| name == file).unwrap();
        assert!(!code(&text).contains("\nmod ") && !code(&text).contains("\npub mod "), "{file} has a child module");
        let tests = text.contains("mod tests;");
        assert!(!tests, "{file} has a child module for its tests; put them beside it");
    }
}

#[test]
fn the_open_doors_are_known() {
    let endpoints = weighbridge::routes::all().expect("every pattern fits its act");
    let open: Vec<_> = endpoints.iter().filter(|e| e.act.is_none()).map(|e| e.pattern.text()).collect();
    assert!(open.iter().all(|path| OPEN.contains(path)), "an open door that is not in the list: {open:?}");
}
