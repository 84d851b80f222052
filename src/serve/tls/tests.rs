//! Which pairs are taken, which are refused with what sentence, and what a change of the files leads to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::serve::tests::secure::{Authority, EC, RSA, shell};

fn load(authority: &Authority, certificate: &str, key: &str) -> Result<Tls, String> {
    let path = |name: &str| authority.folder.join(name);
    Tls::load(path(certificate), path(key)).map_err(|fault| fault.to_string())
}

fn own(authority: &Authority, key: &str, mode: u32) {
    fs::set_permissions(authority.folder.join(key), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn every_kind_of_key_and_a_chain_are_read() {
    let authority = Authority::new();
    authority.issue("rsa", RSA);
    shell(
        &authority.folder,
        "openssl ec -in host.key -out sec1.key && openssl rsa -in rsa.key -traditional -out pkcs1.key",
    );
    shell(&authority.folder, "cat host.pem ca.pem > chain.pem && chmod 600 *.key");
    let begins =
        |name: &str| fs::read_to_string(authority.folder.join(name)).unwrap().lines().next().unwrap().to_owned();
    assert_eq!(begins("sec1.key"), "-----BEGIN EC PRIVATE KEY-----");
    assert_eq!(begins("pkcs1.key"), "-----BEGIN RSA PRIVATE KEY-----");
    for (certificate, key) in
        [("host.pem", "host.key"), ("chain.pem", "sec1.key"), ("rsa.pem", "rsa.key"), ("rsa.pem", "pkcs1.key")]
    {
        load(&authority, certificate, key).map(drop).unwrap();
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let authority = Authority::new();
    for mode in [0o644, 0o604, 0o620, 0o601, 0o666] {
        own(&authority, "host.key", mode);
        let why = load(&authority, "host.pem", "host.key").err().unwrap();
        assert!(why.contains("by others") && why.contains("chmod 600"), "{mode:o}: {why}");
    }
    for mode in [0o600, 0o400, 0o640, 0o440] {
        own(&authority, "host.key", mode);
        load(&authority, "host.pem", "host.key").map(drop).unwrap();
    }
}

#[test]
fn what_is_no_pair_is_refused_with_the_reason() {
    let authority = Authority::new();
    authority.issue("other", EC);
    shell(
        &authority.folder,
        "openssl pkey -in host.key -aes256 -passout pass:word -out locked.key && chmod 600 locked.key",
    );
    shell(
        &authority.folder,
        "head -c 300 host.pem > half.pem && head -c 100 host.key > half.key && chmod 600 half.key",
    );
    let cases = [
        ("host.pem", "other.key", "is not the key of the first certificate"),
        ("host.pem", "locked.key", "without a passphrase"),
        ("host.pem", "half.key", "no whole private key"),
        ("half.pem", "host.key", "tls.cert_file"),
        ("host.key", "host.key", "holds no certificate"),
        ("none.pem", "host.key", "cannot be read"),
        ("host.pem", "none.key", "cannot be read"),
    ];
    for (certificate, key, says) in cases {
        let why = load(&authority, certificate, key).err().unwrap();
        assert!(why.contains(says), "{certificate} {key}: {why}");
        assert!(!why.contains("BEGIN"), "{why}");
    }
}

#[test]
fn a_changed_pair_is_taken_when_it_is_whole_and_the_old_one_stays_until_then() {
    let authority = Authority::new();
    let tls = authority.tls.clone();
    let used = || Arc::as_ptr(&tls.0.now.lock().unwrap().config);
    let (first, put) = (used(), |from: &str, to: &str| {
        fs::copy(authority.folder.join(from), authority.folder.join(to)).unwrap();
    });
    assert_eq!(tls.look(), Looked::Same);
    authority.issue("next", EC);
    put("next.pem", "host.pem");
    assert!(matches!(tls.look(), Looked::Kept(why) if why.contains("is not the key")));
    shell(&authority.folder, "head -c 100 next.key > host.key");
    assert!(matches!(tls.look(), Looked::Kept(why) if why.contains("no whole private key")));
    shell(&authority.folder, "cat next.key > host.key && chmod 644 host.key");
    assert!(matches!(tls.look(), Looked::Kept(why) if why.contains("by others")));
    fs::remove_file(authority.folder.join("host.pem")).unwrap();
    assert!(matches!(tls.look(), Looked::Kept(why) if why.contains("cannot be read")));
    assert_eq!(used(), first, "the old pair stays in use");
    put("next.pem", "host.pem");
    own(&authority, "host.key", 0o600);
    assert_eq!(tls.look(), Looked::Replaced);
    assert_ne!(used(), first);
    assert_eq!(tls.look(), Looked::Same);
}

#[test]
fn a_mounted_secret_that_turns_its_link_is_a_change() {
    let authority = Authority::new();
    let at = |name: &str| authority.folder.join(name);
    authority.issue("next", EC);
    for version in ["host", "next"] {
        fs::create_dir(at(&format!("..{version}"))).unwrap();
        for kind in ["pem", "key"] {
            fs::rename(at(&format!("{version}.{kind}")), at(&format!("..{version}/tls.{kind}"))).unwrap();
        }
    }
    symlink(at("..host"), at("..data")).unwrap();
    let tls = Tls::load(at("..data/tls.pem"), at("..data/tls.key")).unwrap();
    assert_eq!(tls.look(), Looked::Same);
    symlink(at("..next"), at("..turned")).unwrap();
    fs::rename(at("..turned"), at("..data")).unwrap();
    assert_eq!(tls.look(), Looked::Replaced);
}
