//! The database: SQLite in one file or PostgreSQL for many replicas, through one code base.
//!
//! Two ways in: `Reader`, which cannot write, and the write connection that only `ledger` may take, because a change
//! without a ledger entry must not exist. Beside them `Chores` writes the few operational tables (leases, last use)
//! that are bookkeeping and no change of what anybody may do. Never interprets a row.

pub mod chores;
pub mod streamed;
pub mod tables;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
pub(crate) mod testing;

use std::{path::Path, time::Duration};

use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    ExecResult, QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    prelude::async_trait::async_trait,
    sqlx::{
        Connection as _,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};
use sea_orm_migration::MigratorTrait;
use weighbridge_migrations::Migrator;

use crate::domain::refusal::Fault;

/// The open database.
#[derive(Clone)]
pub struct Store {
    write: DatabaseConnection,
    reader: Reader,
}

impl Store {
    /// Opens and, unless `migrate` is false, brings the schema up to date under a lock that only one replica holds.
    pub async fn open(url: &str, migrate: bool) -> Result<Self, Fault> {
        let sqlite = url.starts_with("sqlite:");
        if !sqlite && !url.starts_with("postgres:") && !url.starts_with("postgresql:") {
            return Err(Fault::new("opening the database: the address must begin with sqlite:// or postgres://"));
        }
        if let (true, Some(folder)) = (sqlite, sqlite_file(url).and_then(Path::parent)) {
            private_folder(folder)?;
            private_file(sqlite_file(url).unwrap_or(folder))?;
        }
        let write = connect(url, Use::Write).await?;
        if migrate {
            migrate_locked(url, &write).await?;
        }
        let pending = Migrator::get_pending_migrations(&write).await.map_err(fault("reading the schema's version"))?;
        if !pending.is_empty() {
            return Err(Fault::new("the database's schema is older than this program: run `weighbridge migrate`"));
        }
        let reader = Reader(connect(url, Use::Read).await?);
        Ok(Self { write, reader })
    }

    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    pub fn chores(&self) -> chores::Chores {
        chores::Chores::new(self.write.clone(), self.reader.clone())
    }

    pub fn is_sqlite(&self) -> bool {
        self.write.get_database_backend() == DbBackend::Sqlite
    }

    /// Begins a write. On SQLite there is one write connection, whose queue is fair; so nothing but SQL may be awaited
    /// while the transaction lives.
    ///
    /// Only `ledger` calls this: `tests/house.rs` holds everybody else away from it.
    #[allow(clippy::disallowed_methods, reason = "the one place where a transaction begins")]
    pub(crate) async fn begin_write(&self) -> Result<DatabaseTransaction, Fault> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.write.begin_with_options(options).await.map_err(fault("beginning a transaction")).map_err(Fault::passing)
    }

    pub async fn close(self) {
        let _ = self.reader.0.close().await;
        let _ = self.write.close().await;
    }
}

/// A connection that can only read: a pool of its own, opened read-only where the database knows that.
#[derive(Clone)]
pub struct Reader(DatabaseConnection);

#[async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, _: Statement) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom("a reader does not write".to_owned()))
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom("a reader does not write".to_owned()))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.0.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.0.query_all_raw(statement).await
    }
}

/// Anything that rows can be read through: a reader, or a change under way.
pub trait Rows: ConnectionTrait {}

impl<T: ConnectionTrait> Rows for T {}

/// Turns a database error into a fault that says what we were doing. All of them may pass: the answer is "try again".
pub fn fault(doing: &'static str) -> impl Fn(DbErr) -> Fault {
    move |error| Fault::because(doing, error).passing()
}

#[derive(Clone, Copy, PartialEq)]
enum Use {
    Write,
    Read,
}

#[allow(clippy::disallowed_methods, reason = "the one place that connects")]
async fn connect(url: &str, purpose: Use) -> Result<DatabaseConnection, Fault> {
    let sqlite = url.starts_with("sqlite:");
    let mut options = ConnectOptions::new(url);
    let connections = match (sqlite, purpose) {
        (true, Use::Write) => 1,
        (true, Use::Read) => 4,
        (false, _) => 8,
    };
    options.max_connections(connections).min_connections(1).sqlx_logging(false);
    options
        .acquire_timeout(Duration::from_secs(5))
        .connect_timeout(Duration::from_secs(5))
        .test_before_acquire(!sqlite);
    options.map_sqlx_sqlite_opts(move |o| {
        let o = o.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full).foreign_keys(true);
        // Erasing a person must erase the bytes, not only the row.
        let o = o.busy_timeout(Duration::from_secs(5)).pragma("secure_delete", "ON").pragma("cache_size", "-32768");
        if purpose == Use::Read { o.read_only(true) } else { o.create_if_missing(true) }
    });
    // After a full disk SQLite itself ends the transaction. sqlx then counts one that is not there, and what looks like
    // begin and commit afterwards are savepoints that nothing makes durable. Such a connection is replaced.
    options.map_sqlx_sqlite_before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }));
    if purpose == Use::Write {
        // A frozen replica that holds the ledger's head must not stop all the others.
        options.map_sqlx_postgres_opts(|o| o.options([("idle_in_transaction_session_timeout", "10000")]));
    }
    if purpose == Use::Read {
        options.map_sqlx_postgres_opts(|o| o.options([("default_transaction_read_only", "on")]));
    }
    let doing = if sqlite { "opening the SQLite database" } else { "connecting to PostgreSQL" };
    Database::connect(options).await.map_err(fault(doing))
}

/// Several replicas start at once: on PostgreSQL one takes an advisory lock and migrates, the others wait for it.
#[allow(clippy::disallowed_methods, reason = "the lock needs a transaction of its own, outside the ledger")]
async fn migrate_locked(url: &str, write: &DatabaseConnection) -> Result<(), Fault> {
    let failed = fault("bringing the schema up to date");
    if url.starts_with("sqlite:") {
        return Migrator::up(write, None).await.map_err(failed);
    }
    let lock =
        write.begin_with_config(None, Some(AccessMode::ReadWrite)).await.map_err(fault("taking the migration lock"))?;
    lock.execute_unprepared("SELECT pg_advisory_xact_lock(7310231)")
        .await
        .map_err(fault("taking the migration lock"))?;
    Migrator::up(write, None).await.map_err(failed)?;
    lock.commit().await.map_err(fault("releasing the migration lock"))
}

/// The file behind a `sqlite://` address.
pub fn sqlite_file(url: &str) -> Option<&Path> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    let path = path.split('?').next().unwrap_or(path);
    (!path.is_empty() && path != ":memory:").then(|| Path::new(path))
}

/// Made before SQLite makes it, because it would let everybody read; its journals take over these rights.
fn private_file(file: &Path) -> Result<(), Fault> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(file);
    made.map(drop).map_err(|e| Fault::because(format!("making the database {}", file.display()), e))
}

#[allow(clippy::disallowed_methods, reason = "the database's own folder")]
fn private_folder(folder: &Path) -> Result<(), Fault> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let doing = || format!("making the data folder {}", folder.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| Fault::because(doing(), e))
}
