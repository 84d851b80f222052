//! The rows of tokens.

use std::collections::HashMap;

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use super::Listed;
use crate::{
    domain::{refusal::Fault, time::Micros},
    gate::{
        act::{CreateToken, RevokeToken},
        grant::Granted,
        tx::Tx,
    },
    store::{
        Reader, fault,
        tables::{token, token_use},
    },
};

pub async fn find_token(db: &Reader, id: &str) -> Result<Option<token::Model>, Fault> {
    token::Entity::find_by_id(id).one(db).await.map_err(fault("looking a token up"))
}

pub async fn list_tokens(db: &Reader) -> Result<Vec<Listed>, Fault> {
    let failed = fault("listing tokens");
    let rows = token::Entity::find().order_by_desc(token::Column::CreatedAt).all(db).await.map_err(&failed)?;
    let uses = token_use::Entity::find().all(db).await.map_err(&failed)?;
    let uses: HashMap<String, i64> = uses.into_iter().map(|row| (row.token_id, row.last_used_at)).collect();
    Ok(rows.into_iter().map(|row| Listed { last_used_at: uses.get(&row.id).copied(), row }).collect())
}

pub async fn save_token(db: &Tx, _: &Granted<CreateToken>, row: token::Model) -> Result<(), Fault> {
    let row = row.into_active_model().reset_all();
    token::Entity::insert(row).exec_without_returning(db).await.map_err(fault("writing a token"))?;
    Ok(())
}

pub async fn revoke_token(db: &Tx, may: &Granted<RevokeToken>, at: Micros) -> Result<(), Fault> {
    let ended = token::ActiveModel { revoked_at: Set(Some(at.0)), ..Default::default() };
    token::Entity::update_many()
        .set(ended)
        .filter(token::Column::Id.eq(may.object().0.as_str()))
        .filter(token::Column::RevokedAt.is_null())
        .exec(db)
        .await
        .map_err(fault("ending a token"))?;
    Ok(())
}
