//! One signed token: its shape, its signature, its times, and what it says. In this order.
//!
//! The header chooses among keys that its issuer has published; addresses and keys that it brings along are not looked at.

use http::Uri;
use serde_json::{Map, Value};

use super::{Claims, issuers::Issuers, keys, strict, wrong};
use crate::domain::{refusal::Refusal, time::Micros};

/// A token that its issuer signed, at a time when it holds.
#[derive(Debug)]
pub(super) struct Signed {
    /// As the configuration names it.
    pub issuer: String,
    pub subject: String,
    pub issued_at: Micros,
    pub expires_at: Micros,
    pub claims: Map<String, Value>,
    /// Header and payload, which no second signature changes.
    pub message: String,
}

pub(super) async fn read(issuers: &Issuers, token: &str, now: Micros) -> Result<Signed, Refusal> {
    if !super::plausible(token) {
        return Err(wrong("it is cut short, or too long"));
    }
    let (message, signature) = token.rsplit_once('.').ok_or_else(|| wrong("it is cut short"))?;
    let (header, payload) = message.split_once('.').ok_or_else(|| wrong("it is cut short"))?;
    let header = strict::object(header).ok_or_else(|| wrong("its header is not one JSON object, each key once"))?;
    let (algorithm, id) = meant(&header)?;
    let algorithm = keys::algorithm(algorithm)
        .ok_or_else(|| wrong("it is not signed as we take it (RS256, RS384, RS512, PS256, ES256, ES384 or EdDSA)"))?;
    let claims = strict::object(payload).ok_or_else(|| wrong("its claims are not one JSON object, each key once"))?;
    let subject = claims.get("sub").and_then(Value::as_str).filter(|sub| is_plain(sub));
    let subject = subject.ok_or_else(|| wrong("it does not say in `sub` who it is for"))?.to_owned();
    let issuer = issuer(&claims, &subject)?;
    // Until here nothing was believed: the name only chooses whose keys are looked at.
    let published =
        issuers.find(&issuer).ok_or_else(|| wrong("its issuer is none of those whose tokens are taken here"))?;
    let published = published.keys(id.as_deref(), algorithm).await?;
    if !published.signed(id.as_deref(), algorithm, message, signature) {
        return Err(wrong("its signature is not its issuer's"));
    }
    let (issued_at, expires_at) = times(&claims, now)?;
    Ok(Signed { issuer, subject, issued_at, expires_at, claims, message: message.to_owned() })
}

/// The algorithm and the key that a header names.
fn meant(header: &Map<String, Value>) -> Result<(&str, Option<String>), Refusal> {
    if header.contains_key("crit") {
        return Err(wrong("it demands in `crit` what nobody here knows"));
    }
    // Logout tokens, access tokens for somebody else and the like are signed with the same keys.
    let kind = header.get("typ").map(|kind| kind.as_str().unwrap_or_default().to_ascii_lowercase());
    if kind.is_some_and(|kind| !matches!(kind.as_str(), "jwt" | "jose" | "at+jwt")) {
        return Err(wrong("its `typ` says that it is another kind of token"));
    }
    let id = match header.get("kid") {
        None => None,
        Some(Value::String(id)) if is_plain(id) => Some(id.clone()),
        Some(_) => return Err(wrong("its `kid` is no name of a key")),
    };
    let algorithm = header.get("alg").and_then(Value::as_str).ok_or_else(|| wrong("its header names no algorithm"))?;
    Ok((algorithm, id))
}

/// Whose token it says to be. SPIFFE's tokens need not say so: then it is the trust domain of their subject.
fn issuer(claims: &Map<String, Value>, subject: &str) -> Result<String, Refusal> {
    match claims.get("iss") {
        Some(Value::String(issuer)) => Ok(issuer.clone()),
        Some(_) => Err(wrong("its `iss` is not a text")),
        None => trust_domain(subject).ok_or_else(|| wrong("it does not say in `iss` who issued it")),
    }
}

fn trust_domain(subject: &str) -> Option<String> {
    let uri: Uri = subject.parse().ok()?;
    let domain = uri.authority().filter(|_| uri.scheme_str() == Some("spiffe"))?.as_str();
    subject.starts_with(&format!("spiffe://{domain}/")).then(|| format!("spiffe://{domain}"))
}

/// When it was issued and when it ends, if that is now.
fn times(claims: &Map<String, Value>, now: Micros) -> Result<(Micros, Micros), Refusal> {
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => seconds(value).map(Some).ok_or_else(|| wrong(&format!("its `{name}` is no time"))),
    };
    let ends = time("exp")?.ok_or_else(|| wrong("it does not end (`exp`)"))?;
    let issued = time("iat")?.ok_or_else(|| wrong("it does not say when it was issued (`iat`)"))?;
    let begins = time("nbf")?.unwrap_or(issued);
    if ends.plus_seconds(SKEW) <= now {
        return Err(wrong("its time is over"));
    }
    if issued > now.plus_seconds(SKEW) || begins > now.plus_seconds(SKEW) {
        return Err(wrong("its time has not begun; compare the clocks"));
    }
    if ends.0 - issued.0 > LONGEST_LIFE * Micros::SECOND || ends < issued {
        return Err(wrong("it lives longer than 24 hours, which no workload needs"));
    }
    Ok((issued, ends))
}

fn seconds(value: &Value) -> Option<Micros> {
    let whole = match value.as_i64() {
        Some(whole) => whole,
        #[allow(clippy::cast_possible_truncation, reason = "within the bounds of the next line it cannot")]
        None => value.as_f64().filter(|exact| (0.0..253_402_300_800.0).contains(exact))? as i64,
    };
    (0..LAST_SECOND).contains(&whole).then(|| Micros(whole * Micros::SECOND))
}

/// Whether a token is meant for an audience.
pub(super) fn is_for(claims: &Map<String, Value>, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(all)) => all.iter().any(|one| one == audience),
        _ => false,
    }
}

/// Whether a token has every claim that a rule demands, and exactly so.
pub(super) fn has(claims: &Map<String, Value>, wanted: &Claims) -> bool {
    wanted.iter().all(|(path, text)| at(claims, path).is_some_and(|value| says(value, text)))
}

/// A claim by its own name, or by a JSON pointer (RFC 6901), which begins with a slash.
fn at<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    let Some(pointer) = path.strip_prefix('/') else { return claims.get(path) };
    let mut steps = pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
    let first = claims.get(&steps.next()?)?;
    steps.try_fold(first, |value, step| value.as_object()?.get(&step))
}

/// Texts, whole numbers and yes or no; never one of a list, and never a part of a text.
fn says(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value == text,
        Value::Number(number) => (number.is_i64() || number.is_u64()) && number.to_string() == text,
        Value::Bool(value) => (if *value { "true" } else { "false" }) == text,
        _ => false,
    }
}

/// What a workload is called, for people: `namespace/service account`, a repository, or its subject.
pub(super) fn name(claims: &Map<String, Value>, subject: &str) -> String {
    let text = |path: &str| at(claims, path).and_then(Value::as_str).filter(|text| is_plain(text));
    if let (Some(namespace), Some(account)) =
        (text("/kubernetes.io/namespace"), text("/kubernetes.io/serviceaccount/name"))
    {
        return format!("{namespace}/{account}");
    }
    let account = subject.strip_prefix("system:serviceaccount:").map(|rest| rest.replacen(':', "/", 1));
    account.unwrap_or_else(|| text("repository").unwrap_or(subject).to_owned())
}

fn is_plain(text: &str) -> bool {
    (1..=LONGEST_TEXT).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// How far clocks may be apart.
pub(super) const SKEW: i64 = 60;
/// Kubernetes gives an hour, GitHub minutes.
const LONGEST_LIFE: i64 = 24 * 3600;
/// In the year 9999.
const LAST_SECOND: i64 = 253_402_300_800;
const LONGEST_TEXT: usize = 1000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_found_by_its_name_or_by_a_pointer_and_matched_whole() {
        let claims = json!({
            "sub": "a", "n": 74, "f": 1.5, "yes": true, "none": null, "list": ["a"], "kubernetes.io": {"namespace": "llm",
            "serviceaccount": {"name": "vllm"}}, "kubernetes": {"io": {"namespace": "evil"}}, "a/b": {"~": "x"}, "": "empty",
        });
        let claims = claims.as_object().cloned().unwrap_or_default();
        let holds = |path: &str, text: &str| has(&claims, &Claims::from([(path.to_owned(), text.to_owned())]));
        let right = [
            ("sub", "a"),
            ("/sub", "a"),
            ("n", "74"),
            ("yes", "true"),
            ("/kubernetes.io/namespace", "llm"),
            ("/kubernetes.io/serviceaccount/name", "vllm"),
            ("/a~1b/~0", "x"),
        ];
        for (path, text) in right {
            assert!(holds(path, text), "{path}");
        }
        let wrong = [
            ("sub", "A"),
            ("sub", "a "),
            ("sub", ""),
            ("n", "074"),
            ("n", "74.0"),
            ("f", "1.5"),
            ("yes", "True"),
            ("none", "null"),
            ("none", ""),
            ("list", "a"),
            ("/list/0", "a"),
            ("kubernetes.io.namespace", "llm"),
            ("kubernetes.io.namespace", "evil"),
            ("/kubernetes.io", "llm"),
            ("/kubernetes.io/namespace/x", "llm"),
            ("absent", ""),
        ];
        for (path, text) in wrong {
            assert!(!holds(path, text), "{path} = {text}");
        }
        let both = Claims::from([("sub", "a"), ("n", "75")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert!(!has(&claims, &both));
    }

    #[test]
    fn only_an_audience_of_ours_is_ours() {
        let of = |aud: Value| is_for(json!({ "aud": aud }).as_object().unwrap_or(&Map::new()), "https://gw");
        assert!(of(json!("https://gw")) && of(json!(["https://a", "https://gw"])));
        for other in [
            json!("https://gw/"),
            json!("HTTPS://gw"),
            json!(["https://a"]),
            json!([]),
            json!({"https://gw": 1}),
            json!(null),
        ] {
            assert!(!of(other.clone()), "{other}");
        }
        assert!(!is_for(&Map::new(), "https://gw"));
    }

    #[test]
    fn a_trust_domain_is_all_before_the_path() {
        assert_eq!(trust_domain("spiffe://acme.example/ns/llm").as_deref(), Some("spiffe://acme.example"));
        for bad in ["spiffe://acme.example", "spiffe:///x", "https://acme.example/x", "acme.example/x", "spiffe:acme/x"]
        {
            assert_eq!(trust_domain(bad), None, "{bad}");
        }
        assert_ne!(trust_domain("spiffe://x@acme.example/y").as_deref(), Some("spiffe://acme.example"));
    }

    #[test]
    fn times_are_kept_to_the_minute() {
        let now = Micros(1_800_000_000 * Micros::SECOND);
        let at = |iat: i64, nbf: i64, exp: i64| {
            let second = |by: i64| 1_800_000_000 + by;
            let claims = json!({"iat": second(iat), "nbf": second(nbf), "exp": second(exp)});
            times(claims.as_object().unwrap_or(&Map::new()), now).is_ok()
        };
        assert!(at(0, 0, 3600) && at(-86_000, -86_000, 400) && at(59, 59, 3600) && at(-3600, -3600, -59));
        assert!(!at(-3600, -3600, -60) && !at(61, 0, 3600) && !at(0, 61, 3600) && !at(0, 0, 86_401) && !at(30, 30, 20));
        for odd in [json!("1800000000"), json!(-1), json!(1e300), json!(null), json!(253_402_300_800_i64), json!([1])] {
            assert_eq!(seconds(&odd), None, "{odd}");
        }
        assert_eq!(seconds(&json!(1_800_000_000.9)), Some(now));
    }
}
