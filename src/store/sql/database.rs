//! The database: where to read and to write, and how long to wait.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};

use crate::config::DatabaseUrl;
use crate::domain::secret::SecretString;
use crate::domain::{Error, Result};
use crate::store::sql::connect;
use crate::store::sql::error::failure;

/// After this many unanswered pings in a row the pool counts as silent.
const SILENT_AFTER: u32 = 3;
/// How long [`Database::wait_idle`] waits at most.
const IDLE_TIMEOUT: Duration = Duration::from_millis(10);
/// The advisory lock that serialises migrations. Any constant does.
const MIGRATION_LOCK: i64 = 0x6175_7468_2d67_7764;
/// The advisory lock that serialises changes of the signing keys.
const KEY_LOCK: i64 = MIGRATION_LOCK + 16;

/// Maintenance that one node does at a time. Each kind has its own lock, because a node starts all
/// of them in the same second.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sweep {
    Sessions,
    Audit,
    OneTimeTokens,
    Outbox,
}

/// The database that holds accounts, sessions, signing keys and audit events.
#[derive(Debug, Clone)]
pub struct Database {
    pool: Arc<RwLock<DatabaseConnection>>,
    kind: Arc<Kind>,
    failures: Arc<AtomicU32>,
}

#[derive(Debug)]
enum Kind {
    /// SQLite, with the one connection that writes.
    Sqlite(DatabaseConnection),
    /// PostgreSQL, with its URL.
    Postgres(SecretString),
}

impl Database {
    /// Connects. A missing SQLite file is created, with its folder.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer or the file cannot be opened.
    pub async fn connect(url: &DatabaseUrl) -> Result<Self> {
        let (pool, kind) = match url {
            DatabaseUrl::Sqlite(file) => {
                let (readers, writer) = connect::open_file(file).await?;
                (readers, Kind::Sqlite(writer))
            }
            DatabaseUrl::Postgres(server) => (connect::reach(server).await?, Kind::Postgres(server.clone())),
        };
        Ok(Self {
            pool: Arc::new(RwLock::new(pool)),
            kind: Arc::new(kind),
            failures: Arc::default(),
        })
    }

    /// Whether the database answers, on the connection that writes.
    pub async fn ping(&self) -> Result<()> {
        self.run(self.writer().ping()).await
    }

    /// Pings the database, about once a second. If pings fail although the server accepts new
    /// connections, the pool's own connections have gone silent: the server vanished, or a router
    /// forgot them. Nothing ever closes those, so they are replaced.
    pub(crate) async fn check_connections(&self) -> Result<()> {
        let answer = self.ping().await;
        if answer.is_ok() {
            self.failures.store(0, Ordering::Relaxed);
        } else if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= SILENT_AFTER {
            self.renew_pool().await?;
        }
        answer
    }

    async fn renew_pool(&self) -> Result<()> {
        let Kind::Postgres(server) = &*self.kind else {
            return Ok(());
        };
        let renewed = connect::reach_with_timeout(server).await?;
        let silent = std::mem::replace(&mut *self.pool.write().unwrap_or_else(PoisonError::into_inner), renewed);
        self.failures.store(0, Ordering::Relaxed);
        tracing::warn!("the connections to the database had gone silent, and were given up for new ones");
        // Closing waits for connections in use, which may take forever.
        tokio::spawn(tokio::time::timeout(connect::START_TIMEOUT, silent.close()));
        Ok(())
    }

    /// Waits a moment until a connection that was just used is back in the pool. A query before
    /// that would open another PostgreSQL connection, which takes longer than all other work of a
    /// start.
    pub async fn wait_idle(&self) {
        if !self.is_postgres() {
            return;
        }
        let pool = self.connection();
        let until = Instant::now() + IDLE_TIMEOUT;
        // No sleep: the shortest one takes longer than the connection needs.
        while pool.get_postgres_connection_pool().num_idle() == 0 && Instant::now() < until {
            tokio::task::yield_now().await;
        }
    }

    /// Where to read. On SQLite these connections cannot write.
    pub(crate) fn connection(&self) -> DatabaseConnection {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where to write. On SQLite writers wait in order of arrival.
    pub(crate) fn writer(&self) -> DatabaseConnection {
        match &*self.kind {
            Kind::Sqlite(writer) => writer.clone(),
            Kind::Postgres(_) => self.connection(),
        }
    }

    /// How long a statement may take.
    pub(crate) fn statement_timeout(&self) -> Duration {
        match &*self.kind {
            Kind::Sqlite(_) => connect::BUSY_TIMEOUT,
            Kind::Postgres(_) => connect::STATEMENT_TIMEOUT,
        }
    }

    /// Runs a statement within the timeout: a server that hangs counts as down.
    pub(crate) fn run<T, F>(&self, statement: F) -> impl Future<Output = Result<T>> + use<T, F>
    where
        F: Future<Output = std::result::Result<T, DbErr>>,
    {
        self.run_or(failure, statement)
    }

    /// Runs a statement within the timeout, with `meaning` for its failure.
    pub(crate) fn run_or<T, F>(
        &self,
        meaning: fn(DbErr) -> Error,
        statement: F,
    ) -> impl Future<Output = Result<T>> + use<T, F>
    where
        F: Future<Output = std::result::Result<T, DbErr>>,
    {
        // Boxed before it becomes part of another future, because the library's futures are large.
        let (statement, timeout) = (Box::pin(statement), self.statement_timeout());
        async move {
            match tokio::time::timeout(timeout, statement).await {
                Ok(result) => result.map_err(meaning),
                Err(elapsed) => Err(Error::unavailable(elapsed)),
            }
        }
    }

    /// Begins a transaction that may write. On SQLite it takes the write lock at once: a deferred
    /// transaction that reads first fails as soon as another one has written, whatever the busy
    /// timeout.
    ///
    /// It begins on a task of its own, so that neither the timeout nor a cancelled request stops it
    /// half way: the driver would lose track of the transaction, and later writes over that
    /// connection would never be committed.
    pub(crate) async fn begin_write(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let connection = self.writer();
        let begun = tokio::spawn(async move { connection.begin_with_options(options).await });
        self.run(async {
            let begun = begun.await;
            begun.unwrap_or_else(|failure| Err(DbErr::Custom(failure.to_string())))
        })
        .await
    }

    /// Begins a write transaction that one node holds at a time, for migrations.
    pub(crate) async fn lock_migrations(&self) -> Result<DatabaseTransaction> {
        let transaction = self.begin_write().await?;
        if self.is_postgres() {
            // Without the statement timeout: another node's migrations may take a while.
            transaction
                .execute_raw(lock("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK))
                .await
                .map_err(failure)?;
        }
        Ok(transaction)
    }

    /// Begins a write transaction that one node holds at a time, for changes of the signing keys.
    pub(crate) async fn lock_signing_keys(&self) -> Result<DatabaseTransaction> {
        let transaction = self.begin_write().await?;
        if self.is_postgres() {
            let locked = transaction.execute_raw(lock("SELECT pg_advisory_xact_lock($1)", KEY_LOCK));
            self.run(locked).await?;
        }
        Ok(transaction)
    }

    /// Begins a write transaction for maintenance; `None` if another node does it at the moment.
    pub(crate) async fn try_lock_sweep(&self, sweep: Sweep) -> Result<Option<DatabaseTransaction>> {
        let transaction = self.begin_write().await?;
        if !self.is_postgres() {
            return Ok(Some(transaction));
        }
        let name = match sweep {
            Sweep::Sessions => MIGRATION_LOCK + 1,
            Sweep::Audit => MIGRATION_LOCK + 2,
            Sweep::OneTimeTokens => MIGRATION_LOCK + 3,
            Sweep::Outbox => MIGRATION_LOCK + 4,
        };
        let locked = transaction.query_one_raw(lock("SELECT pg_try_advisory_xact_lock($1)", name));
        let locked = self.run(locked).await?;
        let is_ours = locked.is_some_and(|row| row.try_get_by_index(0).unwrap_or(false));
        Ok(is_ours.then_some(transaction))
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(*self.kind, Kind::Postgres(_))
    }
}

fn lock(statement: &str, name: i64) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, statement, [name.into()])
}
