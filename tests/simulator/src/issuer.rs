//! An issuer of workload tokens: discovery document, published keys, and tokens with the claims of real ones.
//!
//! Exact where it is asked to be, and on demand rotating, absent, or lying. On loopback, over plain HTTP; of the product
//! nothing holds it.

#![allow(clippy::expect_used, reason = "a test server that cannot be made stops the test")]

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    RS256,
    PS256,
    ES256,
    ES384,
    EdDSA,
}

impl Signs {
    pub fn word(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A pair of keys with a name.
pub struct SigningKey {
    pub id: String,
    pub signs: Signs,
    pair: Pair,
}

impl SigningKey {
    pub fn new(id: &str, signs: Signs) -> Self {
        let pair = match signs {
            Signs::RS256 | Signs::PS256 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")),
            Signs::ES256 => {
                Pair::Ec(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
            }
            Signs::ES384 => {
                Pair::Ec(EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key"))
            }
            Signs::EdDSA => Pair::Ed(Ed25519KeyPair::generate().expect("a key")),
        };
        Self { id: id.to_owned(), signs, pair }
    }

    /// A whole token of these two texts, whatever they say.
    pub fn token(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let signed = self.sign(message.as_bytes());
        format!("{message}.{}", encode(&signed))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let way: &dyn signature::RsaEncoding =
                    if self.signs == Signs::PS256 { &signature::RSA_PSS_SHA256 } else { &signature::RSA_PKCS1_SHA256 };
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(way, &random, message, &mut out).expect("a signature");
                out
            }
            Pair::Ec(pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// The public half, as a JWK.
    pub fn public(&self) -> Value {
        let mut key = match &self.pair {
            Pair::Rsa(pair) => {
                let (n, e) = numbers(pair.public_key().as_ref());
                json!({"kty": "RSA", "n": encode(&n), "e": encode(&e)})
            }
            Pair::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if self.signs == Signs::ES256 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())}),
        };
        key["kid"] = json!(self.id);
        key["use"] = json!("sig");
        key["alg"] = json!(self.signs.word());
        key
    }

    /// The public half of an RSA key as others pass it round: the bytes that a careless verifier takes for a secret.
    pub fn public_der(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key())
                .expect("an encoding")
                .as_ref()
                .to_vec(),
            Pair::Ec(_) | Pair::Ed(_) => Vec::new(),
        }
    }
}

/// Modulus and exponent of a PKCS#1 public key.
fn numbers(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let inside = value(der).0;
    let (n, rest) = value(inside);
    let (e, _) = value(rest);
    let plain = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect();
    (plain(n), plain(e))
}

/// The first DER value, and what follows it.
fn value(der: &[u8]) -> (&[u8], &[u8]) {
    let short = usize::from(der[1]);
    let (length, head) = if short < 0x80 {
        (short, 2)
    } else {
        let bytes = short & 0x7f;
        (der[2..2 + bytes].iter().fold(0, |all, byte| all << 8 | usize::from(*byte)), 2 + bytes)
    };
    (&der[head..head + length], &der[head + length..])
}

/// What an issuer answers, and what it was asked.
#[derive(Default)]
struct State {
    keys: Vec<Arc<SigningKey>>,
    offline: bool,
    /// Instead of its own discovery document.
    discovery: Option<String>,
    /// Instead of its own keys.
    jwks: Option<Vec<u8>>,
    /// Another place of the keys in the discovery document.
    jwks_uri: Option<String>,
    /// Instead of any answer: a redirect.
    redirect: Option<String>,
    asked: Vec<String>,
    /// The repository whose jobs ask for tokens, as GitHub's runners do.
    runner: Option<Value>,
}

/// A running issuer. It stops with its process.
#[derive(Clone)]
pub struct Issuer {
    url: String,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    /// Starts one with a single RSA key, as Kubernetes and GitHub have.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
        let state = State { keys: vec![Arc::new(SigningKey::new("key-1", Signs::RS256))], ..State::default() };
        let issuer = Self { url, state: Arc::new(Mutex::new(state)) };
        let answering = issuer.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let issuer = answering.clone();
                std::thread::spawn(move || drop(issuer.answer(stream)));
            }
        });
        Ok(issuer)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The key that signs from now on.
    pub fn key(&self) -> Arc<SigningKey> {
        self.state().keys.last().expect("a key").clone()
    }

    /// A new key that signs from now on; the older ones stay published.
    pub fn rotate(&self, id: &str, signs: Signs) -> Arc<SigningKey> {
        let key = Arc::new(SigningKey::new(id, signs));
        self.state().keys.push(key.clone());
        key
    }

    /// Takes connections and closes them without a word, or serves again.
    pub fn set_offline(&self, offline: bool) {
        self.state().offline = offline;
    }

    pub fn set_discovery(&self, text: Option<String>) {
        self.state().discovery = text;
    }

    pub fn set_jwks(&self, bytes: Option<Vec<u8>>) {
        self.state().jwks = bytes;
    }

    pub fn set_jwks_uri(&self, uri: Option<String>) {
        self.state().jwks_uri = uri;
    }

    pub fn set_redirect(&self, to: Option<String>) {
        self.state().redirect = to;
    }

    /// From now on jobs with these claims may ask for tokens at `{url}/runner/token`, as on GitHub.
    pub fn set_runner(&self, claims: Value) {
        self.state().runner = Some(claims);
    }

    /// Everything that was asked of it, head and all.
    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    pub fn jwks(&self) -> Value {
        json!({"keys": self.state().keys.iter().map(|key| key.public()).collect::<Vec<_>>()})
    }

    /// A token as this issuer makes them.
    pub fn mint(&self, claims: &Value) -> String {
        let key = self.key();
        let header = json!({"alg": key.signs.word(), "kid": key.id, "typ": "JWT"});
        key.token(&header.to_string(), &claims.to_string())
    }

    /// The same, signed by the key of this name.
    pub fn mint_by(&self, id: &str, claims: &Value) -> String {
        let key = self.keys().into_iter().find(|key| key.id == id).expect("a key of that name");
        let header = json!({"alg": key.signs.word(), "kid": key.id, "typ": "JWT"});
        key.token(&header.to_string(), &claims.to_string())
    }

    pub fn keys(&self) -> Vec<Arc<SigningKey>> {
        self.state().keys.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && head.len() < 64 << 10 && stream.read(&mut byte)? == 1 {
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.state().asked.push(head);
        if self.state().offline {
            return Ok(());
        }
        let (status, more, body) = self.reply(&target);
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{more}connection: close\r\ncontent-length: {length}\r\n\r\n"
        )?;
        stream.write_all(&body)
    }

    fn reply(&self, target: &str) -> (&'static str, String, Vec<u8>) {
        if let Some(to) = &self.state().redirect {
            return ("302 Found", format!("location: {to}\r\n"), Vec::new());
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let body = match path {
            "/.well-known/openid-configuration" => {
                let own = self.state().jwks_uri.clone().unwrap_or_else(|| format!("{}/openid/v1/jwks", self.url));
                let document = json!({
                    "issuer": self.url, "jwks_uri": own, "response_types_supported": ["id_token"],
                    "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
                });
                let lie = self.state().discovery.clone();
                lie.unwrap_or_else(|| document.to_string()).into_bytes()
            }
            "/openid/v1/jwks" => {
                let lie = self.state().jwks.clone();
                lie.unwrap_or_else(|| self.jwks().to_string().into_bytes())
            }
            "/runner/token" => {
                let Some(mut claims) = self.state().runner.clone() else {
                    return ("404 Not Found", String::new(), Vec::new());
                };
                let wanted = query.split('&').find_map(|pair| pair.strip_prefix("audience="));
                let decoded = percent_encoding::percent_decode_str(wanted.unwrap_or_default()).decode_utf8_lossy();
                claims["aud"] = json!(decoded);
                claims["jti"] = json!(fresh_id());
                json!({"count": 1, "value": self.mint(&claims)}).to_string().into_bytes()
            }
            _ => return ("404 Not Found", String::new(), Vec::new()),
        };
        ("200 OK", String::new(), body)
    }
}

/// What the kubelet puts into a pod: the claims of a projected token of Kubernetes 1.30 and later.
pub fn kubernetes(issuer: &str, audience: &str, namespace: &str, account: &str) -> Value {
    let now = seconds();
    json!({
        "aud": [audience], "exp": now + 3600, "iat": now, "iss": issuer, "jti": fresh_id(),
        "kubernetes.io": {
            "namespace": namespace,
            "node": {"name": "gpu-7", "uid": "5c0c3a9e-6f0e-4b62-9f25-6e0cbb1c7b6e"},
            "pod": {"name": format!("{account}-0"), "uid": "0d9f1c66-5d1a-4f0e-8e06-3c6a4f7f5d10"},
            "serviceaccount": {"name": account, "uid": "9d1f3c52-58c3-4a5b-bb1f-3b9a7d0d2a44"},
            "warnafter": now + 3607,
        },
        "nbf": now, "sub": format!("system:serviceaccount:{namespace}:{account}"),
    })
}

/// What GitHub gives a job.
pub fn github(issuer: &str, audience: &str, repository: &str, reference: &str) -> Value {
    let now = seconds();
    let owner = repository.split('/').next().unwrap_or_default();
    json!({
        "jti": fresh_id(), "sub": format!("repo:{repository}:ref:{reference}"), "aud": audience, "ref": reference,
        "sha": "0123456789012345678901234567890123456789", "repository": repository, "repository_owner": owner,
        "repository_owner_id": "4242", "run_id": "1", "run_number": "10", "run_attempt": "1",
        "repository_visibility": "private", "repository_id": "7474", "actor_id": "12", "actor": "somebody",
        "workflow": "deploy", "head_ref": "", "base_ref": "", "event_name": "push", "ref_protected": "true",
        "ref_type": "branch", "workflow_ref": format!("{repository}/.github/workflows/deploy.yml@{reference}"),
        "workflow_sha": "0123456789012345678901234567890123456789",
        "job_workflow_ref": format!("{repository}/.github/workflows/deploy.yml@{reference}"),
        "job_workflow_sha": "0123456789012345678901234567890123456789", "runner_environment": "github-hosted",
        "iss": issuer, "nbf": now - 600, "exp": now + 300, "iat": now,
    })
}

/// A JWT-SVID as SPIRE makes it where no issuer is configured.
pub fn spiffe(subject: &str, audience: &str) -> Value {
    let now = seconds();
    json!({"aud": [audience], "exp": now + 300, "iat": now, "sub": subject})
}

/// base64url without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The time, in whole seconds.
#[allow(clippy::disallowed_methods, reason = "an issuer has a clock of its own")]
pub fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn fresh_id() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
    encode(&bytes)
}
