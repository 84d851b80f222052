//! Change: what each decision rests on, who works on what basis, when things were last used, and how the hub has them.

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
        for statement in [
            "DROP INDEX standing_by_basis",
            "ALTER TABLE standing DROP COLUMN basis",
            "DROP TABLE basis",
            "DROP TABLE replica",
            "DROP TABLE revision_use",
            "DROP TABLE hub_look",
            "DROP TABLE hub_state",
        ] {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

// Standings from before rest on basis 0, which is older than every other: they are decided about anew at the next start.
const STEPS: &str = "
CREATE TABLE basis (
    number BIGINT PRIMARY KEY, digest TEXT NOT NULL, words TEXT NOT NULL, scanner TEXT NOT NULL, begun_at BIGINT NOT NULL);

CREATE TABLE replica (
    name TEXT PRIMARY KEY, basis TEXT NOT NULL, scanner TEXT NOT NULL, seen_at BIGINT NOT NULL);

CREATE TABLE revision_use (
    repository_id TEXT NOT NULL, commit_id TEXT NOT NULL, used_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, commit_id));

CREATE TABLE hub_look (
    repository_id TEXT PRIMARY KEY, looked_at BIGINT NOT NULL);

CREATE TABLE hub_state (
    repository_id TEXT PRIMARY KEY, state TEXT NOT NULL, why TEXT NOT NULL, since BIGINT NOT NULL);

ALTER TABLE standing ADD COLUMN basis BIGINT NOT NULL DEFAULT 0;

CREATE INDEX standing_by_basis ON standing (basis);
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
