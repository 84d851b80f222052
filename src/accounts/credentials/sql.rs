//! The rows of credentials at the hub. Sealed in, sealed out.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use super::{Keeps, Removes};
use crate::{
    domain::{refusal::Fault, time::Micros},
    gate::{grant::Granted, tx::Tx},
    store::{Reader, fault, tables::upstream_credential},
};

pub async fn find_credential(db: &Reader, id: &str) -> Result<Option<upstream_credential::Model>, Fault> {
    upstream_credential::Entity::find_by_id(id).one(db).await.map_err(fault("looking a credential up"))
}

pub async fn find_own(db: &Reader, person_id: &str) -> Result<Option<upstream_credential::Model>, Fault> {
    let query = upstream_credential::Entity::find()
        .filter(upstream_credential::Column::OwnerKind.eq("person"))
        .filter(upstream_credential::Column::Owner.eq(person_id))
        .filter(upstream_credential::Column::EndedAt.is_null());
    query.one(db).await.map_err(fault("looking for somebody's own credential"))
}

pub async fn list_credentials(db: &Reader) -> Result<Vec<upstream_credential::Model>, Fault> {
    let query = upstream_credential::Entity::find()
        .filter(upstream_credential::Column::EndedAt.is_null())
        .order_by_asc(upstream_credential::Column::CreatedAt);
    query.all(db).await.map_err(fault("listing credentials at the hub"))
}

pub async fn save_credential<A: Keeps>(db: &Tx, _: &Granted<A>, row: upstream_credential::Model) -> Result<(), Fault> {
    let row = row.into_active_model().reset_all();
    upstream_credential::Entity::insert(row).exec_without_returning(db).await.map_err(fault("keeping a credential"))?;
    Ok(())
}

pub async fn end_credentials_of<A: Keeps>(
    db: &Tx,
    _: &Granted<A>,
    kind: &str,
    owner: &str,
    at: Micros,
) -> Result<(), Fault> {
    let update = upstream_credential::Entity::update_many()
        .set(ended(at))
        .filter(upstream_credential::Column::OwnerKind.eq(kind))
        .filter(upstream_credential::Column::Owner.eq(owner))
        .filter(upstream_credential::Column::EndedAt.is_null());
    update.exec(db).await.map_err(fault("ending the credential before"))?;
    Ok(())
}

pub async fn end_credential<A: Removes>(db: &Tx, _: &Granted<A>, id: &str, at: Micros) -> Result<(), Fault> {
    let update = upstream_credential::Entity::update_many()
        .set(ended(at))
        .filter(upstream_credential::Column::Id.eq(id))
        .filter(upstream_credential::Column::EndedAt.is_null());
    update.exec(db).await.map_err(fault("ending a credential"))?;
    Ok(())
}

/// What is over is not kept, not even sealed.
fn ended(at: Micros) -> upstream_credential::ActiveModel {
    upstream_credential::ActiveModel { ended_at: Set(Some(at.0)), sealed: Set(Vec::new()), ..Default::default() }
}
