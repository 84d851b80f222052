//! The rows of what is closed at the hub: who opened it, and with which credentials.
//!
//! A credential is read sealed and handed on sealed.

use std::collections::HashMap;

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    sea_query::OnConflict,
};
use serde_json::Value;

use crate::{
    domain::{name::RepoName, refusal::Fault, role::Environment, time::Micros},
    gate::{act::NameRepository, grant::Granted, identity::Actor, sql, tx::Tx},
    store::{
        Reader, fault,
        tables::{upstream_credential, upstream_opening},
    },
};

/// In place of a credential's id: the gateway's own token.
pub const GATEWAY: &str = "gateway";

/// Who opened a repository, and with that may have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    ByGateway,
    ByPerson(String),
    ByEnvironment(String),
    /// Its credential was taken away.
    ByNobodyAnyMore,
}

pub struct Found {
    pub kind: String,
    pub hub_name: String,
    pub upstream_id: String,
    pub private: bool,
    pub opened: Vec<Opened>,
}

/// What is known of a name: by its repository's row, or by an opening before there is one.
pub(super) async fn find_closed(db: &Reader, name: &RepoName) -> Result<Option<Found>, Fault> {
    let row = sql::find_repository(db, name.kind(), &name.key()).await?;
    let openings = list_openings(db, name, row.as_ref().map(|row| row.upstream_id.as_str())).await?;
    let Some(first) =
        row.as_ref().map(|row| row.upstream_id.clone()).or_else(|| openings.first().map(|o| o.upstream_id.clone()))
    else {
        return Ok(None);
    };
    // What became private after it was taken in was public when it was approved, and stays served: the hub takes nothing
    // back from here.
    let private = row.as_ref().is_some_and(|row| {
        let said: Value = serde_json::from_str(&row.facts).unwrap_or_default();
        said["private"] == true
    });
    let ids: Vec<String> = openings.iter().map(|one| one.credential_id.clone()).collect();
    let owners = list_owners(db, ids).await?;
    let opened = openings.iter().map(|one| match owners.get(&one.credential_id) {
        _ if one.credential_id == GATEWAY => Opened::ByGateway,
        Some((kind, owner)) if kind == "person" => Opened::ByPerson(owner.clone()),
        Some((_, owner)) => Opened::ByEnvironment(owner.clone()),
        None => Opened::ByNobodyAnyMore,
    });
    let hub_name = row.map_or_else(|| name.path().to_owned(), |row| row.hub_name);
    Ok(Some(Found {
        kind: name.kind().word().to_owned(),
        hub_name,
        upstream_id: first,
        private,
        opened: opened.collect(),
    }))
}

/// The credential that a repository is fetched with; `None` where the gateway's own token does.
pub(super) async fn find_opener(db: &Reader, name: &RepoName) -> Result<Option<upstream_credential::Model>, Fault> {
    let row = sql::find_repository(db, name.kind(), &name.key()).await?;
    let openings = list_openings(db, name, row.as_ref().map(|row| row.upstream_id.as_str())).await?;
    if openings.iter().any(|one| one.credential_id == GATEWAY) {
        return Ok(None);
    }
    let query = upstream_credential::Entity::find()
        .filter(upstream_credential::Column::Id.is_in(openings.into_iter().map(|one| one.credential_id)))
        .filter(upstream_credential::Column::EndedAt.is_null())
        // What an environment was given is there for this; a person's own comes after it.
        .order_by_asc(upstream_credential::Column::OwnerKind)
        .order_by_asc(upstream_credential::Column::CreatedAt);
    query.one(db).await.map_err(fault("looking for the credential that opened a repository"))
}

/// The credentials that somebody may use in an environment, their own first.
pub(super) async fn list_credentials(
    db: &Reader,
    actor: &Actor,
    environment: &Environment,
) -> Result<Vec<upstream_credential::Model>, Fault> {
    let owned = |kind: &str, owner: &str| {
        Condition::all()
            .add(upstream_credential::Column::OwnerKind.eq(kind))
            .add(upstream_credential::Column::Owner.eq(owner))
    };
    let mut whose = Condition::any().add(owned("environment", environment.as_str()));
    if let Some(person) = actor.person() {
        whose = whose.add(owned("person", &person.id));
    }
    let query = upstream_credential::Entity::find()
        .filter(whose)
        .filter(upstream_credential::Column::EndedAt.is_null())
        .order_by_desc(upstream_credential::Column::OwnerKind)
        .order_by_asc(upstream_credential::Column::CreatedAt);
    query.all(db).await.map_err(fault("looking for credentials at the hub"))
}

pub(super) async fn save_opening(
    db: &Tx,
    _: &Granted<NameRepository>,
    (name, upstream_id): (&RepoName, &str),
    credential_id: &str,
    at: Micros,
) -> Result<(), Fault> {
    use upstream_opening::Column;
    let row = upstream_opening::Model {
        kind: name.kind().word().to_owned(),
        upstream_id: upstream_id.to_owned(),
        credential_id: credential_id.to_owned(),
        name_key: name.key(),
        opened_at: at.0,
    };
    let conflict = OnConflict::columns([Column::Kind, Column::UpstreamId, Column::CredentialId])
        .update_columns([Column::NameKey, Column::OpenedAt])
        .to_owned();
    let insert = upstream_opening::Entity::insert(row.into_active_model().reset_all()).on_conflict(conflict);
    insert.exec_without_returning(db).await.map_err(fault("writing what a credential opened"))?;
    let used = upstream_credential::ActiveModel { last_used_at: Set(Some(at.0)), ..Default::default() };
    let update =
        upstream_credential::Entity::update_many().set(used).filter(upstream_credential::Column::Id.eq(credential_id));
    update.exec(db).await.map_err(fault("writing when a credential was last used"))?;
    Ok(())
}

/// By the hub's id where it is known, so that a new name opens nothing; by the name before that.
async fn list_openings(
    db: &Reader,
    name: &RepoName,
    upstream_id: Option<&str>,
) -> Result<Vec<upstream_opening::Model>, Fault> {
    let query = upstream_opening::Entity::find().filter(upstream_opening::Column::Kind.eq(name.kind().word()));
    let query = match upstream_id {
        Some(id) => query.filter(upstream_opening::Column::UpstreamId.eq(id)),
        None => query.filter(upstream_opening::Column::NameKey.eq(name.key())),
    };
    query.all(db).await.map_err(fault("reading what credentials opened"))
}

async fn list_owners(db: &Reader, ids: Vec<String>) -> Result<HashMap<String, (String, String)>, Fault> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let query = upstream_credential::Entity::find()
        .filter(upstream_credential::Column::Id.is_in(ids))
        .filter(upstream_credential::Column::EndedAt.is_null());
    let rows = query.all(db).await.map_err(fault("reading whose credentials opened a repository"))?;
    Ok(rows.into_iter().map(|row| (row.id, (row.owner_kind, row.owner))).collect())
}
