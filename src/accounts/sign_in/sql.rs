//! The rows of signing in: what was begun, sessions, people and their groups, and how groups were mapped.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, sea_query::OnConflict,
};

use crate::{
    domain::{refusal::Fault, time::Micros},
    gate::{
        act::{Act, BeginSession, ChangeRoles, ElevateCredential},
        grant::Granted,
        tx::Tx,
    },
    store::{
        Reader,
        chores::Chores,
        fault,
        tables::{elevation, person, person_group, role_mapping, seen_once, session, sign_in, token, token_use},
    },
};

/// Keeps what was begun, and forgets what is over.
pub async fn save_begun(db: &Chores, row: sign_in::Model, now: Micros) -> Result<(), Fault> {
    let old = sign_in::Entity::delete_many().filter(sign_in::Column::ExpiresAt.lt(now.0));
    old.exec(db).await.map_err(fault("forgetting sign-ins that are over"))?;
    let row = row.into_active_model().reset_all();
    sign_in::Entity::insert(row).exec_without_returning(db).await.map_err(fault("writing that a sign-in begins"))?;
    Ok(())
}

pub async fn find_begun(db: &Chores, state_hash: &[u8; 32]) -> Result<Option<sign_in::Model>, Fault> {
    let query = sign_in::Entity::find_by_id(state_hash.to_vec());
    query.one(db).await.map_err(fault("looking up how a sign-in began"))
}

/// Takes what was begun, once: whoever is second hears no.
pub async fn take_begun(db: &Chores, state_hash: &[u8; 32], now: Micros) -> Result<bool, Fault> {
    let used = sign_in::ActiveModel { used_at: Set(Some(now.0)), ..Default::default() };
    let taken = sign_in::Entity::update_many()
        .set(used)
        .filter(sign_in::Column::StateHash.eq(state_hash.to_vec()))
        .filter(sign_in::Column::UsedAt.is_null())
        .filter(sign_in::Column::ExpiresAt.gt(now.0))
        .exec(db)
        .await
        .map_err(fault("taking a sign-in"))?;
    Ok(taken.rows_affected == 1)
}

pub async fn find_person(
    db: &impl ConnectionTrait,
    issuer: &str,
    subject: &str,
) -> Result<Option<person::Model>, Fault> {
    let query =
        person::Entity::find().filter(person::Column::Issuer.eq(issuer)).filter(person::Column::Subject.eq(subject));
    query.one(db).await.map_err(fault("looking a person up"))
}

/// The same, held until the transaction ends: whoever puts them out meanwhile comes before this or after it.
pub async fn lock_person(db: &Tx, issuer: &str, subject: &str) -> Result<Option<person::Model>, Fault> {
    let query = person::Entity::find()
        .filter(person::Column::Issuer.eq(issuer))
        .filter(person::Column::Subject.eq(subject))
        .lock_exclusive();
    query.one(db).await.map_err(fault("looking a person up"))
}

/// Somebody whom this provider's directory pushed and who has never signed in, by what the configuration says its tokens
/// call them.
pub async fn find_pushed(
    db: &impl ConnectionTrait,
    provider: &str,
    subject: &str,
    by_user_name: bool,
) -> Result<Option<person::Model>, Fault> {
    let column = if by_user_name { person::Column::UserName } else { person::Column::ExternalId };
    let query = person::Entity::find()
        .filter(person::Column::Provider.eq(provider))
        .filter(person::Column::MadeBy.eq("scim"))
        .filter(person::Column::SeenAt.is_null())
        .filter(column.eq(subject));
    let mut rows = query.all(db).await.map_err(fault("looking a pushed person up"))?;
    // Two of a name are nobody: a directory that says so is not believed.
    Ok(if rows.len() == 1 { rows.pop() } else { None })
}

pub async fn save_person(db: &Tx, _: &Granted<BeginSession>, row: person::Model, is_new: bool) -> Result<(), Fault> {
    let row = row.into_active_model().reset_all();
    if is_new {
        person::Entity::insert(row).exec_without_returning(db).await.map_err(fault("writing a person"))?;
    } else {
        person::Entity::update(row).exec(db).await.map_err(fault("writing a person"))?;
    }
    Ok(())
}

pub async fn list_claimed_groups(db: &impl ConnectionTrait, person_id: &str) -> Result<Vec<String>, Fault> {
    let query = person_group::Entity::find()
        .filter(person_group::Column::PersonId.eq(person_id))
        .filter(person_group::Column::Source.eq("claim"))
        .order_by_asc(person_group::Column::GroupName);
    let rows = query.all(db).await.map_err(fault("reading somebody's groups"))?;
    Ok(rows.into_iter().map(|row| row.group_name).collect())
}

pub async fn save_groups(db: &Tx, _: &Granted<BeginSession>, person_id: &str, names: &[String]) -> Result<(), Fault> {
    let failed = fault("writing somebody's groups");
    let old = person_group::Entity::delete_many()
        .filter(person_group::Column::PersonId.eq(person_id))
        .filter(person_group::Column::Source.eq("claim"));
    old.exec(db).await.map_err(&failed)?;
    for part in names.chunks(100) {
        let rows = part.iter().map(|name| claimed(person_id, name)).collect::<Vec<_>>();
        person_group::Entity::insert_many(rows).exec_without_returning(db).await.map_err(&failed)?;
    }
    Ok(())
}

fn claimed(person_id: &str, name: &str) -> person_group::ActiveModel {
    person_group::ActiveModel {
        person_id: Set(person_id.to_owned()),
        group_name: Set(name.to_owned()),
        source: Set("claim".to_owned()),
    }
}

pub async fn save_session(db: &Tx, _: &Granted<BeginSession>, row: session::Model) -> Result<(), Fault> {
    let row = row.into_active_model().reset_all();
    session::Entity::insert(row).exec_without_returning(db).await.map_err(fault("writing a session"))?;
    Ok(())
}

pub async fn find_session(db: &Reader, id: &str) -> Result<Option<session::Model>, Fault> {
    session::Entity::find_by_id(id).one(db).await.map_err(fault("looking a session up"))
}

pub async fn find_session_by_hash(db: &Reader, hash: &[u8; 32]) -> Result<Option<session::Model>, Fault> {
    let query = session::Entity::find().filter(session::Column::Hash.eq(hash.to_vec()));
    query.one(db).await.map_err(fault("looking a session up"))
}

/// The sessions of a person that have not been ended, newest first.
pub async fn list_sessions(db: &Reader, person_id: &str) -> Result<Vec<session::Model>, Fault> {
    let query = session::Entity::find()
        .filter(session::Column::PersonId.eq(person_id))
        .filter(session::Column::EndedAt.is_null())
        .order_by_desc(session::Column::CreatedAt);
    let failed = fault("reading somebody's sessions");
    let mut rows = query.all(db).await.map_err(&failed)?;
    // Their last use is written down beside them.
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let uses =
        token_use::Entity::find().filter(token_use::Column::TokenId.is_in(ids)).all(db).await.map_err(&failed)?;
    for row in &mut rows {
        let last = uses.iter().find(|used| used.token_id == row.id).map(|used| used.last_used_at);
        row.used_at = last.map_or(row.used_at, |at| Ord::max(at, row.used_at));
    }
    Ok(rows)
}

/// The sessions that a provider means when it says that somebody signed out there.
pub async fn list_sessions_of_provider(
    db: &impl ConnectionTrait,
    provider: &str,
    sid: Option<&str>,
    person_id: Option<&str>,
) -> Result<Vec<String>, Fault> {
    let mut query = session::Entity::find()
        .filter(session::Column::Provider.eq(provider))
        .filter(session::Column::EndedAt.is_null());
    if let Some(sid) = sid {
        query = query.filter(session::Column::Sid.eq(sid));
    }
    if let Some(person_id) = person_id {
        query = query.filter(session::Column::PersonId.eq(person_id));
    }
    let rows = query.all(db).await.map_err(fault("reading which sessions a provider means"))?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Ends sessions that have not been ended before.
pub async fn end_sessions<A: Act>(
    db: &Tx,
    _: &Granted<A>,
    ids: &[String],
    why: &str,
    at: Micros,
) -> Result<u64, Fault> {
    let ended = session::ActiveModel {
        ended_at: Set(Some(at.0)),
        ended_why: Set(Some(why.to_owned())),
        id_token: Set(None),
        ..Default::default()
    };
    let update = session::Entity::update_many()
        .set(ended)
        .filter(session::Column::Id.is_in(ids.iter().map(String::as_str)))
        .filter(session::Column::EndedAt.is_null());
    let done = update.exec(db).await.map_err(fault("ending sessions"))?;
    Ok(done.rows_affected)
}

/// What a step-up changes of a session: it becomes another one to whoever knew its cookie.
pub struct Raised {
    pub hash: [u8; 32],
    pub csrf: String,
    pub id_token: Vec<u8>,
    pub sid: Option<String>,
    pub at: Micros,
    pub acr: Option<String>,
    pub amr: Option<String>,
}

pub async fn raise_session(db: &Tx, _: &Granted<ElevateCredential>, id: &str, raised: Raised) -> Result<bool, Fault> {
    let mut row = session::ActiveModel {
        hash: Set(raised.hash.to_vec()),
        csrf: Set(raised.csrf),
        id_token: Set(Some(raised.id_token)),
        authenticated_at: Set(raised.at.0),
        acr: Set(raised.acr),
        amr: Set(raised.amr),
        ..Default::default()
    };
    // The provider may have begun another session of its own with it.
    if raised.sid.is_some() {
        row.sid = Set(raised.sid);
    }
    let update = session::Entity::update_many()
        .set(row)
        .filter(session::Column::Id.eq(id))
        .filter(session::Column::EndedAt.is_null());
    let done = update.exec(db).await.map_err(fault("raising a session"))?;
    Ok(done.rows_affected == 1)
}

/// How far the groups that were said at somebody's last sign-in can be relied on.
pub async fn find_groups_state(db: &Reader, person_id: &str) -> Result<Option<String>, Fault> {
    let row = person::Entity::find_by_id(person_id).one(db).await.map_err(fault("looking a person up"))?;
    Ok(row.map(|row| row.groups_state))
}

pub async fn find_token(db: &Reader, id: &str) -> Result<Option<token::Model>, Fault> {
    token::Entity::find_by_id(id).one(db).await.map_err(fault("looking a token up"))
}

pub async fn save_elevation(db: &Tx, _: &Granted<ElevateCredential>, row: elevation::Model) -> Result<(), Fault> {
    let conflict = OnConflict::column(elevation::Column::CredentialId)
        .update_columns([elevation::Column::PersonId, elevation::Column::AuthenticatedAt, elevation::Column::Acr])
        .to_owned();
    let insert = elevation::Entity::insert(row.into_active_model().reset_all()).on_conflict(conflict);
    insert.exec_without_returning(db).await.map_err(fault("writing a step-up"))?;
    Ok(())
}

/// Whether this is the first time that an issuer's token with this id is seen; from then on it is not.
pub async fn see_once<A: Act>(
    db: &Tx,
    _: &Granted<A>,
    issuer: &str,
    hash: &[u8; 32],
    expires_at: Micros,
    now: Micros,
) -> Result<bool, Fault> {
    let failed = fault("writing which logout tokens were seen");
    let old = seen_once::Entity::delete_many()
        .filter(seen_once::Column::Issuer.eq(issuer))
        .filter(seen_once::Column::ExpiresAt.lt(now.0));
    old.exec(db).await.map_err(&failed)?;
    let row = seen_once::ActiveModel {
        issuer: Set(issuer.to_owned()),
        hash: Set(hash.to_vec()),
        expires_at: Set(expires_at.0),
    };
    let insert = seen_once::Entity::insert(row).on_conflict_do_nothing();
    let done = insert.exec_without_returning(db).await.map_err(&failed)?;
    Ok(matches!(done, sea_orm::TryInsertResult::Inserted(1)))
}

pub async fn find_mapping(db: &impl ConnectionTrait) -> Result<Option<role_mapping::Model>, Fault> {
    let query = role_mapping::Entity::find().order_by_desc(role_mapping::Column::MadeAt);
    query.one(db).await.map_err(fault("reading how groups were mapped"))
}

pub async fn save_mapping(db: &Tx, _: &Granted<ChangeRoles>, row: role_mapping::Model) -> Result<(), Fault> {
    let conflict =
        OnConflict::column(role_mapping::Column::Digest).update_column(role_mapping::Column::MadeAt).to_owned();
    let insert = role_mapping::Entity::insert(row.into_active_model().reset_all()).on_conflict(conflict);
    insert.exec_without_returning(db).await.map_err(fault("writing how groups are mapped"))?;
    Ok(())
}
