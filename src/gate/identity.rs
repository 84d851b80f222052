//! Who is asking: a credential becomes an actor, and nothing else does.
//!
//! Which kind a credential is, its own shape says: none is ever tried as another. Never decides what the actor may do, and
//! never keeps or logs a credential: only its sha256 is compared, after a checksum has sorted out guesses without asking
//! the database.

mod actor;
mod people;
mod session;
mod source;
mod token;
mod workload;

use aws_lc_rs::digest;
use http::{HeaderMap, header};

pub(super) use self::workload::{clear as workload_clear, prove};
pub(super) use self::{actor::home, people::clear as person_clear, source::neighbourhood};
pub use self::{
    actor::{Actor, Credential, Person, Proof},
    session::{COOKIE, cookie},
    source::Source,
    workload::{Claims, IssuerState, Issuers, Proven, Workload, WorkloadRule, id_of},
};
use super::{Call, Gate, sql};
use crate::{
    clock,
    domain::{
        refusal::{Code, Fault, Refusal},
        token as shape,
    },
};

/// Reads the bearer credential of a request. Without one, or with a bad one, nobody comes in.
///
/// Whoever is not known to hold a good one is slowed down first: before the database is asked, and before the failure
/// is written down.
pub(super) async fn identify(gate: &Gate, headers: &HeaderMap, call: &Call) -> Result<Actor, Refusal> {
    let bearer = match bearer_of(headers) {
        Ok(bearer) => bearer,
        Err(refusal) => {
            gate.pace().stranger(call)?;
            return Err(refusal);
        }
    };
    let load = async {
        if shape::plausible(bearer) { token::load(gate, bearer).await } else { workload::load(gate, bearer).await }
    };
    known(gate, hash(bearer), call, Box::pin(load)).await
}

/// Reads the session of a browser. Bearer tokens are not looked at, and no other endpoint looks at cookies.
pub(super) async fn identify_session(gate: &Gate, headers: &HeaderMap, call: &Call) -> Result<Actor, Refusal> {
    let Some(cookie) = cookie(headers, COOKIE) else {
        return Err(Refusal::new(Code::SignInRequired, "Sign in first."));
    };
    known(gate, hash(cookie), call, session::load(gate, cookie)).await
}

/// The actor of a credential, remembered for seconds.
async fn known(
    gate: &Gate,
    hash: [u8; 32],
    call: &Call,
    load: impl Future<Output = Result<Actor, Refusal>>,
) -> Result<Actor, Refusal> {
    let familiar = gate.familiar().contains_key(&hash);
    if !familiar {
        gate.pace().stranger(call)?;
    }
    let refusal = match gate.actors().try_get_with((gate.epoch(), hash), load).await {
        Ok(actor) if !actor.is_expired(clock::now()) => {
            if !familiar {
                gate.familiar().insert(hash, ());
            }
            return Ok(actor);
        }
        Ok(_) => not_accepted("This credential's time is over."),
        Err(why) => Refusal::clone(&why),
    };
    // A database that did not answer says nothing about the credential.
    if familiar && refusal.code == Code::TokenNotAccepted {
        gate.familiar().invalidate(&hash);
        gate.pace().stranger(call)?;
    }
    Err(refusal)
}

/// The bearer token of a request, of a shape that can be one.
fn bearer_of(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        let hint = "Run hf auth login, or set HF_TOKEN to a token from your Weighbridge operator.";
        return Err(Refusal::new(Code::SignInRequired, "Sign in first: this needs a token.").hint(hint));
    };
    if given.next().is_some() {
        return Err(not_accepted("The request carries two Authorization headers."));
    }
    let text = value.to_str().unwrap_or_default();
    let bearer = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = bearer else {
        return Err(not_accepted("Weighbridge takes bearer tokens only."));
    };
    let token = token.trim();
    if !shape::plausible(token) && !workload::plausible(token) {
        return Err(not_accepted("This is not a Weighbridge token, or it was cut short."));
    }
    Ok(token)
}

/// Whether what somebody came in with has not been ended meanwhile, and they still reach what they reached. Streams ask it
/// whenever anything has changed.
pub(super) async fn still_holds(gate: &Gate, actor: &Actor) -> Result<bool, Fault> {
    let reader = gate.reader();
    let stands = match actor.credential() {
        Credential::Token { id, .. } => {
            let row = sql::find_token_by_id(reader, id).await?;
            match row.filter(|row| row.revoked_at.is_none()) {
                Some(row) => !workload::is_source_blocked(gate, row.workload.as_deref()).await?,
                None => false,
            }
        }
        Credential::Session { id, .. } => session::still_stands(gate, id).await?,
        Credential::Workload { issuer, subject, id, issued_at } => {
            let (issuer, subject, id) = (issuer.clone(), subject.clone(), id.clone());
            !workload::is_blocked(gate, &Workload { issuer, subject, id, issued_at: issued_at.0 }).await?
        }
        Credential::None => true,
    };
    let Some(person) = actor.person().filter(|_| stands) else { return Ok(stands) };
    match people::load(gate, &person.id).await {
        Ok(known) => Ok(!known.roles.is_empty() || matches!(actor.credential(), Credential::Session { .. })),
        Err(refusal) if refusal.code == Code::TokenNotAccepted => Ok(false),
        Err(_) => Err(Fault::new("looking up whether somebody still has a role")),
    }
}

/// What is kept of a credential.
pub fn hash(credential: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, credential.as_bytes()).as_ref());
    bytes
}

fn not_accepted(why: &str) -> Refusal {
    let hint = "Run hf auth login, or ask your Weighbridge operator for a token and set it as HF_TOKEN.";
    Refusal::new(Code::TokenNotAccepted, why).hint(hint)
}
