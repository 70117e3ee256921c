//! Fills SQLite in one transaction, with many rows per statement.

use std::fmt::Write;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::{AccountRow, Dataset, SessionRow, USER_AGENT};
use crate::Result;

/// Rows per statement.
const ROWS: usize = 500;

pub(super) async fn fill(file: &str, dataset: &Dataset) -> Result<()> {
    let options = SqliteConnectOptions::new().filename(file).pragma("synchronous", "OFF");
    let mut connection = SqliteConnection::connect_with(&options).await?;
    connection.execute("BEGIN IMMEDIATE").await?;
    insert(
        &mut connection,
        "INSERT INTO accounts (id, email, email_key, username, username_key, password_hash, roles, created_at) VALUES ",
        dataset.accounts().map(|row| account(&row)),
    )
    .await?;
    insert(
        &mut connection,
        "INSERT INTO sessions (id, account_id, generation, created_at, rotated_at, expires_at, ended_at, end_reason, user_agent, ip) \
         VALUES ",
        dataset.sessions().map(|row| session(&row)),
    )
    .await?;
    connection.execute("COMMIT").await?;
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    connection.close().await?;
    Ok(())
}

async fn insert(connection: &mut SqliteConnection, begin: &str, rows: impl Iterator<Item = String>) -> Result<()> {
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let values: Vec<String> = rows.by_ref().take(ROWS).collect();
        let mut statement = begin.to_owned();
        let _infallible = write!(statement, "{}", values.join(","));
        // The text contains only generated values. Statements are not cached, because no two are
        // alike.
        sqlx::query(AssertSqlSafe(statement))
            .persistent(false)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// No generated value contains a quote. Ids are stored as bytes, as the gateway does.
fn account(row: &AccountRow<'_>) -> String {
    let AccountRow { email, username, .. } = row;
    format!(
        "(x'{id}','{email}','{email}','{username}','{username}','{hash}','user',{created_at})",
        id = row.id.simple(),
        hash = row.password_hash,
        created_at = row.created_at,
    )
}

fn session(row: &SessionRow) -> String {
    let end = match row.ended_at {
        Some(at) => format!("{at},'logout'"),
        None => "NULL,NULL".to_owned(),
    };
    format!(
        "(x'{}',x'{}',{},{},{},{},{end},'{USER_AGENT}','{}')",
        row.id.simple(),
        row.account_id.simple(),
        row.generation,
        row.created_at,
        row.rotated_at,
        row.expires_at,
        row.ip
    )
}
