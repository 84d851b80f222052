//! The rows of tokens, as the host's commands see them.

use std::collections::HashMap;

use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use super::Listed;
use crate::{
    domain::refusal::Fault,
    gate::{act::Act, grant::Granted, tx::Tx},
    store::{
        Reader, fault,
        tables::{token, token_use},
    },
};

pub async fn find_token(db: &Reader, id: &str) -> Result<Option<token::Model>, Fault> {
    token::Entity::find_by_id(id).one(db).await.map_err(fault("looking a token up"))
}

/// All but what others are renewed with: those open nothing and end with them.
pub async fn list_tokens(db: &Reader) -> Result<Vec<Listed>, Fault> {
    let failed = fault("listing tokens");
    let rows = token::Entity::find().filter(token::Column::Class.ne("refresh"));
    let rows = rows.order_by_desc(token::Column::CreatedAt).all(db).await.map_err(&failed)?;
    let uses = token_use::Entity::find().all(db).await.map_err(&failed)?;
    let uses: HashMap<String, i64> = uses.into_iter().map(|row| (row.token_id, row.last_used_at)).collect();
    Ok(rows.into_iter().map(|row| Listed { last_used_at: uses.get(&row.id).copied(), row }).collect())
}

/// Whichever act it is that makes a token.
pub async fn save_token<A: Act>(db: &Tx, _: &Granted<A>, row: token::Model) -> Result<(), Fault> {
    let row = row.into_active_model().reset_all();
    token::Entity::insert(row).exec_without_returning(db).await.map_err(fault("writing a token"))?;
    Ok(())
}
