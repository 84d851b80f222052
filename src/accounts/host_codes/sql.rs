//! The rows of the host's codes, and of the sessions they begin.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::{
    accounts::people::HOST,
    domain::{refusal::Fault, time::Micros},
    gate::{
        act::{BeginSession, MakeHostCode},
        grant::Granted,
        tx::Tx,
    },
    store::{
        Reader, fault,
        tables::{host_code, person, session, token},
    },
};

pub async fn save_code(db: &Tx, _: &Granted<MakeHostCode>, row: host_code::Model) -> Result<(), Fault> {
    let insert = host_code::Entity::insert(row.into_active_model().reset_all());
    insert.exec_without_returning(db).await.map_err(fault("writing a code"))?;
    Ok(())
}

pub async fn find_code(db: &Reader, hash: &[u8; 32]) -> Result<Option<host_code::Model>, Fault> {
    host_code::Entity::find_by_id(hash.to_vec()).one(db).await.map_err(fault("looking a code up"))
}

/// Whether there is no person, no token and no code.
pub async fn nobody_yet(db: &Reader) -> Result<bool, Fault> {
    let failed = fault("looking whether this is the first start");
    let person = person::Entity::find().one(db).await.map_err(&failed)?;
    let token = token::Entity::find().one(db).await.map_err(&failed)?;
    let code = host_code::Entity::find().one(db).await.map_err(&failed)?;
    Ok(person.is_none() && token.is_none() && code.is_none())
}

/// Uses a code up; false when it was used already.
pub async fn use_code(
    db: &Tx,
    _: &Granted<BeginSession>,
    hash: &[u8; 32],
    session_id: &str,
    at: Micros,
) -> Result<bool, Fault> {
    let used = host_code::ActiveModel {
        used_at: Set(Some(at.0)),
        session_id: Set(Some(session_id.to_owned())),
        ..Default::default()
    };
    let update = host_code::Entity::update_many()
        .set(used)
        .filter(host_code::Column::Hash.eq(hash.to_vec()))
        .filter(host_code::Column::UsedAt.is_null());
    let done = update.exec(db).await.map_err(fault("using a code up"))?;
    Ok(done.rows_affected == 1)
}

pub async fn find_host_person(db: &Tx) -> Result<Option<person::Model>, Fault> {
    let query = person::Entity::find().filter(person::Column::Issuer.eq(HOST));
    query.one(db).await.map_err(fault("looking the host's administrator up"))
}

pub async fn save_person(db: &Tx, _: &Granted<BeginSession>, row: person::Model) -> Result<(), Fault> {
    let insert = person::Entity::insert(row.into_active_model().reset_all());
    insert.exec_without_returning(db).await.map_err(fault("writing the host's administrator"))?;
    Ok(())
}

pub async fn save_session(db: &Tx, _: &Granted<BeginSession>, row: session::Model) -> Result<(), Fault> {
    let insert = session::Entity::insert(row.into_active_model().reset_all());
    insert.exec_without_returning(db).await.map_err(fault("writing a session"))?;
    Ok(())
}
