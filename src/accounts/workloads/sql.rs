//! The rows of workloads: who is stopped, which proofs were exchanged, and the tokens given for them.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, sea_query::OnConflict,
};

use crate::{
    clock,
    domain::{refusal::Fault, time::Micros},
    gate::{
        act::{BlockWorkload, ExchangeToken},
        grant::Granted,
        tx::Tx,
    },
    store::{
        fault,
        tables::{seen_once, token, workload_block},
    },
};

pub async fn save_block(db: &Tx, _: &Granted<BlockWorkload>, row: workload_block::Model) -> Result<(), Fault> {
    let row = row.into_active_model().reset_all();
    workload_block::Entity::insert(row).exec_without_returning(db).await.map_err(fault("writing who is stopped"))?;
    Ok(())
}

/// Remembers that a proof was exchanged. False when it was before. What could not come again anyway is forgotten.
pub async fn save_seen(
    db: &Tx,
    _: &Granted<ExchangeToken>,
    issuer: &str,
    id: &str,
    until: Micros,
) -> Result<bool, Fault> {
    let failed = fault("remembering which proof was exchanged");
    let over = seen_once::Column::ExpiresAt.lt(clock::now().0);
    let mine = seen_once::Column::Issuer.eq(issuer);
    seen_once::Entity::delete_many().filter(mine).filter(over).exec(db).await.map_err(&failed)?;
    let row = seen_once::ActiveModel {
        issuer: Set(issuer.to_owned()),
        hash: Set(id.as_bytes().to_vec()),
        expires_at: Set(until.0),
    };
    let again = OnConflict::columns([seen_once::Column::Issuer, seen_once::Column::Hash]).do_nothing().to_owned();
    let insert = seen_once::Entity::insert(row).on_conflict(again);
    Ok(insert.exec_without_returning(db).await.map_err(&failed)? == 1)
}

pub async fn save_token(db: &Tx, _: &Granted<ExchangeToken>, row: token::Model) -> Result<(), Fault> {
    let row = row.into_active_model().reset_all();
    token::Entity::insert(row).exec_without_returning(db).await.map_err(fault("writing a token"))?;
    Ok(())
}
