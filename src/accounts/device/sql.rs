//! The rows of terminals that wait to be let in.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::{
    domain::{refusal::Fault, time::Micros},
    gate::{
        act::{AnswerDevice, BeginDevice, TakeDeviceToken},
        grant::Granted,
        tx::Tx,
    },
    store::{
        Reader, fault,
        tables::{device_sign_in, session},
    },
};

pub async fn find_by_code(db: &Reader, hash: &[u8; 32]) -> Result<Option<device_sign_in::Model>, Fault> {
    let query = device_sign_in::Entity::find().filter(device_sign_in::Column::CodeHash.eq(hash.to_vec()));
    query.one(db).await.map_err(fault("looking a terminal up"))
}

pub async fn find_by_user_code(db: &Reader, hash: &[u8; 32]) -> Result<Option<device_sign_in::Model>, Fault> {
    let query = device_sign_in::Entity::find().filter(device_sign_in::Column::UserCodeHash.eq(hash.to_vec()));
    query.one(db).await.map_err(fault("looking a terminal up"))
}

/// Whether a session has roles of its own; one that is not there has none to give.
pub async fn has_own_roles(db: &Reader, session_id: &str) -> Result<bool, Fault> {
    let row = session::Entity::find_by_id(session_id).one(db).await.map_err(fault("looking a session up"))?;
    Ok(row.is_none_or(|row| row.roles.is_some()))
}

pub async fn save(db: &Tx, _: &Granted<BeginDevice>, row: device_sign_in::Model) -> Result<(), Fault> {
    let row = row.into_active_model().reset_all();
    let insert = device_sign_in::Entity::insert(row);
    insert.exec_without_returning(db).await.map_err(fault("writing that a terminal waits"))?;
    Ok(())
}

/// Forgets what ended before then.
pub async fn forget_before(db: &Tx, _: &Granted<BeginDevice>, at: Micros) -> Result<(), Fault> {
    let old = device_sign_in::Entity::delete_many().filter(device_sign_in::Column::ExpiresAt.lt(at.0));
    old.exec(db).await.map_err(fault("forgetting old sign-ins"))?;
    Ok(())
}

/// Writes an answer down, if nobody has answered yet and it is not too late.
pub async fn answer(
    db: &Tx,
    _: &Granted<AnswerDevice>,
    id: &str,
    person_id: &str,
    word: &str,
    at: Micros,
) -> Result<bool, Fault> {
    let answered = device_sign_in::ActiveModel {
        person_id: Set(Some(person_id.to_owned())),
        answer: Set(Some(word.to_owned())),
        answered_at: Set(Some(at.0)),
        ..Default::default()
    };
    let done = device_sign_in::Entity::update_many()
        .set(answered)
        .filter(device_sign_in::Column::Id.eq(id))
        .filter(device_sign_in::Column::Answer.is_null())
        .filter(device_sign_in::Column::ExpiresAt.gt(at.0))
        .exec(db)
        .await
        .map_err(fault("answering a terminal"))?;
    Ok(done.rows_affected == 1)
}

/// Notes that a code has given its tokens. Only the first who asks hears yes.
pub async fn use_up(db: &Tx, _: &Granted<TakeDeviceToken>, id: &str, at: Micros) -> Result<bool, Fault> {
    let used = device_sign_in::ActiveModel { used_at: Set(Some(at.0)), ..Default::default() };
    let done = device_sign_in::Entity::update_many()
        .set(used)
        .filter(device_sign_in::Column::Id.eq(id))
        .filter(device_sign_in::Column::UsedAt.is_null())
        .exec(db)
        .await
        .map_err(fault("giving a terminal its tokens"))?;
    Ok(done.rows_affected == 1)
}
