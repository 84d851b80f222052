//! With whose credential a repository that is gated or private at the hub was opened.

#![allow(clippy::disallowed_methods, reason = "schema changes are not prepared statements")]

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in TABLES.split(";\n").map(str::trim).filter(|s| !s.is_empty()) {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

/// By the hub's own id, which a rename leaves alone; the name is for the time before the repository has a row.
const TABLES: &str = "
CREATE TABLE upstream_opening (
    kind TEXT NOT NULL, upstream_id TEXT NOT NULL, credential_id TEXT NOT NULL, name_key TEXT NOT NULL,
    opened_at BIGINT NOT NULL, PRIMARY KEY (kind, upstream_id, credential_id));
CREATE INDEX upstream_opening_by_name ON upstream_opening (kind, name_key);
";
