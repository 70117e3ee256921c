//! How connections to SQLite and PostgreSQL are made.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{ConnectOptions as _, Connection as _};
use sea_orm::{ConnectOptions, DatabaseConnection};

use super::database::failure;
use crate::domain::secret::SecretString;
use crate::domain::{Error, Result};

/// How long a request waits for PostgreSQL: a client learns of an outage within a second.
pub(super) const PATIENCE: Duration = Duration::from_millis(900);
/// How long a start waits for PostgreSQL.
pub(super) const START_PATIENCE: Duration = Duration::from_secs(5);
/// How long a SQLite writer waits for another.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for this long is tried before it is used: a server that restarted costs no request.
const IDLE_BEFORE_TEST: Duration = Duration::from_secs(1);
/// More of them than cores gain nothing.
const SQLITE_READERS: u32 = 4;
/// A file has one writer at a time. Those of this process come in their order; SQLite itself would have all but one of them sleep, and
/// let whoever wakes at the right moment go first.
const SQLITE_WRITERS: u32 = 1;
/// More gain nothing.
pub(super) const POSTGRES_CONNECTIONS: u32 = 16;

/// Connections that read a file, and the one that writes to it. A missing file is made, with its folder.
pub(super) async fn open_file(file: &Path) -> Result<(DatabaseConnection, DatabaseConnection)> {
    make_private_file(file)
        .map_err(|error| Error::unavailable(format!("the database file {} cannot be made: {error}", file.display())))?;
    // The writer first: it makes what readers need to be there.
    let writer = connect(sqlite(file, SQLITE_WRITERS, "OFF")).await?;
    let readers = connect(sqlite(file, SQLITE_READERS, "ON")).await?;
    Ok((readers, writer))
}

/// Connections to a server.
pub(super) async fn reach(server: &SecretString) -> Result<DatabaseConnection> {
    match connect(postgres(server.expose())).await {
        Ok(pool) => Ok(pool),
        Err(_) => reach_patiently(server).await,
    }
}

/// Connects once without the pool, which would only say that it waited in vain; then with it.
pub(super) async fn reach_patiently(server: &SecretString) -> Result<DatabaseConnection> {
    let options = PgConnectOptions::from_str(server.expose()).map_err(Error::unavailable)?;
    let attempt = tokio::time::timeout(START_PATIENCE, options.connect()).await;
    let connection = attempt.map_err(Error::unavailable)?.map_err(Error::unavailable)?;
    connection.close().await.map_err(Error::unavailable)?;
    connect(postgres(server.expose())).await
}

async fn connect(options: ConnectOptions) -> Result<DatabaseConnection> {
    sea_orm::Database::connect(options).await.map_err(failure)
}

fn sqlite(file: &Path, connections: u32, query_only: &'static str) -> ConnectOptions {
    let file = file.to_owned();
    let mut options = base("sqlite://", connections, BUSY_TIMEOUT);
    options.map_sqlx_sqlite_opts(move |sqlite| pragmas(sqlite.filename(&file)).pragma("query_only", query_only));
    options
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
