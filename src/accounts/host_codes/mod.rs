//! Codes of the host: the way in for the first administrator, and for the hour in which nothing else is.
//!
//! Whoever may run commands on the gateway's machine makes one; whoever types it within a quarter of an hour has a
//! session of an hour. All of them are one person here, the host's administrator, so that the hands of the host count as
//! one pair. There is no password, and without a command of the host there is no code.
//!
//! *Invariants*: a code works once; the first administrator's works only while there is none; no code approves anything.

mod code;
pub mod http;
pub mod sql;

use serde_json::json;

use super::people::{HOST, has_admin};
use crate::{
    app::App,
    clock,
    domain::{
        refusal::{Code, Fault, Refusal},
        time::Micros,
    },
    endpoint::input::Knock,
    gate::{
        Gate, Newcomer,
        act::{BeginSession, MakeHostCode},
        grant::Granted,
        identity,
        tx::Change,
    },
    keys,
    store::tables::{host_code, person, session},
};

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Bootstrap,
    BreakGlass,
}

impl Purpose {
    pub fn word(self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
            Self::BreakGlass => "breakglass",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Bootstrap, Self::BreakGlass].into_iter().find(|one| one.word() == word)
    }

    /// Never one that approves.
    fn roles(self) -> &'static str {
        match self {
            Self::Bootstrap => "admin",
            Self::BreakGlass => "operator,admin",
        }
    }
}

/// A code that was just made. Shown once.
pub struct Made {
    pub text: String,
    pub ends: Micros,
}

/// Makes a code. For the first administrator only while there is none.
pub async fn make(gate: &Gate, may: Granted<MakeHostCode>, purpose: Purpose, reason: &str) -> Result<Made, Refusal> {
    if purpose == Purpose::Bootstrap {
        only_the_first(gate, may.reader()).await?;
    }
    let text = code::make()?;
    let hash = code::hash(&text).ok_or_else(|| Fault::new("making a code"))?;
    let at = clock::now();
    let ends = at.plus_seconds(TYPED_WITHIN);
    let row = host_code::Model {
        hash: hash.to_vec(),
        purpose: purpose.word().to_owned(),
        reason: reason.to_owned(),
        created_at: at.0,
        expires_at: ends.0,
        used_at: None,
        session_id: None,
    };
    let detail = json!({"purpose": purpose.word(), "reason": reason, "expires_at": ends.to_string()});
    let tx = may.begin().await?;
    sql::save_code(&tx, &may, row).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(Made { text, ends })
}

async fn only_the_first(gate: &Gate, db: &crate::store::Reader) -> Result<(), Refusal> {
    if !has_admin(gate, db).await? {
        return Ok(());
    }
    let sentence = "There is an administrator already, so nobody else begins as one.";
    let hint = "Ask them; if nobody can sign in: weighbridge admin breakglass --reason TEXT";
    Err(Refusal::new(Code::NotAllowed, sentence).hint(hint))
}

/// A session that begins.
pub struct Begun {
    pub cookie: String,
    pub for_seconds: u32,
}

/// Takes a code that somebody typed, once, and begins their session.
pub async fn take(app: &App, knock: &Knock) -> Result<Begun, Refusal> {
    let gate = &app.gate;
    gate.pace_sign_in(&knock.call).await?;
    app.tries.host_code(knock.call.source.as_ref().map(|source| source.address))?;
    // Nobody comes in unseen, and whoever stands at the door is told why.
    if gate.failing().contains(&"ledger") {
        let sentence = "The ledger cannot take entries now, and without an entry nobody comes in.";
        return Err(Refusal::new(Code::Unavailable, sentence).hint("Mend the ledger first, then type the code again."));
    }
    let Some(hash) = knock.field("code").and_then(code::hash) else {
        return Err(gate.failed_sign_in(wrong(), &knock.call).await);
    };
    let newcomer =
        Newcomer::Person { issuer: HOST, subject: SUBJECT, name: NAME, cause: "a code of the host was typed" };
    let may = gate.admit_newcomer::<BeginSession>(newcomer, &knock.call).await?;
    let at = clock::now();
    let found = sql::find_code(may.reader(), &hash).await?;
    let good = found.filter(|row| row.used_at.is_none() && row.expires_at > at.0);
    let purpose = good.as_ref().and_then(|row| Purpose::from_word(&row.purpose));
    let (Some(row), Some(purpose)) = (good, purpose) else {
        return Err(gate.failed_sign_in(wrong(), &knock.call).await);
    };
    if purpose == Purpose::Bootstrap {
        only_the_first(gate, may.reader()).await?;
    }
    let begun = begin(may, &row, &hash, purpose, at).await?;
    if let (Some(begun), Purpose::BreakGlass) = (&begun, purpose) {
        tracing::warn!(
            session.id = begun.1,
            reason = row.reason,
            "the glass is broken: an hour as operator and administrator"
        );
    }
    match begun {
        Some((begun, _)) => Ok(begun),
        None => Err(gate.failed_sign_in(wrong(), &knock.call).await),
    }
}

/// `None` when somebody else typed it a moment before.
async fn begin(
    may: Granted<BeginSession>,
    row: &host_code::Model,
    hash: &[u8; 32],
    purpose: Purpose,
    at: Micros,
) -> Result<Option<(Begun, String)>, Refusal> {
    let (cookie, csrf) = (secret()?, secret()?);
    let (id, ends) = (clock::new_id(), at.plus_seconds(LASTS));
    let tx = may.begin().await?;
    if !sql::use_code(&tx, &may, hash, &id, at).await? {
        return Ok(None);
    }
    let there = sql::find_host_person(&tx).await?;
    let person = there.clone().unwrap_or_else(|| host_person(at));
    let person_id = person.id.clone();
    if there.is_none() {
        sql::save_person(&tx, &may, person).await?;
    }
    let session = session::Model {
        id: id.clone(),
        hash: identity::hash(&cookie).to_vec(),
        person_id: person_id.clone(),
        kind: purpose.word().to_owned(),
        provider: None,
        sid: None,
        roles: Some(purpose.roles().to_owned()),
        csrf,
        id_token: None,
        authenticated_at: at.0,
        acr: None,
        amr: None,
        created_at: at.0,
        used_at: at.0,
        expires_at: ends.0,
        ended_at: None,
        ended_why: None,
    };
    sql::save_session(&tx, &may, session).await?;
    let detail = json!({
        "session": id, "kind": purpose.word(), "roles": purpose.roles(), "reason": row.reason, "person": person_id,
        "expires_at": ends.to_string(),
    });
    tx.commit(may, Change::new(detail)).await?;
    let for_seconds = u32::try_from(LASTS).unwrap_or(u32::MAX);
    Ok(Some((Begun { cookie, for_seconds }, id)))
}

fn host_person(at: Micros) -> person::Model {
    person::Model {
        id: clock::new_id(),
        issuer: HOST.to_owned(),
        subject: SUBJECT.to_owned(),
        provider: "host".to_owned(),
        name: NAME.to_owned(),
        email: None,
        user_name: None,
        external_id: None,
        made_by: "host".to_owned(),
        groups_state: "absent".to_owned(),
        scim: None,
        created_at: at.0,
        updated_at: at.0,
        seen_at: Some(at.0),
        deactivated_at: None,
        deactivated_by: None,
    }
}

/// 256 bits, as letters and digits.
fn secret() -> Result<String, Fault> {
    let mut bytes = [0; 32];
    keys::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::with_capacity(64), |all, byte| format!("{all}{byte:02x}")))
}

/// The same for a code that never was, one that was used and one whose time is over.
fn wrong() -> Refusal {
    let sentence = "This code is not good: it was never made, was used, or its 15 minutes are over.";
    Refusal::new(Code::TokenNotAccepted, sentence).hint("Make another on the gateway's host: weighbridge admin.")
}

/// All who come in with a code of the host are one person.
const SUBJECT: &str = "administrator";
const NAME: &str = "Host administrator";
/// Seconds in which a code has to be typed.
const TYPED_WITHIN: i64 = 15 * 60;
/// Seconds that a session by a code lasts.
const LASTS: i64 = 60 * 60;
