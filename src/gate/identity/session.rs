//! The sessions of browsers: an opaque cookie, known here by its sha256.
//!
//! A session ends when nothing was asked in it for a while, when its time is over, and when anybody ends it.

use http::{HeaderMap, header};

use super::{
    Actor, Credential, Proof,
    actor::{Inner, Who},
    hash, not_accepted, people,
};
use crate::{
    clock,
    domain::{
        refusal::{Fault, Refusal},
        role::{Held, Reach, Role},
        scope::Scopes,
        time::Micros,
    },
    gate::{Gate, sql},
};

/// The name of a session's cookie. The browser itself sees to it that the prefix means: only over TLS (or on this very
/// machine), only from this host, only for all of it.
pub const COOKIE: &str = "__Host-wb_sid";

/// The value of a cookie, when it was sent once: two of a name are one too many.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut found = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = found.by_ref().filter(|(key, _)| *key == name).map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

pub(super) async fn load(gate: &Gate, cookie: &str) -> Result<Actor, Refusal> {
    let row = sql::find_session(gate.reader(), &hash(cookie)).await?;
    let row = row.ok_or_else(|| not_accepted("You are not signed in, or not any more."))?;
    if row.ended_at.is_some() {
        return Err(not_accepted("You were signed out."));
    }
    let used = sql::find_use(gate.reader(), &row.id).await?.map_or(row.used_at, |at| at.0.max(row.used_at));
    let idle = Micros(used).plus_seconds(IDLE);
    let expires_at = Micros(row.expires_at.min(idle.0));
    if expires_at <= clock::now() {
        return Err(not_accepted("This sign-in's time is over."));
    }
    let known = people::load(gate, &row.person_id).await?;
    let roles = match &row.roles {
        Some(words) => words.split(',').map(own_role).collect::<Result<Vec<_>, _>>()?,
        None => known.roles,
    };
    // Whoever came in with a code of the host has nothing else to prove themselves with: it holds while the session does.
    let proof = match row.kind.as_str() {
        "bootstrap" | "breakglass" => Proof { at: Micros(row.expires_at), acr: gate.identity().acr.clone() },
        _ => Proof { at: Micros(row.authenticated_at), acr: row.acr },
    };
    Ok(Actor::of(Inner {
        who: Who::Holder(roles),
        kind: "user",
        reference: Some(known.reference),
        name: known.name,
        credential: Credential::Session { id: row.id, csrf: row.csrf },
        scopes: Scopes::Everything,
        person: Some(known.person),
        proved: Some(proof),
        cluster: None,
        expires_at: Some(expires_at),
        cause: None,
    }))
}

/// Whether a session that somebody acts in has not been ended meanwhile.
pub(super) async fn still_stands(gate: &Gate, id: &str) -> Result<bool, Fault> {
    let row = sql::find_session_by_id(gate.reader(), id).await?;
    Ok(row.is_some_and(|row| row.ended_at.is_none()))
}

fn own_role(word: &str) -> Result<Held, Fault> {
    let role = Role::from_word(word).ok_or_else(|| Fault::new("reading a session: unknown role"))?;
    Ok(Held { role, reach: Reach::All })
}

/// Half an hour without a request.
const IDLE: i64 = 30 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_when_it_was_sent_once() {
        let of = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, http::HeaderValue::from_static(line));
            }
            cookie(&headers, COOKIE).map(str::to_owned)
        };
        assert_eq!(of(&["a=b; __Host-wb_sid=x"]).as_deref(), Some("x"));
        assert_eq!(of(&["__Host-wb_sid=x", "a=b"]).as_deref(), Some("x"));
        assert_eq!(of(&["__Host-wb_sid=x; __Host-wb_sid=y"]), None);
        assert_eq!(of(&["__Host-wb_sid=x", "__Host-wb_sid=x"]), None);
        assert_eq!(of(&["wb_sid=x; __host-wb_sid=y"]), None);
    }
}
