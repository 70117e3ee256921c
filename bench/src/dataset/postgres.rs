//! Fills PostgreSQL with `COPY`.

use std::fmt::Write;

use sqlx::postgres::{PgConnection, PgPoolCopyExt};
use sqlx::{Connection, Executor, PgPool};

use super::{AccountRow, Dataset, SessionRow, USER_AGENT};
use crate::Result;

/// Bytes of text per message.
const CHUNK: usize = 1 << 20;

pub(super) async fn fill(url: &str, dataset: &Dataset) -> Result<()> {
    let pool = PgPool::connect(url).await?;
    copy(
        &pool,
        "COPY accounts (id, email, email_key, username, username_key, password_hash, roles, created_at) FROM STDIN",
        dataset.accounts().map(|row| account(&row)),
    )
    .await?;
    copy(
        &pool,
        "COPY sessions (id, account_id, generation, created_at, rotated_at, expires_at, ended_at, end_reason, user_agent, ip) \
         FROM STDIN",
        dataset.sessions().map(|row| session(&row)),
    )
    .await?;
    pool.close().await;
    // Do what autovacuum does for a table that has existed for a while.
    PgConnection::connect(url).await?.execute("VACUUM ANALYZE").await?;
    Ok(())
}

async fn copy(pool: &PgPool, statement: &str, lines: impl Iterator<Item = String>) -> Result<()> {
    let mut copy = pool.copy_in_raw(statement).await?;
    let mut text = String::with_capacity(CHUNK * 2);
    for line in lines {
        text.push_str(&line);
        if text.len() > CHUNK {
            copy.send(text.as_bytes()).await?;
            text.clear();
        }
    }
    copy.send(text.as_bytes()).await?;
    copy.finish().await?;
    Ok(())
}

/// No generated value contains a character that `COPY` treats specially.
fn account(row: &AccountRow<'_>) -> String {
    let AccountRow {
        id, email, username, ..
    } = row;
    format!(
        "{id}\t{email}\t{email}\t{username}\t{username}\t{hash}\tuser\t{created_at}\n",
        hash = row.password_hash,
        created_at = row.created_at,
    )
}

fn session(row: &SessionRow) -> String {
    let mut line = format!(
        "{}\t{}\t{}\t{}\t{}\t{}\t",
        row.id, row.account_id, row.generation, row.created_at, row.rotated_at, row.expires_at
    );
    let written = match row.ended_at {
        Some(at) => write!(line, "{at}\tlogout\t"),
        None => write!(line, "\\N\t\\N\t"),
    };
    let _infallible = written.and_then(|()| writeln!(line, "{USER_AGENT}\t{}", row.ip));
    line
}
