//! Writes that are bookkeeping and no change: leases and progress of jobs, when something was last used or looked at, which
//! replica works on what, which bytes are still to be removed, which files were sent before they were verified, which
//! sign-ins were begun, keyed references.
//!
//! One statement each, and only on the tables named here; everything else is a change and needs the ledger. Questions go
//! to the reading connections: on SQLite there is one that writes, and whoever only looks must not queue for it.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait::async_trait,
};

use super::Reader;

/// The tables whose rows nobody's rights depend on.
const TABLES: [&str; 10] = [
    "sign_in",
    "job",
    "token_use",
    "subject",
    "replica",
    "revision_use",
    "hub_look",
    "blob_use",
    "blob_leaving",
    "streamed",
];

/// A connection for single statements on the operational tables.
#[derive(Clone)]
pub struct Chores {
    write: DatabaseConnection,
    read: Reader,
}

impl Chores {
    pub(super) fn new(write: DatabaseConnection, read: Reader) -> Self {
        Self { write, read }
    }
}

#[async_trait]
impl ConnectionTrait for Chores {
    fn get_database_backend(&self) -> DbBackend {
        self.write.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        allowed(&statement.sql)?;
        self.write.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom("chores are prepared statements".to_owned()))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        allowed(&statement.sql)?;
        if is_question(&statement.sql) {
            return self.read.query_one_raw(statement).await;
        }
        self.write.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        allowed(&statement.sql)?;
        if is_question(&statement.sql) {
            return self.read.query_all_raw(statement).await;
        }
        self.write.query_all_raw(statement).await
    }
}

fn is_question(sql: &str) -> bool {
    sql.starts_with("SELECT ")
}

fn allowed(sql: &str) -> Result<(), DbErr> {
    let rest = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "].iter().find_map(|verb| sql.strip_prefix(verb));
    let table = rest.and_then(|r| r.trim_start().strip_prefix('"')).and_then(|r| r.split('"').next());
    if !sql.contains(';') && rest.is_some() && (is_question(sql) || table.is_some_and(|t| TABLES.contains(&t))) {
        Ok(())
    } else {
        Err(DbErr::Custom(
            "a chore may only touch operational tables; everything else goes through the ledger".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn only_operational_tables_and_one_statement() {
        assert!(allowed(r#"UPDATE "job" SET "state" = ?"#).is_ok());
        assert!(allowed(r#"SELECT 1 FROM "token""#).is_ok());
        for bad in [
            r#"UPDATE "token" SET "revoked_at" = NULL"#,
            r#"DELETE FROM "standing""#,
            r#"UPDATE "job" SET "state" = 1; DELETE FROM "token""#,
            "COMMIT",
            r#"WITH x AS (DELETE FROM "token") SELECT 1"#,
            r#"DROP TABLE "job""#,
        ] {
            assert!(allowed(bad).is_err(), "{bad}");
        }
    }
}
