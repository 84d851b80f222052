//! Which files were sent before they were verified: a mark for each fetch whose bytes left early.
//!
//! A mark is taken away only when those very bytes were found right. While one stands, whoever asks for the rest of such
//! a file may hold wrong bytes of it. Never interprets what it holds.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, sea_query::OnConflict};

use super::{chores::Chores, fault, tables::streamed};
use crate::domain::{refusal::Fault, time::Micros};

/// Marks a file whose bytes leave early, before the first of them does.
pub async fn save(db: &Chores, etag: &str, fetch: &str, at: Micros) -> Result<(), Fault> {
    let row =
        streamed::ActiveModel { etag: Set(etag.to_owned()), fetch_id: Set(fetch.to_owned()), marked_at: Set(at.0) };
    streamed::Entity::insert(row)
        .on_conflict(OnConflict::columns([streamed::Column::Etag, streamed::Column::FetchId]).do_nothing().to_owned())
        .exec_without_returning(db)
        .await
        .map_err(fault("marking a file that is sent early"))?;
    Ok(())
}

/// What left of this fetch was right.
pub async fn delete(db: &Chores, etag: &str, fetch: &str) -> Result<(), Fault> {
    let id = (etag.to_owned(), fetch.to_owned());
    streamed::Entity::delete_by_id(id).exec(db).await.map_err(fault("lifting a mark"))?;
    Ok(())
}

/// Whether wrong bytes of this file may be about.
pub async fn stands(db: &Chores, etag: &str) -> Result<bool, Fault> {
    let query = streamed::Entity::find().filter(streamed::Column::Etag.eq(etag));
    Ok(query.count(db).await.map_err(fault("looking a mark up"))? > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::store::testing::databases;

    #[tokio::test]
    async fn a_mark_stands_until_each_fetch_was_found_right() {
        for fresh in databases().await {
            let store = fresh.store().await;
            let db = store.chores();
            for fetch in ["one", "two", "one"] {
                save(&db, "etag", fetch, Micros(1)).await.unwrap();
            }
            for fetch in ["one", "three"] {
                delete(&db, "etag", fetch).await.unwrap();
                assert!(stands(&db, "etag").await.unwrap());
            }
            delete(&db, "etag", "two").await.unwrap();
            assert!(!stands(&db, "etag").await.unwrap());
        }
    }
}
