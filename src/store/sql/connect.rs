//! How connections to SQLite and PostgreSQL are made.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use futures_util::FutureExt;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{ConnectOptions as _, Connection as _};
use sea_orm::{ConnectOptions, DatabaseConnection, SqlxError};

use crate::domain::secret::SecretString;
use crate::domain::{Error, Result};
use crate::store::sql::error::failure;

/// How long a statement on PostgreSQL may take, so that a client learns of an outage within a
/// second.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_millis(900);
/// How long a start waits for PostgreSQL.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a SQLite writer waits for another one.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for this long is tested before use, so that a restart of the server
/// fails no request.
const IDLE_BEFORE_TEST: Duration = Duration::from_secs(1);
/// Readers of one file compete for the same cores, so more of them gain little.
const SQLITE_READERS: u32 = 4;
/// A file has one writer at a time. With one connection the writers of this process queue in order.
/// SQLite itself would let them sleep, and the first one to wake at the right moment would win.
const SQLITE_WRITERS: u32 = 1;
/// Length of the write-ahead log before a checkpoint, in pages of 4 KiB. Rows that change often, as
/// sessions do, reach the file once a checkpoint. Reading 16 MiB again delays no start.
const CHECKPOINT_PAGES: &str = "4096";
/// Connections of one node. More of them only queue in PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 16;

/// Opens the connections that read a file, and the one that writes to it. A missing file is
/// created, with its folder.
pub(crate) async fn open_file(file: &Path) -> Result<(DatabaseConnection, DatabaseConnection)> {
    create_private_file(file).map_err(|error| {
        Error::unavailable(format!(
            "the database file {} cannot be created: {error}",
            file.display()
        ))
    })?;
    // The writer first: it creates the files that readers need.
    let mut writing = sqlite(file, SQLITE_WRITERS, |sqlite| {
        sqlite.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
    });
    writing.map_sqlx_sqlite_pool_opts(|pool| {
        pool.after_release(|connection, _| async { is_outside_transaction(connection).await }.boxed())
    });
    let writer = connect(writing).await?;
    let readers = connect(sqlite(file, SQLITE_READERS, |sqlite| sqlite.pragma("query_only", "ON"))).await?;
    Ok((readers, writer))
}

/// Whether a connection is outside of a transaction. The driver loses track when SQLite rolls a
/// transaction back by itself, as it does when the disk is full. Later writes over such a
/// connection would succeed and never be committed.
async fn is_outside_transaction(connection: &mut SqliteConnection) -> std::result::Result<bool, SqlxError> {
    // A dropped transaction is rolled back before the ping returns.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Connects to PostgreSQL.
pub(crate) async fn reach(server: &SecretString) -> Result<DatabaseConnection> {
    match connect(postgres(server.expose())).await {
        Ok(pool) => Ok(pool),
        Err(_) => reach_with_timeout(server).await,
    }
}

/// Connects once without the pool, because an error of the pool would only name its timeout; then
/// with it.
pub(crate) async fn reach_with_timeout(server: &SecretString) -> Result<DatabaseConnection> {
    let options = PgConnectOptions::from_str(server.expose()).map_err(Error::unavailable)?;
    let attempt = tokio::time::timeout(START_TIMEOUT, options.connect()).await;
    let connection = attempt.map_err(Error::unavailable)?.map_err(Error::unavailable)?;
    connection.close().await.map_err(Error::unavailable)?;
    connect(postgres(server.expose())).await
}

async fn connect(options: ConnectOptions) -> Result<DatabaseConnection> {
    sea_orm::Database::connect(options).await.map_err(failure)
}

fn sqlite(file: &Path, connections: u32, more: fn(SqliteConnectOptions) -> SqliteConnectOptions) -> ConnectOptions {
    let file = file.to_owned();
    let mut options = base("sqlite://", connections, BUSY_TIMEOUT);
    options.map_sqlx_sqlite_opts(move |sqlite| more(pragmas(sqlite.filename(&file))));
    options
}

/// WAL lets readers work beside the writer. FULL makes a commit survive a power cut.
pub(crate) fn pragmas(sqlite: SqliteConnectOptions) -> SqliteConnectOptions {
    sqlite
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_mode", "WAL")
        .pragma("synchronous", "FULL")
}

/// The file holds e-mail addresses and password hashes, so only its owner may read it. SQLite gives
/// its other files the same mode.
fn create_private_file(file: &Path) -> std::io::Result<()> {
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
    let mut options = base(url, POSTGRES_CONNECTIONS, STATEMENT_TIMEOUT);
    options.set_application_name("auth-gateway");
    options
}

fn base(url: &str, connections: u32, timeout: Duration) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(timeout)
        .test_before_acquire_if_idle_for(IDLE_BEFORE_TEST)
        .sqlx_logging(false);
    options
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
    use tempfile::TempDir;

    use super::*;

    async fn texts(folder: &TempDir) -> (DatabaseConnection, DatabaseConnection) {
        let (readers, writer) = open_file(&folder.path().join("test.db")).await.unwrap();
        writer.execute_unprepared("CREATE TABLE texts (text)").await.unwrap();
        (readers, writer)
    }

    async fn read(readers: &DatabaseConnection, question: &str) -> Vec<String> {
        let question = Statement::from_string(DbBackend::Sqlite, question);
        let rows = readers.query_all_raw(question).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    #[tokio::test]
    async fn writes_after_a_transaction_that_sqlite_rolled_back_are_committed() {
        let folder = TempDir::new().unwrap();
        let (readers, writer) = texts(&folder).await;
        // Behaves like a full disk.
        writer.execute_unprepared("PRAGMA max_page_count = 4").await.unwrap();
        let transaction = writer.begin().await.unwrap();
        let mut outcome = Ok(());
        while outcome.is_ok() {
            let insert = transaction.execute_unprepared("INSERT INTO texts VALUES (zeroblob(4000))");
            outcome = insert.await.map(drop);
        }
        assert!(outcome.unwrap_err().to_string().contains("full"));
        drop(transaction);
        writer.execute_unprepared("PRAGMA max_page_count = 100").await.unwrap();
        drop(writer.begin().await.unwrap());
        writer
            .execute_unprepared("INSERT INTO texts VALUES ('later')")
            .await
            .unwrap();
        assert_eq!(read(&readers, "SELECT text FROM texts").await, ["later"]);
    }

    #[tokio::test]
    async fn a_reader_cannot_write() {
        let folder = TempDir::new().unwrap();
        let (readers, writer) = texts(&folder).await;
        let refused = readers.execute_unprepared("INSERT INTO texts VALUES ('x')").await;
        assert!(refused.unwrap_err().to_string().contains("readonly"));
        writer
            .execute_unprepared("INSERT INTO texts VALUES ('y')")
            .await
            .unwrap();
        assert_eq!(read(&readers, "SELECT text FROM texts").await, ["y"]);
    }

    /// See `.cargo/config.toml`.
    #[tokio::test]
    async fn sqlite_has_the_compile_options_of_the_project() {
        let folder = TempDir::new().unwrap();
        let (readers, _) = texts(&folder).await;
        let options = read(&readers, "PRAGMA compile_options").await;
        assert!(
            options.iter().any(|option| option == "DEFAULT_MEMSTATUS=0"),
            "{options:?}"
        );
        assert!(
            !options
                .iter()
                .any(|option| option.starts_with("ENABLE_MEMORY_MANAGEMENT")),
            "{options:?}"
        );
    }
}
