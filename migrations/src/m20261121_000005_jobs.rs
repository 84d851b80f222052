//! Jobs with a lane and progress in files; what is stored, when it was last used, what is leaving; what people pinned.

#![allow(clippy::disallowed_methods, reason = "schema changes are not prepared statements")]

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in STEPS.split(";\n").map(str::trim).filter(|s| !s.is_empty()) {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["blob_use", "blob_leaving", "pin"] {
            manager.get_connection().execute_unprepared(&format!("DROP TABLE {table}")).await?;
        }
        for column in ["lane", "done_files", "total_files"] {
            manager.get_connection().execute_unprepared(&format!("ALTER TABLE job DROP COLUMN {column}")).await?;
        }
        Ok(())
    }
}

const STEPS: &str = "
ALTER TABLE job ADD COLUMN lane TEXT NOT NULL DEFAULT '';

ALTER TABLE job ADD COLUMN done_files BIGINT NOT NULL DEFAULT 0;

ALTER TABLE job ADD COLUMN total_files BIGINT NOT NULL DEFAULT 0;

CREATE TABLE blob_use (
    sha256 TEXT PRIMARY KEY, used_at BIGINT NOT NULL);

CREATE TABLE blob_leaving (
    sha256 TEXT PRIMARY KEY, size BIGINT NOT NULL, since_at BIGINT NOT NULL);

CREATE TABLE pin (
    repository_id TEXT NOT NULL, environment TEXT NOT NULL, name TEXT NOT NULL, commit_id TEXT NOT NULL,
    pinned_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, environment, name));
";

#[cfg(test)]
mod tests {
    #[test]
    fn statements_end_where_the_split_expects() {
        let count = super::STEPS.split(";\n").filter(|s| !s.trim().is_empty()).count();
        let verbs = ["CREATE ", "ALTER "].iter().map(|verb| super::STEPS.matches(verb).count()).sum::<usize>();
        assert_eq!(count, verbs);
    }
}
