//! Every bad token that anybody thought of: forged, borrowed, late, early, ambiguous, cut, and right for somebody else.

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use weighbridge_simulator::issuer::{self, SigningKey, Signs, encode, seconds};

use super::{AUDIENCE, Fleet, SVID};

/// Each with its name. `other` is an EC key that the pods' issuer publishes, `good` a token that is taken.
#[allow(clippy::too_many_lines, reason = "a table: one bad token after the other")]
pub fn tokens(fleet: &Fleet, other: &SigningKey, good: &str) -> Vec<(String, String)> {
    let keys = fleet.pods.keys();
    let rsa = &keys[0];
    let thief = SigningKey::new("key-1", Signs::RS256);
    let plain = json!({"alg": "RS256", "kid": "key-1", "typ": "JWT"});
    let pod = fleet.pod();
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, token: String| all.push((name.to_owned(), token));

    let headed = |key: &SigningKey, more: Value| {
        let mut header = plain.clone();
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key.token(&header.to_string(), &pod.to_string())
    };
    for word in ["none", "None", "nOnE", "", "HS256", "HS384", "ES256K", "RS1", "PS512", "rs256", "ES256", "EdDSA"] {
        add(&format!("alg {word}"), headed(rsa, json!({"alg": word})));
    }
    let unsigned = format!("{}.{}.", encode(br#"{"alg":"none"}"#), encode(pod.to_string().as_bytes()));
    add("no signature", unsigned);
    add("alg none with a signature", headed(&thief, json!({"alg": "none"})));
    let der = rsa.public_der();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", encode(&der));
    for (name, secret) in [("DER", der.as_slice()), ("PEM", pem.as_bytes()), ("nothing", b"".as_slice())] {
        let header = json!({"alg": "HS256", "kid": "key-1", "typ": "JWT"}).to_string();
        let message = format!("{}.{}", encode(header.as_bytes()), encode(pod.to_string().as_bytes()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        add(&format!("HS256 with the public key as {name}"), format!("{message}.{}", encode(tag.as_ref())));
    }
    add("an EC signature under the RSA key's name", headed(other, json!({"alg": "ES256"})));
    add("an RSA signature under the EC key's name", headed(rsa, json!({"kid": "key-ec"})));
    add("another's key", headed(&thief, json!({})));
    add("an unknown kid", headed(rsa, json!({"kid": "key-2"})));
    for kid in [
        json!("../../etc/passwd"),
        json!("key-1' OR '1'='1"),
        json!("key-1\u{0}"),
        json!(["key-1"]),
        json!(1),
        json!(""),
    ] {
        add(&format!("kid {kid}"), headed(rsa, json!({ "kid": kid })));
    }
    let away = format!("{}/openid/v1/jwks", fleet.stranger.url());
    for name in ["jku", "x5u"] {
        add(name, headed(&thief, json!({ name: away })));
    }
    add("jwk", headed(&thief, json!({ "jwk": thief.public() })));
    add("crit", headed(rsa, json!({"crit": ["exp"]})));
    add("a logout token", headed(rsa, json!({"typ": "logout+jwt"})));

    let mut claim = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut claims = pod.clone();
        change(&mut claims);
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        all.push((name.to_owned(), rsa.token(&plain.to_string(), &claims.to_string())));
    };
    let now = seconds();
    claim("another issuer", &|c| c["iss"] = json!(fleet.stranger.url()));
    claim("an issuer with a slash", &|c| c["iss"] = json!(format!("{}/", fleet.pods.url())));
    claim("a list of issuers", &|c| c["iss"] = json!([fleet.pods.url()]));
    claim("no issuer", &|c| c["iss"] = Value::Null);
    claim("the other issuer, signed by this one", &|c| c["iss"] = json!(fleet.jobs.url()));
    claim("another audience", &|c| c["aud"] = json!("https://kubernetes.default.svc"));
    claim("an audience with a slash", &|c| c["aud"] = json!(format!("{AUDIENCE}/")));
    claim("a list without ours", &|c| c["aud"] = json!(["https://a", "https://b"]));
    claim("no audience", &|c| c["aud"] = Value::Null);
    claim("an empty list of audiences", &|c| c["aud"] = json!([]));
    claim("an audience inside an object", &|c| c["aud"] = json!({ AUDIENCE: true }));
    claim("expired", &|c| c["exp"] = json!(now - 61));
    claim("not begun", &|c| c["nbf"] = json!(now + 300));
    claim("issued in the future", &|c| c["iat"] = json!(now + 300));
    claim("no end", &|c| c["exp"] = Value::Null);
    claim("no beginning", &|c| c["iat"] = Value::Null);
    claim("an end as text", &|c| c["exp"] = json!((now + 3600).to_string()));
    claim("an end beyond all time", &|c| c["exp"] = json!(1e18));
    claim("a life of more than a day", &|c| c["exp"] = json!(now + 24 * 3600 + 1));
    claim("no subject", &|c| c["sub"] = Value::Null);
    claim("an empty subject", &|c| c["sub"] = json!(""));
    claim("another namespace", &|c| c["kubernetes.io"]["namespace"] = json!("llm2"));
    claim("a namespace in a list", &|c| c["kubernetes.io"]["namespace"] = json!(["llm"]));
    claim("a service account that begins alike", &|c| {
        c["kubernetes.io"]["serviceaccount"]["name"] = json!("vllm-evil");
    });
    claim("a service account that is cut", &|c| c["kubernetes.io"]["serviceaccount"]["name"] = json!("vll"));
    claim("no claims of a pod", &|c| c["kubernetes.io"] = Value::Null);
    claim("the claims under a name that reads alike", &|c| {
        c["kubernetes"] = json!({ "io": c["kubernetes.io"] });
        c["kubernetes.io"] = Value::Null;
    });

    let mut add = |name: &str, token: String| all.push((name.to_owned(), token));
    let twice = |what: &str| pod.to_string().replacen('{', &format!("{{{what},"), 1);
    add("two algorithms", rsa.token(r#"{"alg":"none","alg":"RS256","kid":"key-1"}"#, &pod.to_string()));
    add("two issuers", rsa.token(&plain.to_string(), &twice(r#""iss":"https://a""#)));
    add("two audiences", rsa.token(&plain.to_string(), &twice(r#""aud":"https://a""#)));
    let claims = pod.to_string().replacen(r#""namespace":"#, r#""namespace":"a","namespace":"#, 1);
    add("two namespaces", rsa.token(&plain.to_string(), &claims));
    add("a list for claims", rsa.token(&plain.to_string(), &json!([pod]).to_string()));
    add("no JSON", rsa.token(&plain.to_string(), "hello"));
    add("two objects", rsa.token(&plain.to_string(), &format!("{pod}{pod}")));
    let parts: Vec<&str> = good.split('.').collect();
    add("no dots", good.replace('.', ""));
    add("one dot", parts[..2].join("."));
    add("three dots", format!("{good}.{}", parts[2]));
    add("a cut signature", good[..good.len() - 4].to_owned());
    add("padding", format!("{good}=="));
    add("the other base64", format!("{}.{}.{}", parts[0], parts[1], parts[2].replace(['-', '_', 'A'], "+")));
    let changed = pod.to_string().replace("vllm", "root");
    add("other claims under the same signature", format!("{}.{}.{}", parts[0], encode(changed.as_bytes()), parts[2]));
    let long = json!({"x": "x".repeat(13_000)});
    add("17 kilobytes", headed_long(rsa, &plain, &pod, &long));

    let svid = |subject: &str, key: &SigningKey| {
        let header = json!({"alg": "RS256", "kid": "key-1"}).to_string();
        key.token(&header, &issuer::spiffe(subject, AUDIENCE).to_string())
    };
    let mesh = fleet.mesh.key();
    for subject in
        [&format!("{SVID}-evil"), &format!("{SVID}/x"), "spiffe://acme.example/ns/llm/sa/", "spiffe://acme.example"]
    {
        add(subject, svid(subject, &mesh));
    }
    add("another trust domain", svid("spiffe://evil.example/ns/llm/sa/vllm", &mesh));
    add("a trust domain with somebody in front", svid("spiffe://x@acme.example/ns/llm/sa/vllm", &mesh));
    add("an SVID that pods' issuer signed", svid(SVID, rsa));
    for (claim, value) in [
        ("repository_id", json!("7475")),
        ("repository_owner_id", json!("42420")),
        ("ref", json!("refs/heads/main2")),
        ("job_workflow_ref", json!("acme/deploy/.github/workflows/other.yml@refs/heads/main")),
        ("runner_environment", json!("self-hosted")),
        ("ref", json!(["refs/heads/main"])),
    ] {
        let mut job = fleet.job();
        job[claim] = value.clone();
        add(&format!("{claim} {value}"), fleet.jobs.mint(&job));
    }
    all
}

fn headed_long(key: &SigningKey, header: &Value, pod: &Value, more: &Value) -> String {
    let mut claims = pod.clone();
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    key.token(&header.to_string(), &claims.to_string())
}
