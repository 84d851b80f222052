//! Signing out: here, with the provider told; and at the provider, which tells us.
//!
//! Never ends a session on a token that is not wholly right, and never takes the same token twice.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::Jwk};
use serde_json::{Value, json};
use url::Url;

use super::{begin, proof::SKEW, sealed, sql};
use crate::{
    app::{App, providers::Provider},
    clock,
    domain::{
        refusal::{Code, Refusal},
        time::Micros,
    },
    endpoint::input::Knock,
    gate::{
        Newcomer,
        act::{EndOwnSession, EndSession},
        grant::Granted,
        identity::{Credential, hash},
        tx::Change,
    },
};

/// Ends the session that asks for it. Gives the provider's address where its own session can be ended too, and its name.
pub async fn sign_out(
    app: &App,
    may: Granted<EndOwnSession>,
    cookie: Option<&str>,
) -> Result<Option<(Url, String)>, Refusal> {
    let Credential::Session { id, .. } = may.actor().credential().clone() else {
        return Err(Refusal::bad_input("Only a session signs out; a token is ended with `weighbridge token revoke`."));
    };
    let row = sql::find_session(may.reader(), &id).await?;
    let tx = may.begin().await?;
    sql::end_sessions(&tx, &may, std::slice::from_ref(&id), "signed out", clock::now()).await?;
    tx.commit(may, Change::new(json!({"session": id, "why": "signed out"}))).await?;
    let Some(row) = row else { return Ok(None) };
    let Some(provider) = row.provider.as_deref().and_then(|name| app.providers.find(name)) else { return Ok(None) };
    // One that cannot be asked now is signed out of by hand; here it is done.
    let Ok(document) = provider.document().await else { return Ok(None) };
    let place = document.end_session_endpoint.as_deref().and_then(|place| Url::parse(place).ok());
    let Some(mut address) = place else { return Ok(None) };
    let hint = cookie.zip(row.id_token.as_deref()).and_then(|(cookie, token)| sealed::open(cookie, "id token", token));
    let hint = hint.and_then(|token| String::from_utf8(token).ok());
    {
        let mut query = address.query_pairs_mut();
        if let Some(hint) = &hint {
            query.append_pair("id_token_hint", hint);
        }
        query.append_pair("client_id", &provider.setting.client_id);
        query.append_pair("post_logout_redirect_uri", &after(app));
    }
    Ok(Some((address, provider.setting.name.clone())))
}

/// Where a provider sends browsers that signed out there; it has to be registered with it.
pub fn after(app: &App) -> String {
    format!("{}/-/sign-in", app.face.public_url)
}

/// The provider says that somebody signed out there. How many sessions that ended.
pub async fn heard(app: &App, provider: &Provider, knock: &Knock) -> Result<u64, Refusal> {
    app.gate.knock(&knock.call)?;
    let told = match read(provider, knock).await {
        Ok(told) => told,
        Err(NoLogout::Down(refusal)) => return Err(refusal),
        Err(NoLogout::Wrong(why)) => return Err(wrong(app, provider, knock, why).await),
    };
    let who = Newcomer::Stranger("the provider says that somebody signed out there");
    let may = app.gate.admit_newcomer::<EndSession>(who, &knock.call).await?;
    let now = clock::now();
    let name = &provider.setting.name;
    let tx = may.begin().await?;
    if !sql::see_once(&tx, &may, &provider.setting.issuer, &hash(&told.jti), told.forget_at, now).await? {
        drop(tx);
        return Err(wrong(app, provider, knock, "the logout token was seen before").await);
    }
    let person = match &told.sub {
        Some(sub) => sql::find_person(&tx, &provider.setting.issuer, sub).await?.map(|row| row.id),
        None => None,
    };
    let ids = match (&told.sid, &person) {
        // Where both are said, both have to fit.
        (Some(sid), person) if told.sub.is_none() || person.is_some() => {
            sql::list_sessions_of_provider(&tx, name, Some(sid), person.as_deref()).await?
        }
        (None, Some(person)) => sql::list_sessions_of_provider(&tx, name, None, Some(person)).await?,
        _ => Vec::new(),
    };
    let ended = sql::end_sessions(&tx, &may, &ids, "signed out at the provider", now).await?;
    let by = if told.sid.is_some() { "sid" } else { "sub" };
    let detail =
        json!({"why": "signed out at the provider", "provider": name, "by": by, "ended": ended, "sessions": ids});
    tx.commit(may, Change::new(detail)).await?;
    Ok(ended)
}

async fn wrong(app: &App, provider: &Provider, knock: &Knock, why: &str) -> Refusal {
    tracing::info!(provider = %provider.setting.name, why, "a logout token was refused");
    let sentence = format!("Nobody is signed out: {why}.");
    app.gate.failed_sign_in(Refusal::new(Code::BadInput, sentence), &knock.call).await
}

/// What a good logout token says.
struct Told {
    sub: Option<String>,
    sid: Option<String>,
    jti: String,
    /// After this it would be too old to be taken anyway.
    forget_at: Micros,
}

enum NoLogout {
    Down(Refusal),
    Wrong(&'static str),
}

async fn read(provider: &Provider, knock: &Knock) -> Result<Told, NoLogout> {
    let wrong = NoLogout::Wrong;
    let token = knock.field("logout_token").filter(|token| !knock.is_json && token.len() <= 16 * 1024);
    let token = token.ok_or(wrong("the form has no logout_token"))?;
    let header = jsonwebtoken::decode_header(token).map_err(|_| wrong("the logout token is not signed as is taken"))?;
    let typ = header.typ.as_deref().unwrap_or("JWT");
    if !(typ.eq_ignore_ascii_case("logout+jwt") || typ.eq_ignore_ascii_case("jwt")) {
        return Err(wrong("what came is another kind of token"));
    }
    if !ALGORITHMS.contains(&header.alg) {
        return Err(wrong("the logout token is signed in a way that is not taken"));
    }
    let down = |fault| NoLogout::Down(begin::down(provider, &fault));
    let mut keys = keys(&*provider.keys().await.map_err(down)?, header.kid.as_deref(), header.alg);
    if keys.is_empty() {
        keys = self::keys(&*provider.newer_keys().await.map_err(down)?, header.kid.as_deref(), header.alg);
    }
    // Which key, where several could be meant, is not guessed.
    let [key] = keys.as_slice() else { return Err(wrong("the logout token is signed with an unknown key")) };
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[&provider.setting.issuer]);
    validation.set_audience(&[&provider.setting.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_nbf = true;
    validation.leeway = SKEW.unsigned_abs();
    let claims = jsonwebtoken::decode::<Value>(token, key, &validation);
    let claims = claims.map_err(|_| wrong("its signature, issuer, audience or time is wrong"))?.claims;
    judged(&claims, clock::now()).map_err(wrong)
}

/// The rules of the back-channel that are not those of every token.
fn judged(claims: &Value, now: Micros) -> Result<Told, &'static str> {
    let text =
        |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty() && text.len() <= 255);
    let issued = claims.get("iat").and_then(Value::as_i64).ok_or("it does not say when it was made")?;
    if issued > now.seconds() + SKEW {
        return Err("it was made in the future");
    }
    if issued < now.seconds() - YOUNG {
        return Err("it is too old");
    }
    if claims.get("nonce").is_some() {
        return Err("it has a nonce, as only an ID token has");
    }
    if !claims.get("events").and_then(|events| events.get(EVENT)).is_some_and(Value::is_object) {
        return Err("it does not say that it is about signing out");
    }
    let (sub, sid) = (text("sub").map(str::to_owned), text("sid").map(str::to_owned));
    if sub.is_none() && sid.is_none() {
        return Err("it does not say who signed out");
    }
    let jti = text("jti").ok_or("it has no id")?.to_owned();
    Ok(Told { sub, sid, jti, forget_at: Micros(issued * Micros::SECOND).plus_seconds(YOUNG + 2 * SKEW) })
}

/// The published keys that can have made this signature.
fn keys(set: &Value, kid: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
    let all = set.get("keys").and_then(Value::as_array).into_iter().flatten();
    let word = |key: &Value, name: &str| key.get(name).and_then(Value::as_str).map(str::to_owned);
    let (family, alg) = match algorithm {
        Algorithm::ES256 => ("EC", "ES256"),
        Algorithm::EdDSA => ("OKP", "EdDSA"),
        Algorithm::PS256 => ("RSA", "PS256"),
        _ => ("RSA", "RS256"),
    };
    all.filter(|key| kid.is_none_or(|kid| word(key, "kid").as_deref() == Some(kid)))
        .filter(|key| word(key, "kty").as_deref() == Some(family))
        .filter(|key| word(key, "use").is_none_or(|meant| meant == "sig"))
        .filter(|key| word(key, "alg").is_none_or(|meant| meant == alg))
        .filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok())
        .filter_map(|key| DecodingKey::from_jwk(&key).ok())
        .collect()
}

const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::ES256, Algorithm::PS256, Algorithm::EdDSA];
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Five minutes.
const YOUNG: i64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logout_token_that_lacks_anything_or_says_too_much_is_none() {
        let now = Micros(1_800_000_000 * Micros::SECOND);
        let good = json!({"iat": 1_800_000_000, "sub": "alice", "sid": "s", "jti": "j", "events": {EVENT: {}}});
        assert!(judged(&good, now).is_ok());
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            match (claims.as_object_mut(), value) {
                (Some(object), Value::Null) => drop(object.remove(name)),
                (Some(object), value) => drop(object.insert(name.to_owned(), value)),
                _ => {}
            }
            judged(&claims, now).map(|told| (told.sub, told.sid)).err()
        };
        assert_eq!(with("sub", Value::Null), None);
        assert_eq!(with("sid", Value::Null), None);
        assert_eq!(with("iat", json!(1_800_000_000 - 299)), None);
        for (name, value) in [
            ("iat", Value::Null),
            ("iat", json!(1_800_000_000 - 301)),
            ("iat", json!(1_800_000_000 + 61)),
            ("iat", json!("1800000000")),
            ("nonce", json!("n")),
            ("nonce", json!(false)),
            ("events", Value::Null),
            ("events", json!({"other": {}})),
            ("events", json!({EVENT: true})),
            ("events", json!(EVENT)),
            ("jti", Value::Null),
            ("jti", json!("")),
        ] {
            assert!(with(name, value.clone()).is_some(), "{name} {value}");
        }
        let nobody = json!({"iat": 1_800_000_000, "jti": "j", "events": {EVENT: {}}});
        assert!(judged(&nobody, now).is_err());
    }
}
