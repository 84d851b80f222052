//! People: who is known here, what they are and why, and what administrators do about it.
//!
//! Nobody does any of it to themselves, whichever credential they come in with. Whoever is deactivated is out within
//! seconds, everywhere: sessions, tokens and open requests end in the same change, and what they approved stays, marked.

mod hands;
pub mod http;
mod pages;
mod roles;
pub mod sql;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests;

use serde::Deserialize;
use serde_json::{Value, json};

pub use self::roles::{grant, has_admin, withdraw};
use crate::{
    app::App,
    clock,
    domain::{
        refusal::{Code, Fault, Refusal},
        role::Role,
        time::Micros,
    },
    endpoint::input::Asked,
    gate::{
        Gate,
        act::{Act, DeactivatePerson, ReactivatePerson, ReadPeople, ReadPerson},
        grant::Granted,
        object::PersonId,
        tx::Change,
    },
    store::tables::person,
};

/// Why somebody does something to somebody.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    pub reason: String,
}

/// Everybody who is known here, by name, a page at a time.
pub async fn list(app: &App, may: &Granted<ReadPeople>, asked: &Asked) -> Result<Value, Refusal> {
    let most = asked.query("limit").and_then(|text| text.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE);
    let (search, after) = (asked.query("search").unwrap_or_default(), asked.query("after").unwrap_or_default());
    let (search, after) = (search.trim(), after.trim());
    if search.len() > 200 || after.len() > 40 {
        return Err(Refusal::bad_input("What is searched for has at most 200 letters."));
    }
    let mut rows = sql::list_people(may.reader(), search, after, most + 1).await?;
    let more = u64::try_from(rows.len()).unwrap_or(u64::MAX) > most;
    rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let next = more.then(|| rows.last().map(|row| row.id.clone())).flatten();
    let mut people = Vec::new();
    for row in &rows {
        let mut one = brief(row);
        let mut words: Vec<&str> =
            roles::held(&app.gate, may.reader(), row).await?.iter().map(|one| one.role).collect();
        words.sort_unstable();
        words.dedup();
        one["roles"] = json!(words);
        people.push(one);
    }
    Ok(json!({"people": people, "next": next}))
}

/// One person: their roles and where each comes from, and everything they could come in with.
pub async fn show(app: &App, may: &Granted<ReadPerson>) -> Result<Value, Refusal> {
    let row = find(may, &may.object().0).await?;
    let reference = app.gate.person_reference(&row.issuer, &row.subject).await?;
    let db = may.reader();
    let mut roles = Vec::new();
    for one in roles::held(&app.gate, db, &row).await? {
        let by = match &one.granted_by {
            Some(id) => Some(sql::find_person(db, id).await?.map_or_else(|| id.clone(), |row| row.name)),
            None => None,
        };
        roles.push(json!({
            "role": one.role, "environments": one.reach, "group": one.group, "grant": one.grant, "granted_by": by,
            "reason": one.reason, "expires_at": text(one.expires_at),
        }));
    }
    let sessions = sql::list_sessions(db, &row.id).await?;
    let sessions: Vec<Value> = sessions
        .iter()
        .map(|row| {
            json!({
                "id": row.id, "kind": row.kind, "created_at": text(Some(row.created_at)),
                "used_at": text(Some(row.used_at)), "expires_at": text(Some(row.expires_at)),
            })
        })
        .collect();
    let tokens = sql::list_tokens(db, &row.id).await?;
    let tokens: Vec<Value> = tokens
        .iter()
        .map(|row| {
            json!({
                "id": row.id, "class": row.class, "name": row.name, "created_at": text(Some(row.created_at)),
                "expires_at": text(Some(row.expires_at)),
            })
        })
        .collect();
    let approvals = sql::list_approvals(db, &reference, clock::now()).await?;
    let mut one = brief(&row);
    let more = json!({
        "issuer": row.issuer, "subject": row.subject, "user_name": row.user_name, "external_id": row.external_id,
        "made_by": row.made_by, "in_directory": row.scim.is_some(), "roles": roles,
        "groups": sql::list_groups(db, &row).await?, "groups_incomplete": row.groups_state == "incomplete",
        "sessions": sessions, "tokens": tokens,
        "approvals": {"standing": approvals, "renewal_wanted": !approvals.is_empty() && row.deactivated_at.is_some()},
    });
    if let (Some(one), Value::Object(more)) = (one.as_object_mut(), more) {
        one.extend(more);
    }
    Ok(one)
}

fn brief(row: &person::Model) -> Value {
    json!({
        "id": row.id, "name": row.name, "email": row.email, "provider": row.provider,
        "state": if row.deactivated_at.is_some() { "deactivated" } else { "active" },
        "deactivated_by_directory": row.deactivated_by.as_deref() == Some(DIRECTORY),
        "last_seen": text(row.seen_at), "created_at": text(Some(row.created_at)),
    })
}

pub async fn deactivate(gate: &Gate, may: Granted<DeactivatePerson>, input: &Reason) -> Result<Value, Refusal> {
    let why = reason(&input.reason)?;
    not_oneself(&may, &may.object().0)?;
    let seen = find(&may, &may.object().0).await?;
    if seen.issuer == HOST {
        let sentence = "Whoever comes in with a code of the host is not put out: there would be no way in left.";
        return Err(Refusal::new(Code::NotAllowed, sentence).hint("End their sessions instead."));
    }
    let reference = gate.person_reference(&seen.issuer, &seen.subject).await?;
    let at = clock::now();
    let tx = may.begin().await?;
    let mut row = sql::lock_person(&tx, &seen.id).await?.ok_or_else(unknown)?;
    // Somebody whom the directory took out stays out, from now on also for the directory.
    if row.deactivated_at.is_some() && row.deactivated_by.as_deref() != Some(DIRECTORY) {
        return Err(Refusal::new(Code::Conflict, "This person is deactivated already.").hint("There is nothing to do."));
    }
    row.deactivated_at = row.deactivated_at.or(Some(at.0));
    row.deactivated_by = Some(may.actor().reference().to_owned());
    row.updated_at = at.0;
    let ended = sql::end_everything(&tx, &may, &row.id, &reference, at).await?;
    sql::save_person(&tx, &may, row).await?;
    let detail = ended.detail(&why);
    let told = json!({"id": seen.id, "state": "deactivated", "ended": detail});
    tx.commit(may, Change::new(detail)).await?;
    Ok(told)
}

/// Lets somebody in again. What ended with them stays ended: they sign in anew.
pub async fn reactivate(may: Granted<ReactivatePerson>, input: &Reason) -> Result<Value, Refusal> {
    let why = reason(&input.reason)?;
    not_oneself(&may, &may.object().0)?;
    let tx = may.begin().await?;
    let id = may.object().0.clone();
    let mut row = sql::lock_person(&tx, &id).await?.ok_or_else(unknown)?;
    if row.deactivated_at.is_none() {
        return Err(Refusal::new(Code::Conflict, "This person is active.").hint("There is nothing to do."));
    }
    let said: Value = row.scim.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    if row.deactivated_by.as_deref() == Some(DIRECTORY) || said["active"] == false {
        let sentence = "The directory took this person out, and only the directory lets them in again.";
        return Err(Refusal::new(Code::Conflict, sentence).hint("Ask whoever looks after the identity provider."));
    }
    row.deactivated_at = None;
    row.deactivated_by = None;
    row.updated_at = clock::now().0;
    sql::save_person(&tx, &may, row).await?;
    tx.commit(may, Change::new(json!({"reason": why}))).await?;
    Ok(json!({"id": id, "state": "active"}))
}

/// Nobody changes what they are themselves, whichever of their credentials they come in with.
fn not_oneself<A: Act>(may: &Granted<A>, id: &str) -> Result<(), Refusal> {
    if may.actor().person().is_none_or(|person| person.id != id) {
        return Ok(());
    }
    let sentence = format!("That is yourself: nobody does {} to themselves.", A::WORD);
    Err(Refusal::new(Code::NotAllowed, sentence).hint("Ask another administrator."))
}

async fn find<A: Act<Found = PersonId>>(may: &Granted<A>, id: &str) -> Result<person::Model, Refusal> {
    sql::find_person(may.reader(), id).await?.ok_or_else(unknown)
}

fn unknown() -> Refusal {
    Refusal::new(Code::NotFound, "There is nobody with this id.").hint("See: weighbridge people list")
}

fn reason(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if (3..=1000).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Refusal::bad_input("A reason of 3 to 1000 characters on one line is needed."))
}

fn text(at: Option<i64>) -> Option<String> {
    at.map(|at| Micros(at).to_millis_text())
}

fn known_role(word: &str) -> Result<Role, Fault> {
    Role::from_word(word).ok_or_else(|| Fault::new("reading a grant of a role: unknown role"))
}

/// Who deactivated somebody, when it was the directory.
pub const DIRECTORY: &str = "directory";
/// The issuer of those who come in with a code of the host.
pub const HOST: &str = "urn:weighbridge:host";
/// People in one answer.
const PAGE: u64 = 100;
