//! Issuers that answer, lie, hang and come back; keys that are what they say and keys that are not.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use weighbridge_simulator::issuer::{Issuer as Real, SigningKey, Signs, encode, kubernetes};

use super::{Claims, Issuers, WorkloadRule, issuers::Issuer, keys::Keys, token};
use crate::{
    clock,
    domain::{
        refusal::{Code, Refusal},
        role::{Environment, Role},
    },
};

fn rule(issuer: &str) -> WorkloadRule {
    WorkloadRule {
        issuer: issuer.to_owned(),
        audience: "https://gw".to_owned(),
        claims: Claims::from([("sub".to_owned(), "x".to_owned())]),
        role: Role::Cluster,
        environment: Environment::new("prod").unwrap(),
        cluster: None,
        jwks_file: None,
        jwks_url: None,
        exchange_again: false,
    }
}

fn of(rule: &WorkloadRule) -> Issuers {
    Issuers::of(std::slice::from_ref(rule), true).unwrap()
}

async fn read(issuers: &Issuers, token: &str) -> Result<String, Refusal> {
    token::read(issuers, token, clock::now()).await.map(|signed| signed.subject)
}

fn good(real: &Real) -> String {
    real.mint(&kubernetes(real.url(), "https://gw", "llm", "vllm"))
}

#[tokio::test]
async fn an_issuer_that_lies_is_not_believed() {
    let stranger = Real::start().unwrap();
    let keys = stranger.jwks();
    let thief = SigningKey::new("key-1", Signs::RS256);
    let many: Vec<Value> = (0..101).map(|_| keys["keys"][0].clone()).collect();
    let mut secret = keys["keys"][0].clone();
    secret["d"] = json!("AQAB");
    #[allow(clippy::items_after_statements, reason = "only this test lies so")]
    type Lie<'l> = (&'l str, Box<dyn Fn(&Real) + 'l>);
    let jwks = |body: Vec<u8>| move |real: &Real| real.set_jwks(Some(body.clone()));
    let lies: Vec<Lie<'_>> = vec![
        (
            "another issuer's",
            Box::new(|r| {
                r.set_discovery(Some(
                    json!({"issuer": stranger.url(), "jwks_uri": format!("{}/openid/v1/jwks", r.url())}).to_string(),
                ));
            }),
        ),
        (
            "another issuer's",
            Box::new(|r| {
                r.set_discovery(Some(
                    json!({"issuer": format!("{}/", r.url()), "jwks_uri": format!("{}/openid/v1/jwks", r.url())})
                        .to_string(),
                ));
            }),
        ),
        ("names no keys", Box::new(|r| r.set_discovery(Some(json!({"issuer": r.url()}).to_string())))),
        ("not JSON", Box::new(|r| r.set_discovery(Some("<html>".to_owned())))),
        ("another host", Box::new(|r| r.set_jwks_uri(Some(format!("{}/openid/v1/jwks", stranger.url()))))),
        ("another host", Box::new(|r| r.set_jwks_uri(Some("file:///etc/passwd".to_owned())))),
        ("another host", Box::new(|r| r.set_jwks_uri(Some("http://169.254.169.254/keys".to_owned())))),
        ("answered 302", Box::new(|r| r.set_redirect(Some(format!("{}/openid/v1/jwks", stranger.url()))))),
        ("not JSON", Box::new(jwks(b"{".to_vec()))),
        ("not a JWKS", Box::new(jwks(b"[]".to_vec()))),
        ("none of its keys", Box::new(jwks(json!({"keys": []}).to_string().into_bytes()))),
        (
            "none of its keys",
            Box::new(jwks(json!({"keys": [{"kty": "oct", "kid": "key-1", "k": "AAAA"}]}).to_string().into_bytes())),
        ),
        ("none of its keys", Box::new(jwks(json!({"keys": [secret]}).to_string().into_bytes()))),
        ("more than 100", Box::new(jwks(json!({"keys": many}).to_string().into_bytes()))),
        ("256 KiB", Box::new(jwks(format!("{{\"x\":\"{}\"}}", "x".repeat(300 << 10)).into_bytes()))),
        ("too large", Box::new(jwks(vec![b' '; 3 << 20]))),
    ];
    for (why, lie) in lies {
        let real = Real::start().unwrap();
        lie(&real);
        let issuers = of(&rule(real.url()));
        let refusal = read(&issuers, &good(&real)).await.unwrap_err();
        assert_eq!(refusal.code, Code::Unavailable, "{why}: {}", refusal.sentence);
        assert!(refusal.sentence.contains(why), "{why}: {}", refusal.sentence);
        assert!(issuers.are_stale());
    }
    assert!(stranger.asked().is_empty(), "{:?}", stranger.asked());
    // A lie of later takes nothing away from what was true.
    let real = Real::start().unwrap();
    let issuers = of(&rule(real.url()));
    assert!(read(&issuers, &good(&real)).await.is_ok());
    real.set_jwks(Some(json!({"keys": [thief.public()]}).to_string().into_bytes()));
    real.set_discovery(Some("{}".to_owned()));
    issuers.ask_all().await;
    assert!(read(&issuers, &good(&real)).await.is_ok() && issuers.are_stale());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_with_unknown_keys_ask_once_and_nobody_with_a_known_one_waits() {
    let real = Real::start().unwrap();
    let issuers = of(&rule(real.url()));
    let token = good(&real);
    let first: Vec<_> = (0..50).map(|_| read(&issuers, &token)).collect();
    assert!(futures_util::future::join_all(first).await.iter().all(Result::is_ok));
    assert_eq!(real.asked().len(), 2, "discovery and keys, once");
    let claims = kubernetes(real.url(), "https://gw", "llm", "vllm").to_string();
    let odd = |n: usize| real.key().token(&json!({"alg": "RS256", "kid": format!("no-{n}")}).to_string(), &claims);
    let strange: Vec<String> = (0..50).map(odd).collect();
    let unknown = futures_util::future::join_all(strange.iter().map(|token| read(&issuers, token))).await;
    assert!(unknown.iter().all(|answer| answer.as_ref().err().map(|r| r.code) == Some(Code::TokenNotAccepted)));
    assert_eq!(real.asked().len(), 4, "fifty strangers made us ask once more");
    real.rotate("key-2", Signs::RS256);
    assert!(read(&issuers, &good(&real)).await.is_err(), "within the minute nobody makes us ask again");
    assert_eq!(real.asked().len(), 4);
    assert!(read(&issuers, &token).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_hangs_holds_only_who_needs_it() {
    let real = Real::start().unwrap();
    let token = good(&real);
    let issuers = of(&WorkloadRule { jwks_url: Some(format!("{}/openid/v1/jwks", real.url())), ..rule(real.url()) });
    assert!(read(&issuers, &token).await.is_ok());
    // From here on its place is held by somebody who never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    real.set_redirect(None);
    let hanging = of(&rule(&format!("http://{}", silent.local_addr().unwrap())));
    let key = real.key();
    let claims = kubernetes(&format!("http://{}", silent.local_addr().unwrap()), "https://gw", "llm", "vllm");
    let lost = key.token(&json!({"alg": "RS256", "kid": "key-1"}).to_string(), &claims.to_string());
    let waiting = read(&hanging, &lost);
    tokio::pin!(waiting);
    let others = async {
        for _ in 0..100 {
            read(&issuers, &token).await.unwrap();
        }
    };
    tokio::select! {
        biased;
        _ = &mut waiting => unreachable!("nobody answered"),
        () = others => {}
    }
    let refusal = waiting.await.unwrap_err();
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(refusal.sentence.contains("answer"), "{}", refusal.sentence);
}

#[tokio::test]
async fn keys_in_a_file_need_no_issuer_and_are_read_again() {
    let folder = crate::store::testing::Folder::new();
    let file = folder.path().join("jwks.json");
    let real = Real::start().unwrap();
    std::fs::write(&file, real.jwks().to_string()).unwrap();
    let issuer = "https://kubernetes.default.svc.cluster.local";
    let issuers = of(&WorkloadRule { jwks_file: Some(file.clone()), ..rule(issuer) });
    let mint = || real.mint(&kubernetes(issuer, "https://gw", "llm", "vllm"));
    assert_eq!(read(&issuers, &mint()).await.unwrap(), "system:serviceaccount:llm:vllm");
    real.rotate("key-2", Signs::ES384);
    std::fs::write(&file, real.jwks().to_string()).unwrap();
    assert!(read(&issuers, &mint()).await.is_ok(), "a new key makes us look into the file");
    assert!(real.asked().is_empty());
}

#[test]
fn keys_are_believed_for_a_day() {
    let long = |hours: u64| Instant::now().checked_sub(Duration::from_hours(hours)).unwrap();
    let jwks = json!({"keys": [SigningKey::new("a", Signs::ES256).public()]});
    let believed = |hours| Issuer::would_believe(Keys::read(jwks.to_string().as_bytes()).unwrap(), long(hours));
    assert!(believed(0) && believed(23) && !believed(25));
}

#[test]
fn a_key_signs_only_as_it_says_itself() {
    let all = [
        (Signs::RS256, Algorithm::RS256),
        (Signs::PS256, Algorithm::PS256),
        (Signs::ES256, Algorithm::ES256),
        (Signs::ES384, Algorithm::ES384),
        (Signs::EdDSA, Algorithm::EdDSA),
    ];
    for (signs, own) in all {
        let key = SigningKey::new("k", signs);
        let token = key.token("{}", "{}");
        let (message, signature) = token.rsplit_once('.').unwrap();
        let mut public = key.public();
        let read = |public: &Value| Keys::read(json!({"keys": [public]}).to_string().as_bytes());
        for named in [true, false] {
            if !named {
                public.as_object_mut().unwrap().remove("alg");
            }
            let keys = read(&public).unwrap();
            assert!(keys.signed(Some("k"), own, message, signature), "{signs:?}");
            assert!(keys.signed(None, own, message, signature), "{signs:?}: the only one that fits");
            assert!(!keys.signed(Some("K"), own, message, signature) && !keys.has(Some(""), own));
            assert!(!keys.signed(Some("k"), own, &format!("{message}x"), signature));
            for (_, other) in all.into_iter().filter(|(_, other)| *other != own) {
                assert!(!keys.signed(Some("k"), other, message, signature), "{signs:?} as {other:?}");
            }
            for never in [Algorithm::HS256, Algorithm::HS512, Algorithm::PS512] {
                assert!(!keys.has(Some("k"), never), "{signs:?} as {never:?}");
            }
        }
        for (field, value) in [
            ("use", json!("enc")),
            ("use", json!(1)),
            ("key_ops", json!(["sign"])),
            ("alg", json!("HS256")),
            ("kty", json!("oct")),
        ] {
            let mut changed = key.public();
            changed[field] = value.clone();
            assert!(read(&changed).is_err(), "{signs:?} with {field} {value}");
        }
    }
    let two =
        json!({"keys": [SigningKey::new("a", Signs::ES256).public(), SigningKey::new("b", Signs::ES256).public()]});
    let two = Keys::read(two.to_string().as_bytes()).unwrap();
    assert!(!two.has(None, Algorithm::ES256), "of two nobody knows which is meant");
    let short = json!({"keys": [{"kty": "RSA", "n": encode(&[0xff; 128]), "e": "AQAB"}]});
    assert!(Keys::read(short.to_string().as_bytes()).is_err(), "1024 bits");
}
