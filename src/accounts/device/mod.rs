//! Signing in from a terminal: `hf auth login` shows a code, a person says in their browser that it is theirs, and the
//! terminal gets tokens that act as that person.
//!
//! Never lets a terminal in because somebody opened a link: only a form that its reader sent does, after they were told who
//! asks. Never keeps a code or a token, only their hashes.
//!
//! *Invariants*: a code is answered once and taken once, within ten minutes; who answered is who the tokens belong to.

pub mod http;
pub mod refresh;
pub mod sql;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::tokens::{
    mint::{Minted, Seed, mint, random},
    sql::find_person,
};
use crate::{
    app::App,
    clock,
    domain::{
        refusal::{Code, Fault, Refusal},
        role::Reach,
        time::Micros,
        token::{Class, Shape},
        user_code::{LETTERS, UserCode},
    },
    gate::{
        Call, Newcomer,
        act::{Act, AnswerDevice, BeginDevice, TakeDeviceToken},
        grant::Granted,
        identity::{self, Credential},
        tx::{Change, Tx},
    },
    store::tables::{device_sign_in, person},
};

/// A sign-in that was begun: both codes, shown to the terminal and to nobody else.
pub struct Begun {
    pub device_code: String,
    pub user_code: UserCode,
}

/// Where a sign-in was begun, for the person who is asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Origin {
    pub address: String,
    pub program: String,
}

/// A terminal that waits for an answer.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub id: String,
    pub origin: Origin,
    pub asked_at: Micros,
}

/// What a terminal is told.
pub enum Told {
    Pending,
    Denied,
    Expired,
    /// No such code, or it was used.
    Unknown,
    Tokens(Pair),
}

/// What a terminal signs in with from now on.
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

pub async fn begin(app: &App, client: &str, call: &Call) -> Result<Begun, Refusal> {
    let device_code: String = random::<43>(62)?.iter().map(|n| char::from(BASE62[usize::from(*n)])).collect();
    let user_code = UserCode::of(&random::<8>(LETTERS)?);
    let source = call.source.as_ref();
    let origin = Origin {
        address: source.map(|source| source.address.to_canonical().to_string()).unwrap_or_default(),
        program: source.map(|source| source.agent.clone()).unwrap_or_default(),
    };
    let now = clock::now();
    let row = device_sign_in::Model {
        id: clock::new_id(),
        code_hash: identity::hash(&device_code).to_vec(),
        user_code_hash: identity::hash(user_code.letters()).to_vec(),
        client: client.to_owned(),
        source: serde_json::to_string(&origin).map_err(|e| Fault::because("writing where a sign-in comes from", e))?,
        person_id: None,
        answer: None,
        answered_at: None,
        created_at: now.0,
        expires_at: now.plus_seconds(LIVES).0,
        used_at: None,
    };
    let may = app.gate.admit_newcomer::<BeginDevice>(Newcomer::Stranger("signing in from a terminal"), call).await?;
    let detail = json!({"device_id": row.id, "expires_at": Micros(row.expires_at).to_string()});
    let tx = may.begin().await?;
    // Where people sign in from is kept no longer than it is of use.
    sql::forget_before(&tx, &may, now.plus_seconds(-KEPT)).await?;
    sql::save(&tx, &may, row).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(Begun { device_code, user_code })
}

/// The terminal that shows this code, while it waits.
pub async fn find_waiting<A: Act>(may: &Granted<A>, code: &UserCode) -> Result<Option<Waiting>, Fault> {
    let row = sql::find_by_user_code(may.reader(), &identity::hash(code.letters())).await?;
    let waits = |row: &device_sign_in::Model| row.answer.is_none() && row.expires_at > clock::now().0;
    Ok(row.filter(waits).map(|row| Waiting {
        id: row.id,
        origin: serde_json::from_str(&row.source).unwrap_or_default(),
        asked_at: Micros(row.created_at),
    }))
}

/// Lets the terminal with this code in as oneself, or not. `None` when it waits no more.
pub async fn answer(may: Granted<AnswerDevice>, code: &UserCode, allow: bool) -> Result<Option<Waiting>, Refusal> {
    let person = may.actor().person().map(|person| person.id.clone());
    let person = person.ok_or_else(|| Refusal::new(Code::NotAllowed, "Only people let terminals sign in."))?;
    if allow && is_borrowed(&may).await? {
        let sentence = "A sign-in with a code of the host lets no terminal in: its roles end with it.";
        return Err(Refusal::new(Code::NotAllowed, sentence).hint("Sign in through your identity provider."));
    }
    let Some(waiting) = find_waiting(&may, code).await? else { return Ok(None) };
    let word = if allow { ALLOWED } else { DENIED };
    let tx = may.begin().await?;
    if !sql::answer(&tx, &may, &waiting.id, &person, word, clock::now()).await? {
        return Ok(None);
    }
    tx.commit(may, Change::new(json!({"device_id": waiting.id, "answer": word}))).await?;
    Ok(Some(waiting))
}

/// Whether this session has roles of its own, and not its person's.
async fn is_borrowed(may: &Granted<AnswerDevice>) -> Result<bool, Fault> {
    let Credential::Session { id, .. } = may.actor().credential() else { return Ok(true) };
    sql::has_own_roles(may.reader(), id).await
}

/// What becomes of the terminal with this code; its tokens, if somebody let it in.
pub async fn take(app: &App, device_code: &str, client: &str, call: &Call) -> Result<Told, Refusal> {
    let hash = identity::hash(device_code);
    let door = Newcomer::Stranger("a terminal that waits");
    let looks = app.gate.admit_newcomer::<TakeDeviceToken>(door, call).await?;
    let Some(row) = sql::find_by_code(looks.reader(), &hash).await? else { return Ok(Told::Unknown) };
    if row.client != client || row.used_at.is_some() {
        return Ok(Told::Unknown);
    }
    if row.expires_at <= clock::now().0 {
        return Ok(Told::Expired);
    }
    match (row.answer.as_deref(), &row.person_id) {
        (None, _) => return Ok(Told::Pending),
        (Some(ALLOWED), Some(_)) => {}
        _ => return Ok(Told::Denied),
    }
    let person = row.person_id.clone().unwrap_or_default();
    let Some(owner) = active(&looks, &person).await? else { return Ok(Told::Denied) };
    let who = Newcomer::Person {
        issuer: &owner.issuer,
        subject: &owner.subject,
        name: &owner.name,
        cause: "let in from a browser",
    };
    let may = app.gate.admit_newcomer::<TakeDeviceToken>(who, call).await?;
    let tx = may.begin().await?;
    if !super::tokens::sql::is_in(&tx, &may, &owner.id).await? {
        return Ok(Told::Denied);
    }
    if !sql::use_up(&tx, &may, &row.id, clock::now()).await? {
        return Ok(Told::Unknown);
    }
    let family = clock::new_id();
    let origin: Origin = serde_json::from_str(&row.source).unwrap_or_default();
    let terminal = Terminal { family: &family, name: &format!("terminal at {}", origin.address) };
    let (pair, mut detail) = give(&tx, &may, &owner, terminal).await?;
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("device_id".to_owned(), json!(row.id));
    }
    tx.commit(may, Change::new(detail)).await?;
    Ok(Told::Tokens(pair))
}

async fn active<A: Act>(may: &Granted<A>, id: &str) -> Result<Option<person::Model>, Fault> {
    Ok(find_person(may.reader(), id).await?.filter(|person| person.deactivated_at.is_none()))
}

/// Which sign-in it is, and what its owner's list calls it.
struct Terminal<'a> {
    family: &'a str,
    name: &'a str,
}

/// Writes a device token and what it is renewed with, both of one sign-in.
async fn give<A: Act>(
    tx: &Tx,
    may: &Granted<A>,
    owner: &person::Model,
    Terminal { family, name }: Terminal<'_>,
) -> Result<(Pair, Value), Fault> {
    let now = clock::now();
    let made = |class, lives| {
        mint(Seed {
            class,
            shape: Shape::Own,
            name,
            person_id: Some(&owner.id),
            family: Some(family),
            scopes: None,
            reach: &Reach::All,
            expires_at: now.plus_seconds(lives),
            by: may.actor().reference(),
        })
    };
    let Minted { text: access, row } = made(Class::Device, ACCESS)?;
    let detail = json!({
        "token_id": row.id, "class": row.class, "family": family, "expires_at": Micros(row.expires_at).to_string(),
    });
    super::sql::save_token(tx, may, row).await?;
    let Minted { text: refresh, row } = made(Class::Refresh, IDLE)?;
    super::sql::save_token(tx, may, row).await?;
    Ok((Pair { access, refresh }, detail))
}

/// How long a code is good, in seconds.
pub const LIVES: i64 = 10 * 60;
/// How long its row is kept after that: whoever comes late is told that they are late.
const KEPT: i64 = 3600;
/// How long a device token lives. huggingface_hub renews one with less than a day left.
pub const ACCESS: i64 = 48 * 3600;
/// How long a terminal may be quiet before it has to sign in again.
const IDLE: i64 = 30 * 24 * 3600;
const ALLOWED: &str = "allowed";
const DENIED: &str = "denied";
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
