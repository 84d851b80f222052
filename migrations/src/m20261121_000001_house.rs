//! The first schema: tokens, repositories, revisions, decisions, blobs, jobs and the ledger.
//!
//! Times are whole microseconds since 1970 (`*_at`), ids are text, digests are lower-case hexadecimal.

#![allow(clippy::disallowed_methods, reason = "schema changes are not prepared statements")]

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (bytes, counted, bytewise) = match manager.get_database_backend() {
            DbBackend::Postgres => ("BYTEA", "BIGSERIAL PRIMARY KEY", " COLLATE \"C\""),
            _ => ("BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT", ""),
        };
        for statement in TABLES.split(";\n").map(str::trim).filter(|s| !s.is_empty()) {
            let statement = statement.replace("{bytes}", bytes).replace("{counted}", counted);
            let statement = statement.replace("{bytewise}", bytewise);
            manager.get_connection().execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for line in TABLES.lines().filter_map(|l| l.strip_prefix("CREATE TABLE ")) {
            let name = line.trim_end_matches(" (");
            manager.get_connection().execute_unprepared(&format!("DROP TABLE {name}")).await?;
        }
        Ok(())
    }
}

const TABLES: &str = "
CREATE TABLE setting (
    name TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE token (
    id TEXT PRIMARY KEY, hash {bytes} NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL, reach TEXT NOT NULL,
    cluster TEXT, created_at BIGINT NOT NULL, created_by TEXT NOT NULL, expires_at BIGINT NOT NULL, revoked_at BIGINT);

CREATE TABLE token_use (
    token_id TEXT PRIMARY KEY, last_used_at BIGINT NOT NULL);

CREATE TABLE subject (
    ref TEXT PRIMARY KEY, kind TEXT NOT NULL, clear TEXT NOT NULL, secret {bytes} NOT NULL, created_at BIGINT NOT NULL,
    UNIQUE (kind, clear));

CREATE TABLE repository (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, upstream_id TEXT NOT NULL, name TEXT NOT NULL,
    hub_name TEXT NOT NULL, facts TEXT NOT NULL, first_seen_at BIGINT NOT NULL, seen_at BIGINT NOT NULL,
    UNIQUE (kind, upstream_id));

CREATE TABLE repository_name (
    kind TEXT NOT NULL, key TEXT NOT NULL, repository_id TEXT NOT NULL, first_seen_at BIGINT NOT NULL,
    PRIMARY KEY (kind, key));

CREATE INDEX repository_name_by_repository ON repository_name (repository_id);

CREATE TABLE revision (
    id TEXT PRIMARY KEY, repository_id TEXT NOT NULL, commit_id TEXT NOT NULL, title TEXT NOT NULL,
    committed_at BIGINT, facts TEXT NOT NULL, tree_digest TEXT, listed_at BIGINT NOT NULL,
    UNIQUE (repository_id, commit_id));

CREATE TABLE file (
    revision_id TEXT NOT NULL, path TEXT{bytewise} NOT NULL, size BIGINT NOT NULL, git_id TEXT NOT NULL, lfs TEXT,
    sha256 TEXT,
    PRIMARY KEY (revision_id, path));

CREATE INDEX file_by_sha256 ON file (sha256);

CREATE INDEX file_by_git_id ON file (git_id);

CREATE TABLE listing (
    repository_id TEXT NOT NULL, commit_id TEXT NOT NULL, revision_id TEXT NOT NULL, begun_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, commit_id));

CREATE TABLE history (
    repository_id TEXT NOT NULL, ref_name TEXT NOT NULL, ref_kind TEXT NOT NULL, commits TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, ref_name));

CREATE TABLE standing (
    revision_id TEXT NOT NULL, environment TEXT NOT NULL, repository_id TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT NOT NULL, approval_id TEXT, evidence_digest TEXT, expires_at BIGINT, changed_at BIGINT NOT NULL,
    PRIMARY KEY (revision_id, environment));

CREATE INDEX standing_by_repository ON standing (repository_id, environment);

CREATE TABLE approval (
    id TEXT PRIMARY KEY, revision_id TEXT NOT NULL, environment TEXT NOT NULL, evidence_digest TEXT NOT NULL,
    reason TEXT NOT NULL, actor_ref TEXT NOT NULL, given_at BIGINT NOT NULL, expires_at BIGINT, ended_at BIGINT);

CREATE INDEX approval_by_revision ON approval (revision_id, environment);

CREATE TABLE pointer (
    repository_id TEXT NOT NULL, environment TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
    commit_id TEXT NOT NULL, moved_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, environment, name));

CREATE TABLE revoked_file (
    revision_id TEXT NOT NULL, environment TEXT NOT NULL, path TEXT NOT NULL, reason TEXT NOT NULL,
    revoked_at BIGINT NOT NULL,
    PRIMARY KEY (revision_id, environment, path));

CREATE TABLE denied_digest (
    sha256 TEXT PRIMARY KEY, reason TEXT NOT NULL, denied_at BIGINT NOT NULL);

CREATE TABLE request (
    id TEXT PRIMARY KEY, repo_kind TEXT NOT NULL, repo TEXT NOT NULL, rev TEXT NOT NULL, commit_id TEXT,
    environment TEXT NOT NULL, reason TEXT NOT NULL, actor_ref TEXT NOT NULL, actor_name TEXT NOT NULL,
    made_at BIGINT NOT NULL, state TEXT NOT NULL, decided_at BIGINT);

CREATE INDEX request_by_repo ON request (repo_kind, repo, environment);

CREATE TABLE decision (
    id TEXT PRIMARY KEY, act TEXT NOT NULL, actor_ref TEXT NOT NULL, actor_name TEXT NOT NULL,
    environment TEXT NOT NULL, repo_kind TEXT NOT NULL, repo TEXT NOT NULL, rev TEXT NOT NULL, commit_id TEXT,
    path TEXT NOT NULL, code TEXT NOT NULL, sentence TEXT NOT NULL, hint TEXT NOT NULL, policy_rev TEXT NOT NULL,
    made_at BIGINT NOT NULL);

CREATE TABLE blob (
    sha256 TEXT PRIMARY KEY, size BIGINT NOT NULL, seal TEXT NOT NULL, state TEXT NOT NULL, stored_at BIGINT NOT NULL);

CREATE TABLE job (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL UNIQUE, payload TEXT NOT NULL, state TEXT NOT NULL,
    attempts BIGINT NOT NULL, run_at BIGINT NOT NULL, lease_by TEXT NOT NULL, lease_until BIGINT NOT NULL,
    done_bytes BIGINT NOT NULL, total_bytes BIGINT NOT NULL, outcome TEXT NOT NULL, made_at BIGINT NOT NULL);

CREATE INDEX job_by_state ON job (state, kind, run_at);

CREATE TABLE ledger_head (
    shard BIGINT PRIMARY KEY, origin TEXT NOT NULL, size BIGINT NOT NULL, root {bytes} NOT NULL,
    frontier {bytes} NOT NULL, last_leaf {bytes} NOT NULL, last_time BIGINT NOT NULL, moves BIGINT NOT NULL,
    next_shard BIGINT);

CREATE TABLE ledger_pending (
    place {counted}, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, body {bytes} NOT NULL);

CREATE TABLE ledger_entry (
    shard BIGINT NOT NULL, seq BIGINT NOT NULL, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, time BIGINT NOT NULL,
    hash {bytes} NOT NULL, body {bytes} NOT NULL,
    PRIMARY KEY (shard, seq));

CREATE TABLE ledger_checkpoint (
    shard BIGINT NOT NULL, size BIGINT NOT NULL, note TEXT NOT NULL, signed_at BIGINT NOT NULL,
    PRIMARY KEY (shard, size));
";

#[cfg(test)]
mod tests {
    #[test]
    fn statements_end_where_the_split_expects() {
        let count = super::TABLES.split(";\n").filter(|s| s.trim().starts_with("CREATE ")).count();
        assert_eq!(count, super::TABLES.matches("CREATE ").count());
    }
}
