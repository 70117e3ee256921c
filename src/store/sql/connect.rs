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
use crate::store::sql::database::failure;

/// How long a request waits for PostgreSQL: a client learns of an outage within a second.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_millis(900);
/// How long a start waits for PostgreSQL.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a SQLite writer waits for another.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for this long is tried before it is used: a server that restarted costs no request.
const IDLE_BEFORE_TEST: Duration = Duration::from_secs(1);
/// More of them than cores gain nothing.
const SQLITE_READERS: u32 = 4;
/// A file has one writer at a time. Those of this process come in their order; SQLite itself would have all but one of them sleep, and
/// let whoever wakes at the right moment go first.
const SQLITE_WRITERS: u32 = 1;
/// How long SQLite's log grows before what it holds is written into the file itself, in pages of 4 KiB. Rows that are changed again and
/// again, as sessions are, then go there once; and to read 16 MiB anew delays no start.
const LOG_PAGES: &str = "4096";
/// More gain nothing.
const POSTGRES_CONNECTIONS: u32 = 16;

/// Connections that read a file, and the one that writes to it. A missing file is made, with its folder.
pub(crate) async fn open_file(file: &Path) -> Result<(DatabaseConnection, DatabaseConnection)> {
    make_private_file(file)
        .map_err(|error| Error::unavailable(format!("the database file {} cannot be made: {error}", file.display())))?;
    // The writer first: it makes what readers need to be there.
    let mut writing = sqlite(file, SQLITE_WRITERS, |sqlite| {
        sqlite.pragma("wal_autocheckpoint", LOG_PAGES)
    });
    writing.map_sqlx_sqlite_pool_opts(|pool| {
        pool.after_release(|connection, _| async { has_come_to_an_end(connection).await }.boxed())
    });
    let writer = connect(writing).await?;
    let readers = connect(sqlite(file, SQLITE_READERS, |sqlite| sqlite.pragma("query_only", "ON"))).await?;
    Ok((readers, writer))
}

/// Whether a connection is in no transaction any more. The driver loses count where SQLite takes a transaction back by itself, as it does
/// when the disk is full; whatever is written over such a connection afterwards is answered, and never committed.
async fn has_come_to_an_end(connection: &mut SqliteConnection) -> std::result::Result<bool, SqlxError> {
    // A transaction that was dropped is rolled back before this is answered.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Connections to a server.
pub(crate) async fn reach(server: &SecretString) -> Result<DatabaseConnection> {
    match connect(postgres(server.expose())).await {
        Ok(pool) => Ok(pool),
        Err(_) => reach_with_timeout(server).await,
    }
}

/// Connects once without the pool, which would only say that it waited in vain; then with it.
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

/// WAL lets readers go on beside the writer; FULL makes a commit outlast a power cut.
pub(crate) fn pragmas(sqlite: SqliteConnectOptions) -> SqliteConnectOptions {
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
    async fn what_is_written_after_a_transaction_that_sqlite_took_back_is_there() {
        let folder = TempDir::new().unwrap();
        let (readers, writer) = texts(&folder).await;
        // As a disk that is full.
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
    async fn who_reads_cannot_write() {
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

    /// `.cargo/config.toml` says how.
    #[tokio::test]
    async fn sqlite_is_compiled_as_it_should_be() {
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
