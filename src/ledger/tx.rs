//! The transaction of a change: it becomes real only together with its events.
//!
//! Never lends out what it holds: no deref, no nested transactions, no text that could end it. A module below this one
//! would see its private fields, so there is none.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait::async_trait,
};

use super::{Inner, entry::Body, sql};
use crate::{
    domain::{event::Event, refusal::Fault},
    store::fault,
};

/// An open change. Dropped, it is rolled back.
#[must_use]
pub struct RawTx {
    inner: DatabaseTransaction,
    ledger: Arc<Inner>,
    /// A statement failed. PostgreSQL refuses everything after that; SQLite may have ended the transaction without a
    /// word, and then each further statement would be a change of its own, without an event.
    failed: AtomicBool,
    _watch: Watch,
}

impl RawTx {
    pub(super) async fn begin(ledger: Arc<Inner>) -> Result<Self, Fault> {
        let inner = ledger.store.begin_write().await?;
        let watch = Watch { since: Instant::now(), sqlite: ledger.store.is_sqlite() };
        Ok(Self { inner, ledger, failed: AtomicBool::new(false), _watch: watch })
    }

    /// Commits the change with its events, or nothing.
    ///
    /// After an error, or when the caller is cancelled here, the change may have been committed nevertheless: whoever
    /// tries again must do so with the same outcome.
    #[allow(clippy::disallowed_methods, reason = "the one commit of a change")]
    pub async fn commit(self, events: Vec<Event>) -> Result<(), Fault> {
        if events.is_empty() {
            return Err(Fault::new("committing a change: it has no event, and so it would be in no ledger"));
        }
        self.whole().map_err(fault("committing a change"))?;
        let replica = &self.ledger.settings.replica;
        let bodies = events.iter().map(|event| Body::new(event, replica)).collect::<Result<Vec<_>, _>>()?;
        sql::insert_pending(&self.inner, &bodies).await?;
        let moves = events.iter().any(|event| event.kind.moves_the_gate());
        // Told even after an error or a cancellation: it may have been committed, and a needless word does no harm.
        let _told = Told { ledger: self.ledger.clone(), moves };
        self.inner.commit().await.map_err(fault("committing a change"))
    }

    fn whole(&self) -> Result<(), DbErr> {
        if self.failed.load(Ordering::Acquire) {
            return Err(DbErr::Custom("a statement of this change failed before".to_owned()));
        }
        Ok(())
    }

    fn may_run(&self, statement: &Statement) -> Result<(), DbErr> {
        allowed(&statement.sql)?;
        self.whole()
    }

    fn heard<T>(&self, result: Result<T, DbErr>) -> Result<T, DbErr> {
        if result.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        result
    }
}

#[async_trait]
impl ConnectionTrait for RawTx {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.may_run(&statement)?;
        self.heard(self.inner.execute_raw(statement).await)
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom("a change is made of prepared statements".to_owned()))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.may_run(&statement)?;
        self.heard(self.inner.query_one_raw(statement).await)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.may_run(&statement)?;
        self.heard(self.inner.query_all_raw(statement).await)
    }
}

/// Plain text could end the transaction without its events (`COMMIT`, or two statements in one), or change the ledger
/// itself. Our statements are built, and none of theirs looks like that.
fn allowed(sql: &str) -> Result<(), DbErr> {
    let word = sql.split_ascii_whitespace().next().unwrap_or_default();
    let verb = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&word);
    if verb && !sql.contains(';') && !sql.to_ascii_lowercase().contains("ledger_") {
        Ok(())
    } else {
        Err(DbErr::Custom(
            "a change is one SELECT, INSERT, UPDATE, DELETE or WITH at a time, never on the ledger".to_owned(),
        ))
    }
}

/// Wakes the sequencer and tells the caches, when the commit is over.
struct Told {
    ledger: Arc<Inner>,
    moves: bool,
}

impl Drop for Told {
    fn drop(&mut self) {
        if self.moves {
            self.ledger.feed.bump();
        }
        self.ledger.wake.notify_one();
    }
}

/// Complains when a change kept SQLite's one write connection for long: meanwhile nobody's entry was written.
struct Watch {
    since: Instant,
    sqlite: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let held = self.since.elapsed();
        if self.sqlite && held.as_millis() > 50 {
            let fault = Fault::new(format!("making a change: it took {} ms and held everybody up", held.as_millis()));
            tracing::warn!(%fault, "a transaction lived too long");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn text_that_could_end_the_transaction_or_touch_the_ledger_is_refused() {
        for good in
            ["SELECT 1", "SELECT\n1", r#"INSERT INTO "token" VALUES (?)"#, "WITH x AS (SELECT 1) SELECT * FROM x"]
        {
            assert!(allowed(good).is_ok(), "{good}");
        }
        for bad in [
            "COMMIT",
            "END",
            "ROLLBACK",
            "SAVEPOINT a",
            "PRAGMA query_only = 1",
            "/* a */ COMMIT",
            "-- SELECT\nCOMMIT",
            " COMMIT",
            "select 1",
            r#"UPDATE "token" SET "name" = ''; COMMIT"#,
            r#"DELETE FROM "ledger_entry""#,
            "UPDATE Ledger_Head SET size = 0",
            "",
        ] {
            assert!(allowed(bad).is_err(), "{bad}");
        }
    }
}
