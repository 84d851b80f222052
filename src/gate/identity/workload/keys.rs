//! An issuer's published keys, and whether one of them signed a token.
//!
//! A key says itself what it is for: the token's header only chooses among keys that fit. Keys whose kind we do not take,
//! secrets among them, are left out as if they were not there. Never fetches anything.

use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

use super::strict;

/// What a header may name.
pub(super) fn algorithm(word: &str) -> Option<Algorithm> {
    Some(match word {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        _ => return None,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    family: Family,
    /// The one algorithm it is for, where it says so.
    only: Option<Algorithm>,
    public: DecodingKey,
}

impl Key {
    fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        let of_the_kind = match self.family {
            Family::Rsa => matches!(algorithm, A::RS256 | A::RS384 | A::RS512 | A::PS256),
            Family::P256 => algorithm == A::ES256,
            Family::P384 => algorithm == A::ES384,
            Family::Ed25519 => algorithm == A::EdDSA,
        };
        of_the_kind && self.only.is_none_or(|only| only == algorithm)
    }
}

/// All usable keys of an issuer, as last heard.
#[derive(Debug)]
pub(super) struct Keys(Vec<Key>);

impl Keys {
    /// Reads a JWKS. One without a usable key is taken for a mistake or a lie, and said.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() > LARGEST {
            return Err("its keys are larger than 256 KiB");
        }
        let set: Value = serde_json::from_slice(bytes).map_err(|_| "its keys are not JSON")?;
        let list = set.get("keys").and_then(Value::as_array).ok_or("its keys are not a JWKS")?;
        if list.len() > MOST {
            return Err("it has more than 100 keys");
        }
        let keys: Vec<Key> = list.iter().filter_map(Value::as_object).filter_map(key).collect();
        if keys.is_empty() {
            return Err("none of its keys can be used (RSA from 2048 bits, P-256, P-384, Ed25519)");
        }
        Ok(Self(keys))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is a key that a header means. Without a name only a single fitting key is meant.
    pub fn has(&self, id: Option<&str>, algorithm: Algorithm) -> bool {
        self.meant(id, algorithm).next().is_some()
    }

    /// Whether a key that the header means has signed these bytes.
    pub fn signed(&self, id: Option<&str>, algorithm: Algorithm, message: &str, signature: &str) -> bool {
        self.meant(id, algorithm)
            .any(|key| crypto::verify(signature, message.as_bytes(), &key.public, algorithm).unwrap_or(false))
    }

    fn meant<'k>(&'k self, id: Option<&'k str>, algorithm: Algorithm) -> impl Iterator<Item = &'k Key> {
        let fitting = move || self.0.iter().filter(move |key| key.fits(algorithm));
        let named = id.is_some();
        let single = named || fitting().count() == 1;
        fitting().filter(move |key| single && (!named || key.id.as_deref() == id))
    }
}

fn key(from: &Map<String, Value>) -> Option<Key> {
    let text = |name: &str| from.get(name).and_then(Value::as_str);
    // Whoever publishes the secret half of a key has no key any more.
    if ["d", "k", "p", "q"].iter().any(|secret| from.contains_key(*secret)) {
        return None;
    }
    let for_signing = match from.get("use") {
        None => true,
        Some(used) => matches!(used.as_str(), Some("sig" | "jwt-svid")),
    };
    let verifies = match from.get("key_ops") {
        None => true,
        Some(ops) => ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify")),
    };
    let only = match from.get("alg") {
        None => None,
        Some(word) => Some(algorithm(word.as_str()?)?),
    };
    let (family, public) = match (text("kty")?, text("crv")) {
        ("RSA", _) => {
            let (n, e) = (strict::decode(text("n")?)?, strict::decode(text("e")?)?);
            let bits = n.iter().skip_while(|byte| **byte == 0).count() * 8;
            (2048..=8192).contains(&bits).then_some(())?;
            (Family::Rsa, DecodingKey::from_rsa_raw_components(&n, &e))
        }
        ("EC", Some("P-256")) => (Family::P256, point(text("x")?, text("y")?, 32)?),
        ("EC", Some("P-384")) => (Family::P384, point(text("x")?, text("y")?, 48)?),
        ("OKP", Some("Ed25519")) => {
            let x = strict::decode(text("x")?).filter(|x| x.len() == 32)?;
            (Family::Ed25519, DecodingKey::from_ed_der(&x))
        }
        _ => return None,
    };
    let key = Key { id: text("kid").map(str::to_owned), family, only, public };
    (for_signing && verifies).then_some(key)
}

fn point(x: &str, y: &str, size: usize) -> Option<DecodingKey> {
    let of = |text: &str| strict::decode(text).filter(|bytes| bytes.len() == size);
    let (x, y) = (of(x)?, of(y)?);
    Some(DecodingKey::from_ec_der(&[&[4], x.as_slice(), y.as_slice()].concat()))
}

const LARGEST: usize = 256 << 10;
const MOST: usize = 100;
