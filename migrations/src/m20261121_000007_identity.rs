//! Identity: people and what they come in with, beside the tokens that were there before.

#![allow(clippy::disallowed_methods, reason = "schema changes are not prepared statements")]

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let bytes = match manager.get_database_backend() {
            DbBackend::Postgres => "BYTEA",
            _ => "BLOB",
        };
        for statement in TABLES.split(";\n").map(str::trim).filter(|s| !s.is_empty()) {
            manager.get_connection().execute_unprepared(&statement.replace("{bytes}", bytes)).await?;
        }
        Ok(())
    }
}

const TABLES: &str = "
ALTER TABLE token ADD COLUMN class TEXT NOT NULL DEFAULT 'service';
ALTER TABLE token ADD COLUMN person_id TEXT;
ALTER TABLE token ADD COLUMN scopes TEXT;
ALTER TABLE token ADD COLUMN family TEXT;
ALTER TABLE token ADD COLUMN workload TEXT;
ALTER TABLE token ADD COLUMN replaced_at BIGINT;
ALTER TABLE token ADD COLUMN ended_why TEXT;

CREATE TABLE person (
    id TEXT PRIMARY KEY, issuer TEXT NOT NULL, subject TEXT NOT NULL, provider TEXT NOT NULL, name TEXT NOT NULL,
    email TEXT, user_name TEXT, external_id TEXT, made_by TEXT NOT NULL, groups_state TEXT NOT NULL, scim TEXT,
    created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, seen_at BIGINT, deactivated_at BIGINT,
    deactivated_by TEXT, UNIQUE (issuer, subject));

CREATE TABLE person_group (
    person_id TEXT NOT NULL, group_name TEXT NOT NULL, source TEXT NOT NULL,
    PRIMARY KEY (person_id, group_name, source));

CREATE TABLE directory_group (
    id TEXT PRIMARY KEY, provider TEXT NOT NULL, name TEXT NOT NULL, external_id TEXT, created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL);

CREATE TABLE directory_member (
    group_id TEXT NOT NULL, person_id TEXT NOT NULL, PRIMARY KEY (group_id, person_id));

CREATE TABLE role_grant (
    id TEXT PRIMARY KEY, person_id TEXT NOT NULL, role TEXT NOT NULL, reach TEXT NOT NULL, granted_by TEXT NOT NULL,
    reason TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT, withdrawn_at BIGINT);

CREATE TABLE role_mapping (
    digest TEXT PRIMARY KEY, mapping TEXT NOT NULL, made_at BIGINT NOT NULL);

CREATE TABLE session (
    id TEXT PRIMARY KEY, hash {bytes} NOT NULL UNIQUE, person_id TEXT NOT NULL, kind TEXT NOT NULL, provider TEXT,
    sid TEXT, roles TEXT, csrf TEXT NOT NULL, id_token {bytes}, authenticated_at BIGINT NOT NULL, acr TEXT, amr TEXT,
    created_at BIGINT NOT NULL, used_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, ended_at BIGINT, ended_why TEXT);

CREATE TABLE sign_in (
    state_hash {bytes} NOT NULL PRIMARY KEY, provider TEXT NOT NULL, binding_hash {bytes} NOT NULL,
    sealed {bytes} NOT NULL, purpose TEXT NOT NULL, credential TEXT, return_to TEXT NOT NULL,
    created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT);

CREATE TABLE elevation (
    credential_id TEXT PRIMARY KEY, person_id TEXT NOT NULL, authenticated_at BIGINT NOT NULL, acr TEXT);

CREATE TABLE device_sign_in (
    id TEXT PRIMARY KEY, code_hash {bytes} NOT NULL UNIQUE, user_code_hash {bytes} NOT NULL UNIQUE,
    client TEXT NOT NULL, source TEXT NOT NULL, person_id TEXT,
    answer TEXT, answered_at BIGINT, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT);

CREATE TABLE seen_once (
    issuer TEXT NOT NULL, hash {bytes} NOT NULL, expires_at BIGINT NOT NULL, PRIMARY KEY (issuer, hash));

CREATE TABLE workload_block (
    id TEXT PRIMARY KEY, issuer TEXT NOT NULL, subject TEXT, token_id TEXT, not_before BIGINT NOT NULL,
    reason TEXT NOT NULL, created_by TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT);

CREATE TABLE upstream_credential (
    id TEXT PRIMARY KEY, owner_kind TEXT NOT NULL, owner TEXT NOT NULL, hub_user TEXT NOT NULL,
    sealed {bytes} NOT NULL, created_at BIGINT NOT NULL, created_by TEXT NOT NULL, last_used_at BIGINT,
    ended_at BIGINT);

CREATE TABLE terms (
    id TEXT PRIMARY KEY, repository_id TEXT NOT NULL, environment TEXT NOT NULL, text_sha256 TEXT NOT NULL,
    accepted_by TEXT NOT NULL, accepted_at BIGINT NOT NULL, reason TEXT NOT NULL, withdrawn_at BIGINT);

CREATE TABLE host_code (
    hash {bytes} NOT NULL PRIMARY KEY, purpose TEXT NOT NULL, reason TEXT NOT NULL, created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL, used_at BIGINT, session_id TEXT);

CREATE UNIQUE INDEX person_by_user_name ON person (provider, lower(user_name)) WHERE scim IS NOT NULL;
CREATE INDEX token_by_person ON token (person_id);
CREATE INDEX token_by_family ON token (family);
CREATE INDEX session_by_person ON session (person_id);
CREATE INDEX session_by_sid ON session (sid);
CREATE INDEX person_by_external ON person (external_id);
CREATE INDEX role_grant_by_person ON role_grant (person_id);
CREATE INDEX directory_member_by_person ON directory_member (person_id);
CREATE INDEX workload_block_by_issuer ON workload_block (issuer);
CREATE INDEX upstream_credential_by_owner ON upstream_credential (owner_kind, owner);
CREATE INDEX terms_by_repository ON terms (repository_id);
";
