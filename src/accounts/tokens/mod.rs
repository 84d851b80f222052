//! The tokens that people make for their own scripts, and the terminals they are signed in from.
//!
//! Never gives a token more than its owner has when it is used: scopes and environments only take away. Never shows a
//! token twice.
//!
//! *Invariants*: whoever makes or renews one is signed in, in a browser or a terminal, so that no token outlives its owner's
//! sign-ins by renewing itself; every one ends within 90 days.

pub mod http;
pub mod machines;
pub mod mint;
pub mod report;
pub mod sql;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::{Value, json};

use self::mint::{Minted, Seed, mint};
use super::Listed;
use crate::{
    app::App,
    clock,
    domain::{
        refusal::{Code, Refusal},
        role::{Environment, Reach},
        scope::Scope,
        time::Micros,
        token::{Class, Shape},
    },
    gate::{
        act::{Act, CreateOwnToken, EndOwnDevices, ListOwnTokens, RevokeOwnToken, RotateOwnToken},
        grant::Granted,
        identity::{Credential, Person},
        tx::Change,
    },
    store::tables::token,
};

/// What a person wants a token to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    pub name: String,
    /// What it is held to; without them, whatever its owner may do.
    pub scopes: Option<Vec<String>>,
    /// Where it reaches; without them, wherever its owner does.
    pub environments: Option<Vec<String>>,
    /// How long it lives, in seconds.
    pub lifetime_seconds: Option<i64>,
    #[serde(default)]
    pub shape: ShapeWord,
}

/// How a token is to be renewed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    pub lifetime_seconds: Option<i64>,
    #[serde(default)]
    pub shape: ShapeWord,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    #[serde(default)]
    pub reason: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShapeWord {
    #[default]
    Own,
    Hf,
}

impl ShapeWord {
    pub fn shape(self) -> Shape {
        match self {
            Self::Own => Shape::Own,
            Self::Hf => Shape::Hf,
        }
    }
}

pub async fn create(app: &App, may: Granted<CreateOwnToken>, wish: Wish) -> Result<Value, Refusal> {
    let person = signed_in(&may)?.clone();
    let name = name(&wish.name)?;
    let scopes = wish.scopes.as_deref().map(scopes).transpose()?;
    let reach = reach(app, &may, wish.environments.as_deref())?;
    let expires_at = clock::now().plus_seconds(lifetime(wish.lifetime_seconds, USUAL, LONGEST)?);
    if sql::count_working(may.reader(), &person.id, Class::Personal.word(), clock::now()).await? >= MOST {
        let sentence = format!("You have {MOST} tokens that work: end some first.");
        return Err(Refusal::new(Code::Conflict, sentence).hint("See: weighbridge my-token list"));
    }
    let minted = mint(Seed {
        class: Class::Personal,
        shape: wish.shape.shape(),
        name: &name,
        person_id: Some(&person.id),
        family: None,
        scopes,
        reach: &reach,
        expires_at,
        by: may.actor().reference(),
    })?;
    let answer = made(&minted);
    let tx = may.begin().await?;
    if !sql::is_in(&tx, &may, &person.id).await? {
        return Err(put_out());
    }
    let detail = detail(&minted.row);
    super::sql::save_token(&tx, &may, minted.row).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(answer)
}

pub async fn list(may: &Granted<ListOwnTokens>) -> Result<Value, Refusal> {
    let person = of_person(may)?;
    let all = sql::list_of_person(may.reader(), &person.id).await?;
    let now = clock::now();
    Ok(json!({"tokens": all.iter().map(|one| shown(one, now)).collect::<Vec<_>>()}))
}

/// Ends one of one's own; a terminal's with all that it was renewed with.
pub async fn revoke(may: Granted<RevokeOwnToken>, ending: Ending) -> Result<Value, Refusal> {
    let row = own(&may, &may.object().0).await?;
    end(may, row, &ending.reason).await
}

/// Signs every terminal out.
pub async fn sign_out(may: Granted<EndOwnDevices>) -> Result<Value, Refusal> {
    let person = of_person(&may)?.id.clone();
    let tx = may.begin().await?;
    let ended = sql::end_devices(&tx, &may, &person, "signed out everywhere", clock::now()).await?;
    tx.commit(may, Change::new(json!({"reason": "signed out everywhere", "count": ended}))).await?;
    Ok(json!({"signed_out": true}))
}

/// A new token with the name, the scopes and the reach of an old one, which works for another day.
pub async fn rotate(may: Granted<RotateOwnToken>, renewal: Renewal) -> Result<Value, Refusal> {
    signed_in(&may)?;
    let row = own(&may, &may.object().0).await?;
    if row.class != Class::Personal.word() {
        let sentence = "Only tokens that you made are rotated: a terminal's sign-in renews itself.";
        return Err(Refusal::new(Code::Conflict, sentence));
    }
    renew(may, row, &renewal, LONGEST).await
}

/// Writes the successor of a token and keeps the old one for its last day, in one change.
async fn renew<A: Act>(may: Granted<A>, old: token::Model, renewal: &Renewal, longest: i64) -> Result<Value, Refusal> {
    let now = clock::now();
    if old.revoked_at.is_some() || old.expires_at <= now.0 {
        return Err(Refusal::new(Code::Conflict, format!("Token {} works no more: make a new one.", old.id)));
    }
    if old.replaced_at.is_some() {
        return Err(Refusal::new(Code::Conflict, format!("Token {} was rotated already.", old.id)));
    }
    let span = (old.expires_at - old.created_at) / Micros::SECOND;
    let lives = lifetime(renewal.lifetime_seconds, span.clamp(1, longest), longest)?;
    let class = Class::from_word(&old.class).ok_or_else(|| Refusal::bad_input("This token cannot be rotated."))?;
    let reach = Reach::parse(&old.reach).ok_or_else(|| Refusal::bad_input("This token's reach cannot be read."))?;
    let mut minted = mint(Seed {
        class,
        shape: renewal.shape.shape(),
        name: &old.name,
        person_id: old.person_id.as_deref(),
        family: None,
        scopes: old.scopes.clone(),
        reach: &reach,
        expires_at: now.plus_seconds(lives),
        by: may.actor().reference(),
    })?;
    minted.row.role.clone_from(&old.role);
    minted.row.cluster.clone_from(&old.cluster);
    let mut answer = made(&minted);
    let ends = old.expires_at.min(now.plus_seconds(OVERLAP).0);
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("replaces".to_owned(), json!({"id": old.id, "works_until": Micros(ends).to_string()}));
    }
    let mut detail = detail(&minted.row);
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("replaces".to_owned(), json!(old.id));
    }
    let tx = may.begin().await?;
    if let Some(person) = &old.person_id
        && !sql::is_in(&tx, &may, person).await?
    {
        return Err(put_out());
    }
    if !sql::replace_once(&tx, &may, &old.id, now).await? {
        return Err(Refusal::new(Code::Conflict, format!("Token {} was ended or renewed meanwhile.", old.id)));
    }
    super::sql::save_token(&tx, &may, minted.row).await?;
    tx.commit(may, Change::new(detail)).await?;
    Ok(answer)
}

fn put_out() -> Refusal {
    Refusal::new(Code::TokenNotAccepted, "This account is deactivated.")
}

async fn end<A: Act>(may: Granted<A>, row: token::Model, reason: &str) -> Result<Value, Refusal> {
    let reason = reason.trim();
    if reason.chars().count() > 500 || reason.chars().any(char::is_control) {
        return Err(Refusal::bad_input("A reason is one line of at most 500 letters."));
    }
    if let Some(at) = row.revoked_at {
        return Ok(json!({"id": row.id, "revoked_before_at": Micros(at).to_string()}));
    }
    let why = if reason.is_empty() { "revoked" } else { reason };
    let tx = may.begin().await?;
    sql::end(&tx, &may, &row, why, clock::now()).await?;
    let detail = json!({"reason": reason, "class": row.class, "role": row.role, "reach": row.reach});
    tx.commit(may, Change::new(detail)).await?;
    Ok(json!({"id": row.id, "revoked_before_at": null}))
}

/// A token of whoever asks. Somebody else's is not there.
async fn own<A: Act>(may: &Granted<A>, id: &str) -> Result<token::Model, Refusal> {
    let person = of_person(may)?;
    let row = super::sql::find_token(may.reader(), id).await?;
    row.filter(|row| row.person_id.as_deref() == Some(&person.id)).ok_or_else(|| {
        Refusal::new(Code::NotFound, format!("You have no token {id}.")).hint("See: weighbridge my-token list")
    })
}

fn of_person<A: Act>(may: &Granted<A>) -> Result<&Person, Refusal> {
    may.actor().person().ok_or_else(|| {
        let sentence = "This token belongs to a machine: only people have tokens of their own.";
        Refusal::new(Code::NotAllowed, sentence).hint("Sign in: hf auth login.")
    })
}

/// The person, if it is them and not a token that they left in a script.
fn signed_in<A: Act>(may: &Granted<A>) -> Result<&Person, Refusal> {
    let person = of_person(may)?;
    match may.actor().credential() {
        Credential::Session { .. } | Credential::Token { class: Class::Device, .. } => Ok(person),
        _ => {
            let sentence = "A personal token makes and renews no tokens: who does that is signed in.";
            Err(Refusal::new(Code::NotAllowed, sentence).hint("Sign in: hf auth login."))
        }
    }
}

fn name(text: &str) -> Result<String, Refusal> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Refusal::bad_input("A token's name is 1 to 100 letters: what it is for."));
    }
    Ok(name.to_owned())
}

fn scopes(words: &[String]) -> Result<String, Refusal> {
    let mut all: Vec<String> = Vec::new();
    for word in words {
        let scope = Scope::parse(word.trim()).ok_or_else(|| {
            let there = "There are: read:repo:<pattern>, request, approve, admin:policy, audit:read.";
            Refusal::bad_input(format!("There is no scope `{word}`.")).hint(there)
        })?;
        if !all.contains(&scope.text()) {
            all.push(scope.text());
        }
    }
    if all.is_empty() || all.len() > 50 {
        return Err(Refusal::bad_input("Name 1 to 50 scopes, or none at all for whatever you may do."));
    }
    Ok(all.join(","))
}

/// The environments that were named, each known here and within reach of whoever asks.
fn reach<A: Act>(app: &App, may: &Granted<A>, names: Option<&[String]>) -> Result<Reach, Refusal> {
    let Some(names) = names else { return Ok(Reach::All) };
    let mut found: Vec<Environment> = Vec::new();
    for name in names {
        let known = app.gate.environments().iter().map(|e| &e.name).find(|known| known.as_str() == name);
        let known = known
            .filter(|known| may.actor().reaches(known))
            .ok_or_else(|| Refusal::bad_input(format!("There is no environment `{name}` here that you reach.")))?;
        if !found.contains(known) {
            found.push(known.clone());
        }
    }
    if found.is_empty() {
        return Err(Refusal::bad_input("Name at least one environment, or leave them out for all that you reach."));
    }
    Ok(Reach::These(found))
}

fn lifetime(wanted: Option<i64>, usual: i64, longest: i64) -> Result<i64, Refusal> {
    let lives = wanted.unwrap_or(usual);
    if !(1..=longest).contains(&lives) {
        let days = longest / DAY;
        return Err(Refusal::bad_input(format!(
            "This token lives {days} days at most: lifetime_seconds is 1 to {longest}."
        )));
    }
    Ok(lives)
}

/// What whoever made a token is shown, once.
fn made(minted: &Minted) -> Value {
    let row = &minted.row;
    json!({
        "id": row.id, "token": minted.text, "class": row.class, "name": row.name, "reach": row.reach,
        "role": (!row.role.is_empty()).then_some(&row.role), "cluster": row.cluster,
        "scopes": split(row.scopes.as_deref()), "expires_at": Micros(row.expires_at).to_string(),
    })
}

/// What the ledger learns: never the name, which may be a person's.
fn detail(row: &token::Model) -> Value {
    json!({
        "token_id": row.id, "class": row.class, "role": row.role, "reach": row.reach, "cluster": row.cluster,
        "scopes": row.scopes, "expires_at": Micros(row.expires_at).to_string(),
    })
}

/// A token as its owner sees it.
fn shown(Listed { row, last_used_at }: &Listed, now: Micros) -> Value {
    let time = |at: Option<i64>| at.map(|at| Micros(at).to_string());
    json!({
        "id": row.id, "class": row.class, "name": row.name, "reach": row.reach,
        "role": (!row.role.is_empty()).then_some(&row.role), "cluster": row.cluster,
        "scopes": split(row.scopes.as_deref()), "created_at": time(Some(row.created_at)),
        "expires_at": time(Some(row.expires_at)), "last_used_at": time(*last_used_at),
        "replaced_at": time(row.replaced_at), "revoked_at": time(row.revoked_at), "ended_why": row.ended_why,
        "state": state(row, now),
    })
}

fn state(row: &token::Model, now: Micros) -> &'static str {
    let over = |at: i64| Micros(at).plus_seconds(OVERLAP) <= now;
    match (row.revoked_at, row.replaced_at) {
        (Some(_), _) => "revoked",
        _ if row.expires_at <= now.0 => "expired",
        (None, Some(at)) if over(at) => "expired",
        (None, Some(_)) => "replaced",
        (None, None) => "works",
    }
}

fn split(scopes: Option<&str>) -> Option<Vec<&str>> {
    scopes.map(|text| text.split(',').collect())
}

const DAY: i64 = 24 * 3600;
/// How long a person's token lives when nobody says, and at most.
const USUAL: i64 = 30 * DAY;
const LONGEST: i64 = 90 * DAY;
/// How long a replaced token still works: as the gate has it.
const OVERLAP: i64 = DAY;
/// How many working tokens a person may have.
const MOST: u64 = 100;
