//! Intake: what the scanner reported of each file, what is known of each revision, what rules decided, what is hidden.

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
        for statement in STEPS.split(";\n").map(str::trim).filter(|s| !s.is_empty()) {
            let statement = statement.replace("{bytewise}", bytewise);
            manager.get_connection().execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["report", "knowledge", "hidden_file"] {
            manager.get_connection().execute_unprepared(&format!("DROP TABLE {table}")).await?;
        }
        for column in ["decided_by", "rules", "until_at"] {
            manager.get_connection().execute_unprepared(&format!("ALTER TABLE standing DROP COLUMN {column}")).await?;
        }
        Ok(())
    }
}

// What was approved before there was a scan is undecided again: it goes through intake when somebody asks for it, and its
// old approval becomes a request to look at it.
const STEPS: &str = "
CREATE TABLE report (
    revision_id TEXT NOT NULL, path TEXT{bytewise} NOT NULL, bytes_id TEXT NOT NULL, scanner TEXT NOT NULL,
    siblings TEXT NOT NULL, stage TEXT NOT NULL, format TEXT NOT NULL, verdict TEXT NOT NULL, coverage TEXT NOT NULL,
    body TEXT NOT NULL, ranges TEXT NOT NULL, made_at BIGINT NOT NULL,
    PRIMARY KEY (revision_id, path));

CREATE INDEX report_by_bytes ON report (bytes_id, scanner);

CREATE TABLE knowledge (
    revision_id TEXT PRIMARY KEY, scanner TEXT NOT NULL, verdict TEXT NOT NULL, coverage TEXT NOT NULL,
    facts TEXT NOT NULL, findings_digest TEXT NOT NULL, seen_at BIGINT NOT NULL);

CREATE TABLE hidden_file (
    revision_id TEXT NOT NULL, environment TEXT NOT NULL, path TEXT NOT NULL, rule TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (revision_id, environment, path));

ALTER TABLE standing ADD COLUMN decided_by TEXT NOT NULL DEFAULT 'person';

ALTER TABLE standing ADD COLUMN rules TEXT NOT NULL DEFAULT '';

ALTER TABLE standing ADD COLUMN until_at BIGINT;

UPDATE standing SET state = 'undecided' WHERE state = 'approved';
";

#[cfg(test)]
mod tests {
    #[test]
    fn statements_end_where_the_split_expects() {
        let count = super::STEPS.split(";\n").filter(|s| !s.trim().is_empty()).count();
        let verbs =
            ["CREATE ", "ALTER ", "UPDATE "].iter().map(|verb| super::STEPS.matches(verb).count()).sum::<usize>();
        assert_eq!(count, verbs);
    }
}
