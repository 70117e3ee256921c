//! The database of a test, and direct access to it.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, QueryResult, Statement};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
    PostgresRedis,
}

/// The stores of one test. The database is removed when this is dropped.
pub struct Stores {
    pub folder: TempDir,
    pub database_url: String,
    pub redis_url: Option<String>,
    server: Option<(String, String)>,
    connection: OnceCell<DatabaseConnection>,
}

impl Stores {
    pub async fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redis_url = (backend == Backend::PostgresRedis).then(redis_url);
        if backend == Backend::Sqlite {
            let database_url = format!("sqlite://{}", folder.path().join("auth.db").display());
            return Self {
                folder,
                database_url,
                redis_url,
                server: None,
                connection: OnceCell::new(),
            };
        }
        let server = required_variable("TEST_DATABASE_URL");
        let name = format!("auth_gateway_test_{}", Uuid::new_v4().simple());
        on_server(&server, &format!("CREATE DATABASE {name}")).await;
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        Self {
            folder,
            database_url: url.into(),
            redis_url,
            server: Some((server, name)),
            connection: OnceCell::new(),
        }
    }

    /// The numbers of stored accounts and sessions.
    pub async fn rows(&self) -> (i64, i64) {
        let connection = self.connect().await;
        (
            count(&connection, "accounts").await,
            count(&connection, "sessions").await,
        )
    }

    pub async fn count(&self, table: &str) -> i64 {
        count(&self.connect().await, table).await
    }

    /// The text that a query yields in one row.
    pub async fn text(&self, query: &str) -> String {
        let connection = self.connect().await;
        let statement = Statement::from_string(connection.get_database_backend(), query);
        let row = connection
            .query_one_raw(statement)
            .await
            .unwrap()
            .expect("the query yields a row");
        row.try_get_by_index(0).unwrap()
    }

    pub async fn execute(&self, statement: &str) {
        self.try_execute(statement).await.unwrap();
    }

    pub async fn try_execute(&self, statement: &str) -> Result<(), DbErr> {
        self.connect().await.execute_unprepared(statement).await.map(drop)
    }

    /// The audit events in order, with their columns that are not null, as text.
    pub async fn audit(&self) -> Vec<BTreeMap<String, String>> {
        let connection = self.connect().await;
        let query = "SELECT * FROM audit_events ORDER BY at, id";
        let query = Statement::from_string(connection.get_database_backend(), query);
        let rows = connection.query_all_raw(query).await.unwrap();
        rows.iter()
            .map(|row| {
                let columns = row.column_names().into_iter();
                columns
                    .filter_map(|name| Some((name.clone(), as_text(row, &name)?)))
                    .collect()
            })
            .collect()
    }

    /// One connection for the whole test.
    pub async fn connect(&self) -> DatabaseConnection {
        let connection = async || connect(&self.database_url).await.unwrap();
        self.connection.get_or_init(connection).await.clone()
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        let Some((server, name)) = self.server.take() else {
            return;
        };
        // A drop cannot await, and the test's runtime may be ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(on_server(&server, &format!("DROP DATABASE {name} WITH (FORCE)")));
        });
        let _best_effort = dropped.join();
    }
}

fn as_text(row: &QueryResult, column: &str) -> Option<String> {
    if let Ok(text) = row.try_get::<Option<String>>("", column) {
        return text;
    }
    if let Ok(number) = row.try_get::<Option<i64>>("", column) {
        return number.map(|number| number.to_string());
    }
    row.try_get::<Option<Uuid>>("", column)
        .unwrap()
        .map(|id| id.to_string())
}

pub fn redis_url() -> String {
    required_variable("TEST_REDIS_URL")
}

async fn count(connection: &DatabaseConnection, table: &str) -> i64 {
    let query = Statement::from_string(
        connection.get_database_backend(),
        format!("SELECT COUNT(*) FROM {table}"),
    );
    connection
        .query_one_raw(query)
        .await
        .unwrap()
        .unwrap()
        .try_get_by_index(0)
        .unwrap()
}

/// With a timeout of 5 seconds in place of the library's 30, so that a test fails soon.
async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.acquire_timeout(Duration::from_secs(5)).sqlx_logging(false);
    Database::connect(options).await
}

async fn on_server(url: &str, statement: &str) {
    let connection = connect(url).await.unwrap_or_else(|error| {
        panic!("TEST_DATABASE_URL names a PostgreSQL server that does not answer ({error}); scripts/test starts one")
    });
    connection.execute_unprepared(statement).await.unwrap();
}

#[allow(
    clippy::disallowed_methods,
    reason = "scripts/test passes the URLs of its servers in variables"
)]
fn required_variable(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run the tests with scripts/test"))
}
