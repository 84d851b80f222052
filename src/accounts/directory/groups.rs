//! Groups as their provider pushes them: a name, and who is in it. The configuration says which role a name gives.
//!
//! Members are people that the same directory pushed; groups in groups are not taken, so that nobody has to guess who is
//! in one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Trouble, Wish, bad, directory, nothing_here, patch, shape, shown, sql};
use crate::{
    app::{App, directories::Directory},
    clock,
    domain::time::Micros,
    endpoint::input::Asked,
    gate::{
        act::{Act, PushGroup, PushGroups, ReadGroup},
        grant::Granted,
        tx::{Change, Tx},
    },
    store::tables::directory_group,
};

pub async fn list<A: Act>(app: &App, may: &Granted<A>, wish: Wish) -> Result<Value, Trouble> {
    let of = directory(app, may).await?;
    let by_members = wish.filter.as_ref().is_some_and(|filter| filter.mentions("members"));
    let (mut total, mut found) = (0, Vec::new());
    for row in sql::list_groups(may.reader(), &of.provider).await? {
        let members = if by_members { sql::members_of(may.reader(), &row.id).await? } else { Vec::new() };
        if wish.filter.as_ref().is_some_and(|filter| !filter.fits(&resource(app, &row, &members))) {
            continue;
        }
        total += 1;
        if total >= wish.start && found.len() < wish.count {
            let hidden = wish.shown.hides("members") || by_members;
            let members = if hidden { members } else { sql::members_of(may.reader(), &row.id).await? };
            found.push(resource(app, &row, &members));
        }
    }
    Ok(wish.answer(total, found))
}

pub async fn show(app: &App, may: &Granted<ReadGroup>, asked: &Asked) -> Result<Value, Trouble> {
    let of = directory(app, may).await?;
    let row = sql::find_group(may.reader(), &of.provider, &may.object().0).await?.ok_or_else(nothing_here)?;
    let shown = shown(asked);
    let hidden = shown.hides("members");
    let members = if hidden { Vec::new() } else { sql::members_of(may.reader(), &row.id).await? };
    Ok(shown.apply(resource(app, &row, &members)))
}

pub async fn create(app: &App, may: Granted<PushGroups>, body: &Value) -> Result<Value, Trouble> {
    let of = directory(app, &may).await?;
    let wanted = Wanted::read(body)?;
    let at = clock::now();
    let row = directory_group::Model {
        id: clock::new_id(),
        provider: of.provider.clone(),
        name: wanted.name.clone(),
        external_id: wanted.external_id.clone(),
        created_at: at.0,
        updated_at: at.0,
    };
    let tx = may.begin().await?;
    known(&tx, &of, &wanted.members).await?;
    sql::insert_group(&tx, &may, row.clone()).await?;
    let members: Vec<String> = wanted.members.into_iter().collect();
    sql::add_members(&tx, &may, &row.id, &members).await?;
    let detail =
        json!({"group": row.id, "provider": of.provider, "name": row.name, "made": true, "added": members.len()});
    tx.commit(may, Change::new(detail)).await?;
    Ok(resource(app, &row, &members))
}

pub async fn replace(app: &App, may: Granted<PushGroup>, body: &Value) -> Result<Value, Trouble> {
    update(app, may, |_| Ok(body.clone())).await
}

pub async fn patch(app: &App, may: Granted<PushGroup>, body: &Value) -> Result<Value, Trouble> {
    let patched = |mut told: Value| {
        patch::apply(&mut told, body)?;
        Ok(told)
    };
    update(app, may, patched).await
}

async fn update(
    app: &App,
    may: Granted<PushGroup>,
    how: impl FnOnce(Value) -> Result<Value, Trouble> + Send,
) -> Result<Value, Trouble> {
    let of = directory(app, &may).await?;
    let id = may.object().0.clone();
    let tx = may.begin().await?;
    let before = sql::lock_group(&tx, &of.provider, &id).await?.ok_or_else(nothing_here)?;
    let there: BTreeSet<String> = sql::members_of(&tx, &id).await?.into_iter().collect();
    let told = json!({
        "displayName": before.name, "externalId": before.external_id,
        "members": there.iter().map(|id| json!({"value": id})).collect::<Vec<_>>(),
    });
    let wanted = Wanted::read(&how(told)?)?;
    let added: Vec<String> = wanted.members.difference(&there).cloned().collect();
    let removed: Vec<String> = there.difference(&wanted.members).cloned().collect();
    known(&tx, &of, &added.iter().cloned().collect()).await?;
    let members: Vec<String> = wanted.members.into_iter().collect();
    let mut row = before.clone();
    row.name.clone_from(&wanted.name);
    row.external_id.clone_from(&wanted.external_id);
    if row == before && added.is_empty() && removed.is_empty() {
        return Ok(resource(app, &before, &members));
    }
    row.updated_at = clock::now().0;
    sql::update_group(&tx, &may, row.clone()).await?;
    sql::add_members(&tx, &may, &id, &added).await?;
    sql::remove_members(&tx, &may, &id, &removed).await?;
    let detail = json!({
        "provider": of.provider, "name": row.name, "before": before.name, "added": added.len(), "removed": removed.len(),
    });
    tx.commit(may, Change::new(detail)).await?;
    Ok(resource(app, &row, &members))
}

pub async fn delete(app: &App, may: Granted<PushGroup>) -> Result<(), Trouble> {
    let of = directory(app, &may).await?;
    let id = may.object().0.clone();
    let tx = may.begin().await?;
    let row = sql::lock_group(&tx, &of.provider, &id).await?.ok_or_else(nothing_here)?;
    sql::delete_group(&tx, &may, &id).await?;
    tx.commit(may, Change::new(json!({"provider": of.provider, "name": row.name, "removed": true}))).await?;
    Ok(())
}

/// A group as it was sent, found to be one.
struct Wanted {
    name: String,
    external_id: Option<String>,
    members: BTreeSet<String>,
}

impl Wanted {
    fn read(body: &Value) -> Result<Self, Trouble> {
        let map = shape::clean(body, shape::GROUP)?;
        let text = |name: &str| map.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let fits = |text: &str| text.chars().count() <= 500 && !text.chars().any(char::is_control);
        let name = text("displayName").ok_or_else(|| bad("invalidValue", "A group has a displayName."))?;
        let external_id = text("externalId");
        if !fits(name) || !external_id.is_none_or(fits) {
            return Err(bad("invalidValue", "displayName and externalId have at most 500 letters on one line."));
        }
        let mut members = BTreeSet::new();
        for one in map.get("members").and_then(Value::as_array).into_iter().flatten() {
            if one["type"].as_str().is_some_and(|kind| !kind.eq_ignore_ascii_case("user")) {
                return Err(bad("invalidValue", "Members are users: groups in groups are not taken."));
            }
            let id = one["value"].as_str().filter(|id| !id.is_empty() && id.len() <= 40);
            let id = id.ok_or_else(|| bad("invalidValue", "A member has the id of a user as its value."))?;
            members.insert(id.to_owned());
        }
        // By the exact letters: that is how the configuration names it.
        Ok(Self { name: name.to_owned(), external_id: external_id.map(str::to_owned), members })
    }
}

async fn known(tx: &Tx, of: &Directory, members: &BTreeSet<String>) -> Result<(), Trouble> {
    let ids: Vec<String> = members.iter().cloned().collect();
    let known = sql::known(tx, &of.provider, &ids).await?;
    match ids.iter().find(|id| !known.contains(*id)) {
        None => Ok(()),
        Some(_) => Err(bad("invalidValue", "A member is no user of this directory: create the user first.")),
    }
}

fn resource(app: &App, row: &directory_group::Model, members: &[String]) -> Value {
    let base = format!("{}/-/scim/v2", app.face.public_url);
    let member = |id: &String| json!({"value": id, "$ref": format!("{base}/Users/{id}"), "type": "User"});
    let mut one = json!({
        "schemas": [shape::GROUP], "id": row.id, "displayName": row.name,
        "meta": {
            "resourceType": "Group", "created": Micros(row.created_at).to_millis_text(),
            "lastModified": Micros(row.updated_at).to_millis_text(), "location": format!("{base}/Groups/{}", row.id),
        },
    });
    if let Some(id) = &row.external_id {
        one["externalId"] = json!(id);
    }
    if !members.is_empty() {
        one["members"] = members.iter().map(member).collect();
    }
    one
}
