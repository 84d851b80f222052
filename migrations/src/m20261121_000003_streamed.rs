//! Marks of files whose bytes left before they were verified.

#![allow(clippy::disallowed_methods, reason = "schema changes are not prepared statements")]

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = "CREATE TABLE streamed (
            etag TEXT NOT NULL, fetch_id TEXT NOT NULL, marked_at BIGINT NOT NULL, PRIMARY KEY (etag, fetch_id))";
        manager.get_connection().execute_unprepared(table).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP TABLE streamed").await?;
        Ok(())
    }
}
