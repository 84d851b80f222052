//! The rows of the directory. Every question names the provider: a directory finds its own people and no others.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select, SqlErr,
    sea_query::{Expr, ExprTrait, Func},
};

use crate::{
    domain::refusal::Fault,
    gate::{act::Act, grant::Granted, tx::Tx},
    store::{
        fault,
        tables::{directory_group, directory_member, person, person_group, role_grant, session, token},
    },
};

/// A column that somebody can be looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Id,
    UserName,
    ExternalId,
}

fn people(provider: &str) -> Select<person::Entity> {
    person::Entity::find().filter(person::Column::Provider.eq(provider)).filter(person::Column::Scim.is_not_null())
}

pub async fn find_person(db: &impl ConnectionTrait, provider: &str, id: &str) -> Result<Option<person::Model>, Fault> {
    people(provider).filter(person::Column::Id.eq(id)).one(db).await.map_err(fault("looking a person up"))
}

/// The same, held until this change is done.
pub async fn lock_person(db: &Tx, provider: &str, id: &str) -> Result<Option<person::Model>, Fault> {
    let query = people(provider).filter(person::Column::Id.eq(id)).lock_exclusive();
    query.one(db).await.map_err(fault("looking a person up"))
}

/// Whoever has this identity, pushed or not.
pub async fn find_by_subject(db: &Tx, issuer: &str, subject: &str) -> Result<Option<person::Model>, Fault> {
    let query = person::Entity::find()
        .filter(person::Column::Issuer.eq(issuer))
        .filter(person::Column::Subject.eq(subject))
        .lock_exclusive();
    query.one(db).await.map_err(fault("looking a person up"))
}

pub async fn find_by_user_name(db: &Tx, provider: &str, name: &str) -> Result<Option<person::Model>, Fault> {
    by_key(people(provider), Key::UserName, name).one(db).await.map_err(fault("looking a person up"))
}

fn by_key(query: Select<person::Entity>, key: Key, value: &str) -> Select<person::Entity> {
    match key {
        Key::Id => query.filter(person::Column::Id.eq(value)),
        Key::ExternalId => query.filter(person::Column::ExternalId.eq(value)),
        Key::UserName => {
            let lower = Expr::expr(Func::lower(Expr::col(person::Column::UserName)));
            query.filter(lower.eq(Func::lower(Expr::val(value))))
        }
    }
}

/// The next people in the order of their ids; with a key, only those who have it.
pub async fn list_people(
    db: &impl ConnectionTrait,
    provider: &str,
    key: Option<(Key, &str)>,
    after: &str,
    most: u64,
) -> Result<Vec<person::Model>, Fault> {
    let mut query = people(provider).filter(person::Column::Id.gt(after));
    if let Some((key, value)) = key {
        query = by_key(query, key, value);
    }
    let query = query.order_by_asc(person::Column::Id).limit(most);
    query.all(db).await.map_err(fault("listing people"))
}

pub async fn count_people(db: &impl ConnectionTrait, provider: &str) -> Result<u64, Fault> {
    people(provider).count(db).await.map_err(fault("counting people"))
}

pub async fn page_people(
    db: &impl ConnectionTrait,
    provider: &str,
    skip: u64,
    most: u64,
) -> Result<Vec<person::Model>, Fault> {
    let query = people(provider).order_by_asc(person::Column::Id).offset(skip).limit(most);
    query.all(db).await.map_err(fault("listing people"))
}

/// The groups of some people: id and name of each, by person.
pub async fn groups_of(
    db: &impl ConnectionTrait,
    ids: &[String],
) -> Result<HashMap<String, Vec<(String, String)>>, Fault> {
    let failed = fault("reading who is in which group");
    let mut found: HashMap<String, Vec<(String, String)>> = HashMap::new();
    for some in ids.chunks(500) {
        let query = directory_member::Entity::find().filter(directory_member::Column::PersonId.is_in(some));
        let members = query.all(db).await.map_err(&failed)?;
        let groups: HashSet<String> = members.iter().map(|row| row.group_id.clone()).collect();
        let query = directory_group::Entity::find().filter(directory_group::Column::Id.is_in(groups));
        let names: HashMap<String, String> =
            query.all(db).await.map_err(&failed)?.into_iter().map(|row| (row.id, row.name)).collect();
        for row in members {
            if let Some(name) = names.get(&row.group_id) {
                found.entry(row.person_id).or_default().push((row.group_id, name.clone()));
            }
        }
    }
    for groups in found.values_mut() {
        groups.sort_unstable();
    }
    Ok(found)
}

/// Whether anything here was ever done as, or given to, this person: then their identity stays what it is.
pub async fn has_history(db: &Tx, row: &person::Model) -> Result<bool, Fault> {
    let failed = fault("reading what somebody has here");
    if row.seen_at.is_some() {
        return Ok(true);
    }
    let tokens = token::Entity::find().filter(token::Column::PersonId.eq(&row.id)).one(db).await.map_err(&failed)?;
    let sessions = session::Entity::find().filter(session::Column::PersonId.eq(&row.id)).one(db).await;
    let grants = role_grant::Entity::find().filter(role_grant::Column::PersonId.eq(&row.id)).one(db).await;
    Ok(tokens.is_some() || sessions.map_err(&failed)?.is_some() || grants.map_err(&failed)?.is_some())
}

/// Writes a new person; false when somebody else has just become that.
pub async fn insert_person<A: Act>(db: &Tx, _: &Granted<A>, row: person::Model) -> Result<bool, Fault> {
    let insert = person::Entity::insert(row.into_active_model().reset_all());
    match insert.exec_without_returning(db).await {
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        answer => answer.map(|_| true).map_err(fault("writing a person")),
    }
}

pub async fn update_person<A: Act>(db: &Tx, _: &Granted<A>, row: person::Model) -> Result<bool, Fault> {
    match row.into_active_model().reset_all().update(db).await {
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        answer => answer.map(|_| true).map_err(fault("writing a person")),
    }
}

/// Takes somebody out of every group that the directory pushed.
pub async fn forget_groups<A: Act>(db: &Tx, _: &Granted<A>, id: &str) -> Result<(), Fault> {
    let failed = fault("taking somebody out of their groups");
    let members = directory_member::Entity::delete_many().filter(directory_member::Column::PersonId.eq(id));
    members.exec(db).await.map_err(&failed)?;
    let pushed = person_group::Entity::delete_many()
        .filter(person_group::Column::PersonId.eq(id))
        .filter(person_group::Column::Source.eq("scim"));
    pushed.exec(db).await.map_err(&failed)?;
    Ok(())
}

fn groups(provider: &str) -> Select<directory_group::Entity> {
    directory_group::Entity::find().filter(directory_group::Column::Provider.eq(provider))
}

pub async fn find_group(
    db: &impl ConnectionTrait,
    provider: &str,
    id: &str,
) -> Result<Option<directory_group::Model>, Fault> {
    let query = groups(provider).filter(directory_group::Column::Id.eq(id));
    query.one(db).await.map_err(fault("looking a group up"))
}

pub async fn lock_group(db: &Tx, provider: &str, id: &str) -> Result<Option<directory_group::Model>, Fault> {
    let query = groups(provider).filter(directory_group::Column::Id.eq(id)).lock_exclusive();
    query.one(db).await.map_err(fault("looking a group up"))
}

pub async fn list_groups(db: &impl ConnectionTrait, provider: &str) -> Result<Vec<directory_group::Model>, Fault> {
    let query = groups(provider).order_by_asc(directory_group::Column::Id);
    query.all(db).await.map_err(fault("listing groups"))
}

pub async fn members_of(db: &impl ConnectionTrait, group_id: &str) -> Result<Vec<String>, Fault> {
    let query = directory_member::Entity::find()
        .filter(directory_member::Column::GroupId.eq(group_id))
        .order_by_asc(directory_member::Column::PersonId);
    let rows = query.all(db).await.map_err(fault("reading who is in a group"))?;
    Ok(rows.into_iter().map(|row| row.person_id).collect())
}

/// Those of the ids that are this provider's people.
pub async fn known(db: &impl ConnectionTrait, provider: &str, ids: &[String]) -> Result<HashSet<String>, Fault> {
    let mut found = HashSet::new();
    for some in ids.chunks(500) {
        let query = people(provider).filter(person::Column::Id.is_in(some)).select_only().column(person::Column::Id);
        let rows: Vec<String> = query.into_tuple().all(db).await.map_err(fault("looking people up"))?;
        found.extend(rows);
    }
    Ok(found)
}

pub async fn insert_group<A: Act>(db: &Tx, _: &Granted<A>, row: directory_group::Model) -> Result<(), Fault> {
    let insert = directory_group::Entity::insert(row.into_active_model().reset_all());
    insert.exec_without_returning(db).await.map_err(fault("writing a group"))?;
    Ok(())
}

pub async fn update_group<A: Act>(db: &Tx, _: &Granted<A>, row: directory_group::Model) -> Result<(), Fault> {
    row.into_active_model().reset_all().update(db).await.map_err(fault("writing a group"))?;
    Ok(())
}

pub async fn delete_group<A: Act>(db: &Tx, _: &Granted<A>, id: &str) -> Result<(), Fault> {
    let failed = fault("removing a group");
    let members = directory_member::Entity::delete_many().filter(directory_member::Column::GroupId.eq(id));
    members.exec(db).await.map_err(&failed)?;
    directory_group::Entity::delete_by_id(id.to_owned()).exec(db).await.map_err(&failed)?;
    Ok(())
}

pub async fn add_members<A: Act>(db: &Tx, _: &Granted<A>, group_id: &str, people: &[String]) -> Result<(), Fault> {
    for some in people.chunks(500) {
        let rows = some.iter().map(|id| {
            let row = directory_member::Model { group_id: group_id.to_owned(), person_id: id.clone() };
            row.into_active_model().reset_all()
        });
        let insert = directory_member::Entity::insert_many(rows).on_conflict_do_nothing();
        insert.exec_without_returning(db).await.map_err(fault("writing who is in a group"))?;
    }
    Ok(())
}

pub async fn remove_members<A: Act>(db: &Tx, _: &Granted<A>, group_id: &str, people: &[String]) -> Result<(), Fault> {
    for some in people.chunks(500) {
        let query = directory_member::Entity::delete_many()
            .filter(directory_member::Column::GroupId.eq(group_id))
            .filter(directory_member::Column::PersonId.is_in(some));
        query.exec(db).await.map_err(fault("writing who is in a group"))?;
    }
    Ok(())
}
