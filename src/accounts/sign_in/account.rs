//! One's own account: who one is here and why, and the browsers that one is signed in with; and the same sessions as an
//! administrator sees them.
//!
//! Shows nobody another person's sessions without the right to it, and never a cookie.

use serde_json::{Value, json};

use super::sql;
use crate::{
    app::App,
    clock,
    domain::{
        refusal::{Code, Refusal},
        time::Micros,
    },
    gate::{
        act::{Act, EndOwnSession, EndSessionsOf, ReadOwnSessions, ReadPerson},
        grant::Granted,
        identity::Credential,
        tx::Change,
    },
    store::tables::session,
};

/// What the page shows.
#[derive(Debug)]
pub struct Account {
    pub name: String,
    pub provider: String,
    pub roles: Vec<String>,
    pub groups: Vec<String>,
    pub environments: Vec<String>,
    /// Why groups count for nothing, where they do.
    pub warning: Option<String>,
    pub proved: String,
    pub sessions: Vec<Session>,
    pub csrf: String,
}

#[derive(Debug)]
pub struct Session {
    pub id: String,
    pub is_this: bool,
    pub began: String,
    pub used: String,
    pub ends: String,
}

pub async fn own(app: &App, may: &Granted<ReadOwnSessions>) -> Result<Account, Refusal> {
    let actor = may.actor();
    let person = actor.person().ok_or_else(|| Refusal::bad_input("Only people have an account page."))?;
    let Credential::Session { id, csrf } = actor.credential() else {
        return Err(Refusal::bad_input("The account page is for browsers."));
    };
    let now = clock::now();
    let rows = sql::list_sessions(may.reader(), &person.id).await?;
    let sessions = rows.iter().filter(|row| lives(row, now)).map(|row| shown(row, id)).collect();
    let state = sql::find_groups_state(may.reader(), &person.id).await?;
    let roles = actor.roles().iter().map(|held| format!("{} in {}", held.role, reach(&held.reach.to_string())));
    let environments = app.gate.environments().iter().filter(|e| actor.reaches(&e.name));
    Ok(Account {
        name: actor.name().to_owned(),
        provider: person.provider.clone(),
        roles: roles.collect(),
        groups: person.groups.clone(),
        environments: environments.map(|e| e.name.to_string()).collect(),
        warning: warning(state.as_deref()),
        proved: actor
            .proved()
            .filter(|proof| proof.at.0 > 0)
            .map_or_else(|| "the provider did not say when".to_owned(), |proof| proof.at.to_minute_text()),
        sessions,
        csrf: csrf.clone(),
    })
}

/// Ends one of one's own sessions. The answer is whether it was the one that asks.
pub async fn end_own(may: Granted<EndOwnSession>, id: &str) -> Result<bool, Refusal> {
    let person = may.actor().person().map(|person| person.id.clone()).unwrap_or_default();
    let own = matches!(may.actor().credential(), Credential::Session { id: this, .. } if this == id);
    let row = sql::find_session(may.reader(), id).await?.filter(|row| row.person_id == person);
    let row = row.ok_or_else(|| Refusal::new(Code::NotFound, "You have no session with this id."))?;
    let tx = may.begin().await?;
    sql::end_sessions(&tx, &may, std::slice::from_ref(&row.id), "ended by its owner", clock::now()).await?;
    tx.commit(may, Change::new(json!({"session": row.id, "why": "ended by its owner"}))).await?;
    Ok(own)
}

/// Somebody's sessions, for administrators and auditors.
pub async fn of(may: &Granted<ReadPerson>) -> Result<Value, Refusal> {
    known(may, &may.object().0).await?;
    let now = clock::now();
    let rows = sql::list_sessions(may.reader(), &may.object().0).await?;
    let one = |row: &session::Model| {
        json!({
            "id": row.id, "kind": row.kind, "provider": row.provider,
            "began": Micros(row.created_at).to_millis_text(), "used": Micros(row.used_at).to_millis_text(),
            "ends": Micros(row.expires_at).to_millis_text(),
        })
    };
    Ok(json!({"sessions": rows.iter().filter(|row| lives(row, now)).map(one).collect::<Vec<_>>()}))
}

/// Ends all sessions of somebody.
pub async fn end_of(may: Granted<EndSessionsOf>) -> Result<Value, Refusal> {
    known(&may, &may.object().0).await?;
    let rows = sql::list_sessions(may.reader(), &may.object().0).await?;
    let ids: Vec<String> = rows.into_iter().map(|row| row.id).collect();
    let tx = may.begin().await?;
    let ended = sql::end_sessions(&tx, &may, &ids, "ended by an administrator", clock::now()).await?;
    tx.commit(may, Change::new(json!({"why": "ended by an administrator", "ended": ended, "sessions": ids}))).await?;
    Ok(json!({"ended": ended}))
}

async fn known<A: Act>(may: &Granted<A>, id: &str) -> Result<(), Refusal> {
    let found = sql::find_groups_state(may.reader(), id).await?;
    found.map(drop).ok_or_else(|| Refusal::new(Code::NotFound, "There is nobody with this id here."))
}

fn lives(row: &session::Model, now: Micros) -> bool {
    row.expires_at > now.0 && Micros(row.used_at).plus_seconds(IDLE) > now
}

fn shown(row: &session::Model, this: &str) -> Session {
    Session {
        id: row.id.clone(),
        is_this: row.id == this,
        began: Micros(row.created_at).to_minute_text(),
        used: Micros(row.used_at).to_minute_text(),
        ends: Micros(row.expires_at).to_minute_text(),
    }
}

fn reach(text: &str) -> String {
    if text == "*" { "every environment".to_owned() } else { text.to_owned() }
}

fn warning(state: Option<&str>) -> Option<String> {
    let text = match state {
        Some("incomplete") => {
            "Your provider did not say all of your groups, so none of them gives you a role. Ask your Weighbridge \
             operator to have fewer groups sent, or to let the directory push them."
        }
        Some("absent") => {
            "Your provider said nothing about groups, so no group gives you a role. Ask your Weighbridge operator to have \
             the groups claim sent."
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// As the gate counts it.
const IDLE: i64 = 30 * 60;
