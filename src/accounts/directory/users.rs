//! People as their provider pushes them.
//!
//! A pushed person and somebody who signs in are one row when issuer and subject are the same, whichever came first.
//! Deleting forgets what the directory said and deactivates; the row stays, because the ledger speaks of it.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{
    Trouble, Wish, bad, directory, nothing_here, patch,
    shape::{self, Shown},
    shown,
    sql::{self, Key},
    taken,
};
use crate::{
    accounts::people::{self, DIRECTORY},
    app::{App, directories::Directory},
    clock,
    domain::{
        event::{Kind, ObjectFact},
        refusal::Fault,
        time::Micros,
    },
    endpoint::input::Asked,
    gate::{
        act::{Act, PushPeople, PushPerson, ReadDirectory, ReadDirectoryPerson},
        grant::Granted,
        tx::{Change, Tx},
    },
    store::tables::person,
};

pub async fn list(app: &App, may: &Granted<ReadDirectory>, wish: Wish) -> Result<Value, Trouble> {
    let of = directory(app, may).await?;
    let (db, provider) = (may.reader(), of.provider.as_str());
    let Some(filter) = &wish.filter else {
        let total = usize::try_from(sql::count_people(db, provider).await?).unwrap_or(usize::MAX);
        let rows = sql::page_people(db, provider, number(wish.start - 1), number(wish.count)).await?;
        return Ok(wish.answer(total, resources(app, may, rows, &wish.shown).await?));
    };
    let keys = [(Key::Id, "id"), (Key::UserName, "userName"), (Key::ExternalId, "externalId")];
    let key = keys.into_iter().find_map(|(key, name)| filter.only(name).map(|value| (key, value)));
    let all_shown = if filter.mentions("groups") { Shown::default() } else { Shown::of(None, Some("groups")) };
    let (mut after, mut total, mut window) = (String::new(), 0, Vec::new());
    loop {
        let rows = sql::list_people(db, provider, key, &after, CHUNK).await?;
        let Some(last) = rows.last() else { break };
        after.clone_from(&last.id);
        let read = resources(app, may, rows.clone(), &all_shown).await?;
        for (row, _) in rows.into_iter().zip(read).filter(|(_, resource)| filter.fits(resource)) {
            total += 1;
            if total >= wish.start && window.len() < wish.count {
                window.push(row);
            }
        }
    }
    Ok(wish.answer(total, resources(app, may, window, &wish.shown).await?))
}

pub async fn show(app: &App, may: &Granted<ReadDirectoryPerson>, asked: &Asked) -> Result<Value, Trouble> {
    let of = directory(app, may).await?;
    let row = sql::find_person(may.reader(), &of.provider, &may.object().0).await?.ok_or_else(nothing_here)?;
    let shown = shown(asked);
    let one = resources(app, may, vec![row], &shown).await?.pop().ok_or_else(nothing_here)?;
    Ok(shown.apply(one))
}

pub async fn create(app: &App, may: Granted<PushPeople>, body: &Value) -> Result<Value, Trouble> {
    let of = directory(app, &may).await?;
    let mut wanted = Wanted::read(body)?;
    wanted.map.entry("active").or_insert(Value::Bool(true));
    let (at, id) = (clock::now(), clock::new_id());
    let subject = wanted.subject(&of).unwrap_or_else(|| unlinked(&id));
    let reference = app.gate.person_reference(&of.issuer, &subject).await?;
    let tx = may.begin().await?;
    let before = sql::find_by_subject(&tx, &of.issuer, &subject).await?;
    if before.as_ref().is_some_and(|row| row.scim.is_some()) {
        return Err(taken("Somebody with this identity is here already."));
    }
    free(&tx, &of, &wanted, before.as_ref().map(|row| row.id.as_str())).await?;
    let made = before.is_none();
    let mut row = before.unwrap_or_else(|| newcomer(id, &of, subject, at));
    // A directory that pushes somebody anew means that they are back, unless it says otherwise.
    let turn = wanted.fill(&mut row, wanted.active.unwrap_or(true), at);
    let change = Change::new(json!({"person": row.id, "provider": of.provider, "made": made}));
    let change = settled(&tx, &may, &row, &reference, turn, change).await?;
    let written = if made {
        sql::insert_person(&tx, &may, row.clone()).await?
    } else {
        sql::update_person(&tx, &may, row.clone()).await?
    };
    if !written {
        return Err(taken("Somebody with this userName or identity was written a moment ago."));
    }
    let groups = sql::groups_of(&tx, std::slice::from_ref(&row.id)).await?.remove(&row.id).unwrap_or_default();
    tx.commit(may, change).await?;
    resource(app, &row, &groups)
}

pub async fn replace(app: &App, may: Granted<PushPerson>, body: &Value) -> Result<Value, Trouble> {
    update(app, may, |_| Ok(body.clone())).await
}

pub async fn patch(app: &App, may: Granted<PushPerson>, body: &Value) -> Result<Value, Trouble> {
    let patched = |mut told: Value| {
        patch::apply(&mut told, body)?;
        Ok(told)
    };
    update(app, may, patched).await
}

async fn update(
    app: &App,
    may: Granted<PushPerson>,
    how: impl FnOnce(Value) -> Result<Value, Trouble> + Send,
) -> Result<Value, Trouble> {
    let of = directory(app, &may).await?;
    let id = may.object().0.clone();
    let seen = sql::find_person(may.reader(), &of.provider, &id).await?.ok_or_else(nothing_here)?;
    let reference = app.gate.person_reference(&seen.issuer, &seen.subject).await?;
    let at = clock::now();
    let tx = may.begin().await?;
    let before = sql::lock_person(&tx, &of.provider, &id).await?.ok_or_else(nothing_here)?;
    let groups = sql::groups_of(&tx, std::slice::from_ref(&id)).await?.remove(&id).unwrap_or_default();
    let wanted = Wanted::read(&how(told(&before)?)?)?;
    free(&tx, &of, &wanted, Some(&id)).await?;
    let mut row = before.clone();
    let active = wanted.active.unwrap_or(before.deactivated_at.is_none());
    let turn = wanted.fill(&mut row, active, Micros(before.updated_at));
    let own = unlinked(&id);
    let subject = wanted.subject(&of).unwrap_or(own);
    if subject != before.subject {
        if before.subject != seen.subject || sql::has_history(&tx, &before).await? {
            let what = if of.by_user_name { "userName" } else { "externalId" };
            let detail = format!(
                "{what} says who somebody is, and this person has been here: it does not change. Delete this user and \
                 create another."
            );
            return Err(bad("mutability", detail));
        }
        if sql::find_by_subject(&tx, &of.issuer, &subject).await?.is_some() {
            return Err(taken("Somebody with this identity is here already: delete this user and create it again."));
        }
        row.subject = subject;
    }
    if row == before {
        return resource(app, &before, &groups);
    }
    row.updated_at = at.0;
    if row.deactivated_at.is_some() && before.deactivated_at.is_none() {
        row.deactivated_at = Some(at.0);
    }
    let change = Change::new(json!({"provider": of.provider}));
    let change = settled(&tx, &may, &row, &reference, turn, change).await?;
    if !sql::update_person(&tx, &may, row.clone()).await? {
        return Err(taken("Somebody with this userName or identity was written a moment ago."));
    }
    tx.commit(may, change).await?;
    resource(app, &row, &groups)
}

pub async fn delete(app: &App, may: Granted<PushPerson>) -> Result<(), Trouble> {
    let of = directory(app, &may).await?;
    let id = may.object().0.clone();
    let seen = sql::find_person(may.reader(), &of.provider, &id).await?.ok_or_else(nothing_here)?;
    let reference = app.gate.person_reference(&seen.issuer, &seen.subject).await?;
    let at = clock::now();
    let tx = may.begin().await?;
    let before = sql::lock_person(&tx, &of.provider, &id).await?.ok_or_else(nothing_here)?;
    let mut row = before.clone();
    (row.scim, row.email, row.user_name, row.external_id) = (None, None, None, None);
    FORGOTTEN.clone_into(&mut row.name);
    row.updated_at = at.0;
    let turn = turn(&mut row, false, at);
    sql::forget_groups(&tx, &may, &id).await?;
    let change = Change::new(json!({"provider": of.provider, "removed": true}));
    let change = settled(&tx, &may, &row, &reference, turn, change).await?;
    sql::update_person(&tx, &may, row).await?;
    tx.commit(may, change).await?;
    Ok(())
}

/// That somebody goes, or comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Out,
    Back,
}

/// What the directory says of somebody being here, unless an administrator has said otherwise.
fn turn(row: &mut person::Model, active: bool, at: Micros) -> Option<Turn> {
    if !active && row.deactivated_at.is_none() {
        row.deactivated_at = Some(at.0);
        row.deactivated_by = Some(DIRECTORY.to_owned());
        return Some(Turn::Out);
    }
    if active && row.deactivated_at.is_some() && row.deactivated_by.as_deref() == Some(DIRECTORY) {
        row.deactivated_at = None;
        row.deactivated_by = None;
        return Some(Turn::Back);
    }
    None
}

/// Ends what somebody has who goes, and says what happened.
async fn settled<A: Act>(
    tx: &Tx,
    may: &Granted<A>,
    row: &person::Model,
    reference: &str,
    turn: Option<Turn>,
    change: Change,
) -> Result<Change, Fault> {
    let object = ObjectFact { kind: "person", id: Some(row.id.clone()), ..ObjectFact::default() };
    match turn {
        None => Ok(change),
        Some(Turn::Back) => Ok(change.and(Kind::PersonReactivated, object, json!({"by": DIRECTORY}))),
        Some(Turn::Out) => {
            let ended = people::sql::end_everything(tx, may, &row.id, reference, clock::now()).await?;
            Ok(change.and(Kind::PersonDeactivated, object, ended.detail(DIRECTORY)))
        }
    }
}

async fn free(tx: &Tx, of: &Directory, wanted: &Wanted, own: Option<&str>) -> Result<(), Trouble> {
    let other = sql::find_by_user_name(tx, &of.provider, &wanted.user_name).await?;
    match other {
        Some(other) if Some(other.id.as_str()) != own => Err(taken("Somebody with this userName is here already.")),
        _ => Ok(()),
    }
}

/// A user as it was sent, found to be one.
struct Wanted {
    map: Map<String, Value>,
    user_name: String,
    external_id: Option<String>,
    active: Option<bool>,
}

impl Wanted {
    fn read(body: &Value) -> Result<Self, Trouble> {
        let map = shape::clean(body, shape::USER)?;
        let text = |name: &str| map.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let fits = |text: &str| text.chars().count() <= 500 && !text.chars().any(char::is_control);
        let user_name = text("userName").ok_or_else(|| bad("invalidValue", "A user has a userName."))?.to_owned();
        let external_id = text("externalId").map(str::to_owned);
        if !fits(&user_name) || !external_id.as_deref().is_none_or(fits) {
            return Err(bad("invalidValue", "userName and externalId have at most 500 letters on one line."));
        }
        let active = map.get("active").and_then(Value::as_bool);
        Ok(Self { map, user_name, external_id, active })
    }

    /// What the provider's tokens will call this person, where that was said.
    fn subject(&self, of: &Directory) -> Option<String> {
        if of.by_user_name { Some(self.user_name.clone()) } else { self.external_id.clone() }
    }

    /// Writes what was sent into a row.
    fn fill(&self, row: &mut person::Model, active: bool, at: Micros) -> Option<Turn> {
        row.user_name = Some(self.user_name.clone());
        row.external_id.clone_from(&self.external_id);
        row.name = self.name();
        row.email = self.email();
        row.scim = Some(Value::Object(self.map.clone()).to_string());
        row.updated_at = at.0;
        turn(row, active, at)
    }

    fn name(&self) -> String {
        let map = &self.map;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::trim).unwrap_or_default().to_owned();
        let name = map.get("name");
        let part = |part: &str| text(name.and_then(|name| name.get(part)));
        let both = format!("{} {}", part("givenName"), part("familyName"));
        let all = [text(map.get("displayName")), part("formatted"), both.trim().to_owned(), self.user_name.clone()];
        let name = all.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        name.chars().filter(|c| !c.is_control()).take(200).collect()
    }

    fn email(&self) -> Option<String> {
        let all = self.map.get("emails").and_then(Value::as_array)?;
        let first = all.iter().find(|one| one["primary"] == true).or_else(|| all.first())?;
        first["value"].as_str().map(|text| text.chars().filter(|c| !c.is_control()).take(320).collect())
    }
}

fn newcomer(id: String, of: &Directory, subject: String, at: Micros) -> person::Model {
    person::Model {
        id,
        issuer: of.issuer.clone(),
        subject,
        provider: of.provider.clone(),
        name: String::new(),
        email: None,
        user_name: None,
        external_id: None,
        made_by: "scim".to_owned(),
        groups_state: "absent".to_owned(),
        scim: None,
        created_at: at.0,
        updated_at: at.0,
        seen_at: None,
        deactivated_at: None,
        deactivated_by: None,
    }
}

/// The subject of somebody of whom the directory has not said yet what tokens call them: no token ever says this.
fn unlinked(id: &str) -> String {
    format!("urn:weighbridge:unlinked:{id}")
}

/// What the directory said of somebody.
fn told(row: &person::Model) -> Result<Value, Fault> {
    let text = row.scim.as_deref().unwrap_or("{}");
    serde_json::from_str(text).map_err(|e| Fault::because("reading what a directory said of somebody", e))
}

async fn resources<A: Act>(
    app: &App,
    may: &Granted<A>,
    rows: Vec<person::Model>,
    shown: &Shown,
) -> Result<Vec<Value>, Trouble> {
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let mut groups = HashMap::new();
    if !shown.hides("groups") {
        groups = sql::groups_of(may.reader(), &ids).await?;
    }
    rows.iter().map(|row| resource(app, row, &groups.remove(&row.id).unwrap_or_default())).collect()
}

/// A user as it is given back: what the directory said, and what is ours to say.
fn resource(app: &App, row: &person::Model, groups: &[(String, String)]) -> Result<Value, Trouble> {
    let base = format!("{}/-/scim/v2", app.face.public_url);
    let mut one = told(row)?;
    let mut schemas = vec![shape::USER];
    if one.get(shape::ENTERPRISE).is_some() {
        schemas.push(shape::ENTERPRISE);
    }
    one["schemas"] = json!(schemas);
    one["id"] = json!(row.id);
    // Said when the directory has said it, and whenever somebody else put this person out. One whom it put out stays so,
    // whether it goes on saying that or not.
    let by_others = row.deactivated_at.is_some() && row.deactivated_by.as_deref() != Some(DIRECTORY);
    if by_others || one.get("active").is_some() {
        one["active"] = json!(row.deactivated_at.is_none());
    }
    if !groups.is_empty() {
        let group = |(id, name): &(String, String)| json!({"value": id, "$ref": format!("{base}/Groups/{id}"), "display": name, "type": "direct"});
        one["groups"] = groups.iter().map(group).collect();
    }
    one["meta"] = json!({
        "resourceType": "User", "created": Micros(row.created_at).to_millis_text(),
        "lastModified": Micros(row.updated_at).to_millis_text(), "location": format!("{base}/Users/{}", row.id),
    });
    Ok(one)
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What stands for the name of somebody whom the directory took out.
const FORGOTTEN: &str = "(removed by the directory)";
/// Rows that are looked through at a time.
const CHUNK: u64 = 1000;
