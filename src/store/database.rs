//! The connection to SQLite or PostgreSQL, the schema, and what a failure of either means.

use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{ConnectOptions as _, Connection as _};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr,
    SqliteTransactionMode, SqlxError, Statement, TransactionOptions, TransactionTrait,
};

use super::witness::Witness;
use crate::config::DatabaseUrl;
use crate::domain::secret::SecretString;
use crate::domain::{Error, Result};

/// How long a request waits for PostgreSQL: a client learns of an outage within a second.
const PATIENCE: Duration = Duration::from_millis(900);
/// How long a start waits for PostgreSQL.
const START_PATIENCE: Duration = Duration::from_secs(5);
/// So many questions in a row that nobody answers make a pool suspicious.
const SILENT_AFTER: u32 = 3;
/// How long a SQLite writer waits for another.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for this long is tried before it is used: a server that restarted costs no request.
const IDLE_BEFORE_TEST: Duration = Duration::from_secs(1);
/// More readers than cores gain nothing on SQLite; more connections than this gain nothing on PostgreSQL.
const SQLITE_CONNECTIONS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long it is looked for a connection that comes back, and how often.
const REST: Duration = Duration::from_millis(1);
const RESTS: u32 = 10;
/// Names the lock under which nodes that start together take turns; any constant does.
const START_LOCK: i64 = 0x6175_7468_2d67_7764;
/// The same for the signing keys.
const KEY_LOCK: i64 = START_LOCK + 16;

/// Work that one node at a time does, each kind under a lock of its own: a node does all of them in the same second, and would else
/// keep itself out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sweep {
    /// Of sessions.
    Sessions,
    /// Of audit events.
    Audit,
}

/// The database that holds accounts, sessions and signing keys.
#[derive(Debug, Clone)]
pub struct Database {
    pool: Arc<RwLock<DatabaseConnection>>,
    patience: Duration,
    /// PostgreSQL's address; a file is always where it is.
    server: Option<Arc<SecretString>>,
    /// SQLite's file.
    file: Option<Arc<PathBuf>>,
    failures: Arc<AtomicU32>,
}

/// A step of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Its name.
    pub name: String,
    /// Whether it has been applied.
    pub is_applied: bool,
}

impl Database {
    /// Connects; a missing SQLite file is made, with its folder.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer or the file cannot be opened.
    pub async fn connect(url: &DatabaseUrl) -> Result<Self> {
        let (options, patience, server, file) = match url {
            DatabaseUrl::Sqlite(file) => (sqlite(file)?, BUSY_TIMEOUT, None, Some(Arc::new(file.clone()))),
            DatabaseUrl::Postgres(url) => (postgres(url.expose()), PATIENCE, Some(Arc::new(url.clone())), None),
        };
        let pool = match (sea_orm::Database::connect(options).await, &server) {
            (Ok(pool), _) => pool,
            (Err(_), Some(server)) => connect_patiently(server.expose()).await?,
            (Err(error), None) => return Err(failure(error)),
        };
        Ok(Self {
            pool: Arc::new(RwLock::new(pool)),
            patience,
            server,
            file,
            failures: Arc::default(),
        })
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<()> {
        self.answer(self.connection().ping()).await
    }

    /// Asks for a sign of life every second or so. Where none comes although the server takes new connections, the pool's own have
    /// gone silent: a server that vanished without a word, or a way to it that forgot them. Nothing ever closes those, so they are
    /// given up for new ones.
    pub(super) async fn look_after(&self) -> Result<()> {
        let answer = self.ping().await;
        if answer.is_ok() {
            self.failures.store(0, Ordering::Relaxed);
        } else if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= SILENT_AFTER {
            self.renew_pool().await?;
        }
        answer
    }

    async fn renew_pool(&self) -> Result<()> {
        let Some(server) = &self.server else { return Ok(()) };
        let renewed = connect_patiently(server.expose()).await?;
        let silent = std::mem::replace(&mut *self.pool.write().unwrap_or_else(PoisonError::into_inner), renewed);
        self.failures.store(0, Ordering::Relaxed);
        tracing::warn!("the connections to the database had gone silent, and were given up for new ones");
        // Waits for those that are in use, which may be for ever.
        tokio::spawn(tokio::time::timeout(START_PATIENCE, silent.close()));
        Ok(())
    }

    /// Every step of the schema, oldest first.
    pub async fn migrations(&self) -> Result<Vec<MigrationState>> {
        // Over one connection: it asks twice.
        let reading = self.connection().begin().await.map_err(failure)?;
        let pending = Migrator::get_pending_migrations_read_only(&reading)
            .await
            .map_err(failure)?;
        reading.commit().await.map_err(failure)?;
        let is_pending = |name: &str| pending.iter().any(|step| step.name() == name);
        let states = Migrator::get_migration_files()
            .iter()
            .map(|step| MigrationState {
                name: step.name().to_owned(),
                is_applied: !is_pending(step.name()),
            })
            .collect();
        Ok(states)
    }

    /// Applies every pending step. Nodes that start together take turns, and the later ones find nothing to do.
    pub async fn migrate_up(&self) -> Result<()> {
        let turn = self.take_turn().await?;
        Migrator::up(&turn, None).await.map_err(failure)?;
        turn.commit().await.map_err(failure)
    }

    /// Takes back the latest `steps` steps, all of them for `None`.
    pub async fn migrate_down(&self, steps: Option<u32>) -> Result<()> {
        let turn = self.take_turn().await?;
        Migrator::down(&turn, steps).await.map_err(failure)?;
        turn.commit().await.map_err(failure)
    }

    /// Waits a moment for a connection that has just been used: it comes back to the pool after its answer, by itself. Whoever asks PostgreSQL
    /// before that has another one made, and at a start that takes longer than everything that is asked.
    pub async fn rest(&self) {
        if !self.is_postgres() {
            return;
        }
        let pool = self.connection();
        for _ in 0..RESTS {
            if pool.get_postgres_connection_pool().num_idle() > 0 {
                return;
            }
            tokio::time::sleep(REST).await;
        }
    }

    pub(super) fn connection(&self) -> DatabaseConnection {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens a witness of this file; `None` if it is a server.
    ///
    /// # Errors
    /// `Unavailable` where the file, or what SQLite keeps beside it, cannot be opened.
    pub(super) async fn witness(&self) -> Result<Option<Witness>> {
        match &self.file {
            Some(file) => Witness::of(file).await.map(Some),
            None => Ok(None),
        }
    }

    /// How long a statement is waited for.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Waits for a statement, but not for ever: a server that hangs is down.
    pub(super) fn answer<T, F>(&self, statement: F) -> impl Future<Output = Result<T>> + use<T, F>
    where
        F: Future<Output = std::result::Result<T, DbErr>>,
    {
        self.answer_or(failure, statement)
    }

    /// The same, for a statement whose failure may mean something else.
    pub(super) fn answer_or<T, F>(
        &self,
        meaning: fn(DbErr) -> Error,
        statement: F,
    ) -> impl Future<Output = Result<T>> + use<T, F>
    where
        F: Future<Output = std::result::Result<T, DbErr>>,
    {
        // Boxed before it is part of another future: the library's are large, and whoever holds one is moved with it.
        let (statement, patience) = (Box::pin(statement), self.patience);
        async move {
            match tokio::time::timeout(patience, statement).await {
                Ok(answer) => answer.map_err(meaning),
                Err(elapsed) => Err(Error::unavailable(elapsed)),
            }
        }
    }

    /// A transaction that may write. On SQLite it takes the write lock at once: one that reads first and writes later fails as soon as
    /// another has written in between, whatever the busy timeout.
    ///
    /// It begins on a task of its own, which nothing stops half way, neither our patience nor a client that hangs up: the driver forgets a
    /// transaction whose beginning is not waited for, and what the pool's next user writes over that connection is never committed.
    pub(super) async fn begin_write(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let connection = self.connection();
        let begun = tokio::spawn(async move { connection.begin_with_options(options).await });
        self.answer(async {
            let begun = begun.await;
            begun.unwrap_or_else(|failure| Err(DbErr::Custom(failure.to_string())))
        })
        .await
    }

    /// A write transaction that only one node holds at a time, until it ends.
    pub(super) async fn take_turn(&self) -> Result<DatabaseTransaction> {
        let turn = self.begin_write().await?;
        if self.is_postgres() {
            // Without the usual patience: another node's migrations may take a while.
            turn.execute_raw(lock("SELECT pg_advisory_xact_lock($1)", START_LOCK))
                .await
                .map_err(failure)?;
        }
        Ok(turn)
    }

    /// The same for the signing keys, within the usual patience: requests wait for it.
    pub(super) async fn take_key_turn(&self) -> Result<DatabaseTransaction> {
        let turn = self.begin_write().await?;
        if self.is_postgres() {
            let locked = turn.execute_raw(lock("SELECT pg_advisory_xact_lock($1)", KEY_LOCK));
            self.answer(locked).await?;
        }
        Ok(turn)
    }

    /// The same for work that can wait: `None` if another node is at it.
    pub(super) async fn try_turn(&self, sweep: Sweep) -> Result<Option<DatabaseTransaction>> {
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

    fn is_postgres(&self) -> bool {
        self.connection().get_database_backend() == DbBackend::Postgres
    }
}

fn lock(statement: &str, name: i64) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, statement, [name.into()])
}

impl fmt::Display for MigrationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<8} {}",
            if self.is_applied { "applied" } else { "pending" },
            self.name
        )
    }
}

/// Connects once without the pool, which would only say that it waited in vain; then with it.
async fn connect_patiently(url: &str) -> Result<DatabaseConnection> {
    let options = PgConnectOptions::from_str(url).map_err(Error::unavailable)?;
    let attempt = tokio::time::timeout(START_PATIENCE, options.connect()).await;
    let connection = attempt.map_err(Error::unavailable)?.map_err(Error::unavailable)?;
    connection.close().await.map_err(Error::unavailable)?;
    sea_orm::Database::connect(postgres(url)).await.map_err(failure)
}

fn sqlite(file: &Path) -> Result<ConnectOptions> {
    make_private_file(file)
        .map_err(|error| Error::unavailable(format!("the database file {} cannot be made: {error}", file.display())))?;
    let file = file.to_owned();
    let mut options = base("sqlite://", SQLITE_CONNECTIONS, BUSY_TIMEOUT);
    options.map_sqlx_sqlite_opts(move |sqlite| pragmas(sqlite.filename(&file)));
    Ok(options)
}

/// WAL lets readers go on beside the writer; FULL makes a commit outlast a power cut.
pub(super) fn pragmas(sqlite: SqliteConnectOptions) -> SqliteConnectOptions {
    sqlite
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_mode", "WAL")
        .pragma("synchronous", "FULL")
}

/// E-mail addresses and password hashes are for the gateway's own eyes. SQLite gives its other files the same mode.
fn make_private_file(file: &Path) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file)
        .map(drop)
}

fn postgres(url: &str) -> ConnectOptions {
    let mut options = base(url, POSTGRES_CONNECTIONS, PATIENCE);
    options.set_application_name("auth-gateway");
    options
}

fn base(url: &str, connections: u32, patience: Duration) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(patience)
        .test_before_acquire_if_idle_for(IDLE_BEFORE_TEST)
        .sqlx_logging(false);
    options
}

/// What a database error means to the client: it is down and comes back, or the fault is ours.
pub(super) fn failure(error: DbErr) -> Error {
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
