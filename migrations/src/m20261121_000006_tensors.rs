//! The tensors of weights, file by file, so that two files can be compared: their names, types, shapes and places.

#![allow(clippy::disallowed_methods, reason = "schema changes are not prepared statements")]

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let bytewise = match manager.get_database_backend() {
            DbBackend::Postgres => " COLLATE \"C\"",
            _ => "",
        };
        let statement = STEP.replace("{bytewise}", bytewise);
        manager.get_connection().execute_unprepared(&statement).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP TABLE tensor_list").await?;
        Ok(())
    }
}

const STEP: &str = "
CREATE TABLE tensor_list (
    revision_id TEXT NOT NULL, path TEXT{bytewise} NOT NULL, list TEXT NOT NULL,
    PRIMARY KEY (revision_id, path))";
