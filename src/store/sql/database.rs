//! SQLite or PostgreSQL: where to read and to write, how long to wait, and what a failure of either means.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr, SqliteTransactionMode,
    SqlxError, Statement, TransactionOptions, TransactionTrait,
};

use crate::config::DatabaseUrl;
use crate::domain::secret::SecretString;
use crate::domain::{Error, Result};
use crate::store::sql::connect;
use crate::store::sql::witness::Witness;

/// So many questions in a row that nobody answers make a pool suspicious.
const SILENT_AFTER: u32 = 3;
/// How long it is looked for a connection that comes back.
const REST: Duration = Duration::from_millis(10);
/// Names the lock under which nodes that start together take turns; any constant does.
const START_LOCK: i64 = 0x6175_7468_2d67_7764;
/// The same for the signing keys.
const KEY_LOCK: i64 = START_LOCK + 16;

/// Work that one node at a time does, each kind under a lock of its own: a node does all of them in the same second, and would else
/// keep itself out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sweep {
    /// Of sessions.
    Sessions,
    /// Of audit events.
    Audit,
}

/// The database that holds accounts, sessions and signing keys.
#[derive(Debug, Clone)]
pub struct Database {
    pool: Arc<RwLock<DatabaseConnection>>,
    kind: Arc<Kind>,
    failures: Arc<AtomicU32>,
}

#[derive(Debug)]
enum Kind {
    /// SQLite's file, and the one way to write to it.
    File(PathBuf, DatabaseConnection),
    /// PostgreSQL's address.
    Server(SecretString),
}

impl Database {
    /// Connects; a missing SQLite file is made, with its folder.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer or the file cannot be opened.
    pub async fn connect(url: &DatabaseUrl) -> Result<Self> {
        let (pool, kind) = match url {
            DatabaseUrl::Sqlite(file) => {
                let (readers, writer) = connect::open_file(file).await?;
                (readers, Kind::File(file.clone(), writer))
            }
            DatabaseUrl::Postgres(server) => (connect::reach(server).await?, Kind::Server(server.clone())),
        };
        Ok(Self {
            pool: Arc::new(RwLock::new(pool)),
            kind: Arc::new(kind),
            failures: Arc::default(),
        })
    }

    /// Asks the database for a sign of life, where it is written to.
    pub async fn ping(&self) -> Result<()> {
        self.answer(self.writer().ping()).await
    }

    /// Asks for a sign of life every second or so. Where none comes although the server takes new connections, the pool's own have
    /// gone silent: a server that vanished without a word, or a way to it that forgot them. Nothing ever closes those, so they are
    /// given up for new ones.
    pub(crate) async fn look_after(&self) -> Result<()> {
        let answer = self.ping().await;
        if answer.is_ok() {
            self.failures.store(0, Ordering::Relaxed);
        } else if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= SILENT_AFTER {
            self.renew_pool().await?;
        }
        answer
    }

    async fn renew_pool(&self) -> Result<()> {
        let Kind::Server(server) = &*self.kind else {
            return Ok(());
        };
        let renewed = connect::reach_with_timeout(server).await?;
        let silent = std::mem::replace(&mut *self.pool.write().unwrap_or_else(PoisonError::into_inner), renewed);
        self.failures.store(0, Ordering::Relaxed);
        tracing::warn!("the connections to the database had gone silent, and were given up for new ones");
        // Waits for those that are in use, which may be for ever.
        tokio::spawn(tokio::time::timeout(connect::START_TIMEOUT, silent.close()));
        Ok(())
    }

    /// Waits a moment for a connection that has just been used: it comes back to the pool after its answer, by itself. Whoever asks PostgreSQL
    /// before that has another one made, and at a start that takes longer than everything that is asked.
    pub async fn rest(&self) {
        if !self.is_postgres() {
            return;
        }
        let pool = self.connection();
        let until = Instant::now() + REST;
        // Without sleep: the shortest one takes longer than a connection needs.
        while pool.get_postgres_connection_pool().num_idle() == 0 && Instant::now() < until {
            tokio::task::yield_now().await;
        }
    }

    /// Where to read. On SQLite nothing can be written over it.
    pub(crate) fn connection(&self) -> DatabaseConnection {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where to write, in the order of arrival.
    pub(crate) fn writer(&self) -> DatabaseConnection {
        match &*self.kind {
            Kind::File(_, writer) => writer.clone(),
            Kind::Server(_) => self.connection(),
        }
    }

    /// Opens a witness of this file; `None` if it is a server.
    ///
    /// # Errors
    /// `Unavailable` where the file, or what SQLite keeps beside it, cannot be opened.
    pub(crate) async fn witness(&self) -> Result<Option<Witness>> {
        match &*self.kind {
            Kind::File(file, _) => Witness::of(file).await.map(Some),
            Kind::Server(_) => Ok(None),
        }
    }

    /// How long a statement is waited for.
    pub(crate) fn statement_timeout(&self) -> Duration {
        match &*self.kind {
            Kind::File(..) => connect::BUSY_TIMEOUT,
            Kind::Server(_) => connect::STATEMENT_TIMEOUT,
        }
    }

    /// Waits for a statement, but not for ever: a server that hangs is down.
    pub(crate) fn answer<T, F>(&self, statement: F) -> impl Future<Output = Result<T>> + use<T, F>
    where
        F: Future<Output = std::result::Result<T, DbErr>>,
    {
        self.answer_or(failure, statement)
    }

    /// The same, for a statement whose failure may mean something else.
    pub(crate) fn answer_or<T, F>(
        &self,
        meaning: fn(DbErr) -> Error,
        statement: F,
    ) -> impl Future<Output = Result<T>> + use<T, F>
    where
        F: Future<Output = std::result::Result<T, DbErr>>,
    {
        // Boxed before it is part of another future: the library's are large, and whoever holds one is moved with it.
        let (statement, timeout) = (Box::pin(statement), self.statement_timeout());
        async move {
            match tokio::time::timeout(timeout, statement).await {
                Ok(answer) => answer.map_err(meaning),
                Err(elapsed) => Err(Error::unavailable(elapsed)),
            }
        }
    }

    /// A transaction that may write. On SQLite it takes the write lock at once: one that reads first and writes later fails as soon as
    /// another has written in between, whatever the busy timeout.
    ///
    /// It begins on a task of its own, which nothing stops half way, neither our timeout nor a client that hangs up: the driver forgets a
    /// transaction whose beginning is not waited for, and what the pool's next user writes over that connection is never committed.
    pub(crate) async fn begin_write(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let connection = self.writer();
        let begun = tokio::spawn(async move { connection.begin_with_options(options).await });
        self.answer(async {
            let begun = begun.await;
            begun.unwrap_or_else(|failure| Err(DbErr::Custom(failure.to_string())))
        })
        .await
    }

    /// A write transaction that only one node holds at a time, until it ends.
    pub(crate) async fn take_turn(&self) -> Result<DatabaseTransaction> {
        let turn = self.begin_write().await?;
        if self.is_postgres() {
            // Without the usual timeout: another node's migrations may take a while.
            turn.execute_raw(lock("SELECT pg_advisory_xact_lock($1)", START_LOCK))
                .await
                .map_err(failure)?;
        }
        Ok(turn)
    }

    /// The same for the signing keys, within the usual timeout: requests wait for it.
    pub(crate) async fn take_key_turn(&self) -> Result<DatabaseTransaction> {
        let turn = self.begin_write().await?;
        if self.is_postgres() {
            let locked = turn.execute_raw(lock("SELECT pg_advisory_xact_lock($1)", KEY_LOCK));
            self.answer(locked).await?;
        }
        Ok(turn)
    }

    /// The same for work that can wait: `None` if another node is at it.
    pub(crate) async fn try_turn(&self, sweep: Sweep) -> Result<Option<DatabaseTransaction>> {
        let turn = self.begin_write().await?;
        if !self.is_postgres() {
            return Ok(Some(turn));
        }
        let name = match sweep {
            Sweep::Sessions => START_LOCK + 1,
            Sweep::Audit => START_LOCK + 2,
        };
        let locked = turn.query_one_raw(lock("SELECT pg_try_advisory_xact_lock($1)", name));
        let locked = self.answer(locked).await?;
        let is_ours = locked.is_some_and(|row| row.try_get_by_index(0).unwrap_or(false));
        Ok(is_ours.then_some(turn))
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(*self.kind, Kind::Server(_))
    }
}

fn lock(statement: &str, name: i64) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, statement, [name.into()])
}

/// What a database error means to the client: it is down and comes back, or the fault is ours.
pub(crate) fn failure(error: DbErr) -> Error {
    if is_outage(&error) {
        Error::unavailable(error)
    } else {
        Error::internal(error)
    }
}

fn is_outage(error: &DbErr) -> bool {
    if let DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) = error {
        if let SqlxError::Database(cause) = cause.as_ref() {
            return cause.code().is_some_and(|code| is_outage_code(&code));
        }
        return matches!(
            cause.as_ref(),
            SqlxError::Io(_)
                | SqlxError::Tls(_)
                | SqlxError::Protocol(_)
                | SqlxError::PoolTimedOut
                | SqlxError::PoolClosed
                | SqlxError::WorkerCrashed
        );
    }
    matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_))
}

/// PostgreSQL: class 08 connection exception, 28 and 3D login or database refused, 53 insufficient resources, 55P locked, 57 stopped or
/// starting, 25006 a standby that cannot write, 40 a transaction that may be tried again. SQLite: 5 busy, 6 locked, 8 read-only, 10 I/O, 13 full, 14 cannot open, with extended codes.
fn is_outage_code(code: &str) -> bool {
    let is_postgres = code.len() == 5
        && (["08", "28", "3D", "40", "53", "55P", "57"]
            .iter()
            .any(|class| code.starts_with(class))
            || code == "25006");
    let is_sqlite = code.len() < 5
        && code
            .parse::<u32>()
            .is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14));
    is_postgres || is_sqlite
}
