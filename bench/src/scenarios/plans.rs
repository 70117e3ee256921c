//! Checks the query plan of every statement that the gateway sends, on a million accounts. No plan
//! may scan all accounts or all sessions.
//!
//! The statements need no list: PostgreSQL explains what it receives (`auto_explain`), and SQLite
//! explains the same texts. The scenario also checks that it saw statements of every kind.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use crate::client::{bearer, login_request, refresh_request, request};
use crate::dataset::{PASSWORD, cheap_hash_usernames};
use crate::environment::{Backend, Environment, Scale, Servers};
use crate::gateway::{Deployment, Gateway, Hashing};
use crate::http_connection::HttpConnection;
use crate::{Result, log};

/// The gateway deletes old sessions every minute.
const MAX_SWEEP_DELAY: Duration = Duration::from_secs(75);

/// The length of a statement in the table, in characters.
const MAX_SHOWN: usize = 140;

const TABLES: [&str; 2] = ["accounts", "sessions"];

/// Text that must occur in some statement. Otherwise the scenario has missed an operation.
const STATEMENT_KINDS: [(&str, &str); 10] = [
    ("find an account by e-mail", r#""email_key" ="#),
    ("find an account by username", r#""username_key" ="#),
    ("create an account", r#"INSERT INTO "accounts""#),
    ("open a session", r#"INSERT INTO "sessions""#),
    ("find a session", r#""sessions"."id" ="#),
    ("find the sessions of an account", r#""sessions"."account_id" ="#),
    ("find the latest ends", r#""sessions"."ended_at" >="#),
    ("renew a session", r#"UPDATE "sessions" SET "generation" ="#),
    ("end a session", r#"UPDATE "sessions" SET "ended_at" ="#),
    ("delete old sessions", r#"DELETE FROM "sessions""#),
];

/// Each statement with the tables that one of its plans scans completely.
type Plans = BTreeMap<String, Vec<String>>;

pub(super) fn run(env: &mut Environment) -> Result<()> {
    if !env.backends.contains(&Backend::PostgresRedis) {
        return Err("the statements come from PostgreSQL: not with --sqlite alone".into());
    }
    let deployment = env.deployment(Backend::PostgresRedis, Scale::Large)?;
    let servers = env.servers()?.clone();
    let plans = collect_plans(&deployment, &servers)?;
    for (kind, mark) in STATEMENT_KINDS {
        if !plans.keys().any(|statement| statement.contains(mark)) {
            env.report.plan(kind.to_owned(), deployment.name, "not seen", false);
        }
    }
    report_plans(env, deployment.name, &plans);
    if env.backends.contains(&Backend::Sqlite) {
        let deployment = env.deployment(Backend::Sqlite, Scale::Large)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let plans = runtime.block_on(explain(&deployment, plans.keys()))?;
        report_plans(env, deployment.name, &plans);
    }
    Ok(())
}

fn report_plans(env: &mut Environment, backend: &str, plans: &Plans) {
    for (statement, scanned) in plans {
        let result = match scanned.as_slice() {
            [] => "by index".to_owned(),
            tables => format!("scans {}", tables.join(", ")),
        };
        env.report.plan(short(statement), backend, &result, scanned.is_empty());
    }
}

/// Sends every kind of request to a gateway without Redis and to one with Redis. Then reads the
/// plans from PostgreSQL's log.
fn collect_plans(deployment: &Deployment, servers: &Servers) -> Result<Plans> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = deployment.database_url.rsplit('/').next().unwrap_or_default();
    runtime.block_on(prepare(&deployment.database_url, name))?;
    let seen_before = fs::metadata(&servers.postgres_log)?.len();
    let new_log = || -> Result<String> {
        let log = fs::read(&servers.postgres_log)?;
        let begin = usize::try_from(seen_before)?;
        Ok(String::from_utf8_lossy(log.get(begin..).unwrap_or_default()).into_owned())
    };
    let without_redis = Deployment {
        redis_url: None,
        ..deployment.clone()
    };
    runtime.block_on(send_every_request(&without_redis.start(Hashing::Cheap)?, "early"))?;
    let gateway = deployment.start(Hashing::Cheap)?;
    runtime.block_on(send_every_request(&gateway, "late"))?;
    log("waiting until the gateway deletes an old session");
    let started = Instant::now();
    while !new_log()?.contains(r#"DELETE FROM \"sessions\""#) && started.elapsed() < MAX_SWEEP_DELAY {
        thread::sleep(Duration::from_millis(500));
    }
    drop(gateway);
    runtime.block_on(reset_settings(&deployment.database_url, name))?;
    parse_log(&new_log()?)
}

/// Explains every statement of later connections, and makes one session old enough to be deleted.
async fn prepare(url: &str, name: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    let old = "UPDATE sessions SET ended_at = 1, end_reason = 'logout' \
               WHERE id = (SELECT id FROM sessions WHERE ended_at IS NULL LIMIT 1)";
    connection.execute(old).await?;
    for (setting, value) in [
        ("session_preload_libraries", "'auto_explain'"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_format", "'json'"),
    ] {
        let statement = format!("ALTER DATABASE {name} SET {setting} = {value}");
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    Ok(())
}

async fn reset_settings(url: &str, name: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    let statement = format!("ALTER DATABASE {name} RESET ALL");
    connection.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}

async fn send_every_request(gateway: &Gateway, username: &str) -> Result<()> {
    let mut connection = HttpConnection::connect(gateway.address).await?;
    let name = cheap_hash_usernames(1).collect::<String>();
    let username = format!(r#"{{"email":"{username}@example.com","username":"{username}","password":"{PASSWORD}"}}"#);
    let with_email = format!(r#"{{"email":"{name}@example.com","password":"{PASSWORD}"}}"#);
    send(&mut connection, &request("POST /auth/register", "", &username)).await?;
    let (_, ended) = sign_in(&mut connection, &request("POST /auth/login", "", &with_email)).await?;
    sign_in(&mut connection, &login_request(&name, PASSWORD)).await?;
    let (access_token, renewable) = sign_in(&mut connection, &login_request(&name, PASSWORD)).await?;
    let bearer = bearer(&access_token);
    send(&mut connection, &request("GET /auth/me", &bearer, "")).await?;
    send(&mut connection, &refresh_request("/auth/refresh", &renewable)).await?;
    let sessions = send(&mut connection, &request("GET /auth/sessions", &bearer, "")).await?;
    let other = other_session(&sessions).ok_or("no other session is listed")?;
    let end = format!("DELETE /auth/sessions/{other}");
    send(&mut connection, &request(&end, &bearer, "")).await?;
    send(&mut connection, &refresh_request("/auth/logout", &ended)).await?;
    for scope in ["others", "current"] {
        let body = format!(r#"{{"scope":"{scope}"}}"#);
        send(&mut connection, &request("POST /auth/logout", &bearer, &body)).await?;
    }
    Ok(())
}

/// Returns the access token and the refresh token.
async fn sign_in(connection: &mut HttpConnection, login: &[u8]) -> Result<(String, String)> {
    let answer = send(connection, login).await?;
    let token = |name: &str| answer.pointer(name).and_then(Value::as_str).map(str::to_owned);
    let tokens = token("/token/access_token").zip(token("/token/refresh_token"));
    tokens.ok_or_else(|| "a login without tokens".into())
}

fn other_session(sessions: &Value) -> Option<&str> {
    let mut sessions = sessions.as_array()?.iter();
    let other = sessions.find(|session| session.get("current") == Some(&Value::Bool(false)))?;
    other.get("id")?.as_str()
}

async fn send(connection: &mut HttpConnection, request: &[u8]) -> Result<Value> {
    let answer = connection.send(request).await?;
    let body = String::from_utf8_lossy(answer.body);
    match answer.status {
        204 => Ok(Value::Null),
        200 | 201 => Ok(serde_json::from_str(&body)?),
        status => Err(format!("the gateway responds {status}: {body}").into()),
    }
}

/// Reads the explained statements from PostgreSQL's log. Each is JSON in lines that begin with a
/// tab.
fn parse_log(log: &str) -> Result<Plans> {
    let mut plans = Plans::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.ends_with("plan:") {
            continue;
        }
        let mut json = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with('\t')) {
            json.push_str(line);
        }
        let explained: Value = serde_json::from_str(&json)?;
        let statement = explained.get("Query Text").and_then(Value::as_str).unwrap_or_default();
        if TABLES.iter().any(|table| statement.contains(&format!("\"{table}\""))) {
            let scanned = plans.entry(statement.to_owned()).or_default();
            explained
                .get("Plan")
                .into_iter()
                .for_each(|plan| collect_scans(plan, scanned));
        }
    }
    Ok(plans)
}

/// Collects the sequential scans in a plan.
fn collect_scans(node: &Value, scanned: &mut Vec<String>) {
    let text = |name: &str| node.get(name).and_then(Value::as_str).unwrap_or_default();
    let table = text("Relation Name").to_owned();
    if text("Node Type") == "Seq Scan" && TABLES.contains(&table.as_str()) && !scanned.contains(&table) {
        scanned.push(table);
    }
    let children = node.get("Plans").and_then(Value::as_array).into_iter().flatten();
    children.for_each(|node| collect_scans(node, scanned));
}

/// Explains the statements on SQLite. Its plans do not depend on the number of rows.
async fn explain(deployment: &Deployment, statements: impl Iterator<Item = &String>) -> Result<Plans> {
    let file = deployment.database_url.trim_start_matches("sqlite://");
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await?;
    let mut plans = Plans::new();
    for statement in statements {
        // SQLite has no row locks, because a writer locks the whole file.
        let question = format!("EXPLAIN QUERY PLAN {}", statement.replace(" FOR SHARE", ""));
        let mut scanned = Vec::new();
        for row in connection.fetch_all(AssertSqlSafe(question)).await? {
            let step: String = row.try_get("detail")?;
            let scans = |table: &&&str| {
                let is_scan = step.starts_with(&format!("SCAN {table}")) && !step.contains("USING");
                // A search for `ended_at IS NULL` finds nearly every session.
                let is_all_live_sessions = step.starts_with(&format!("SEARCH {table}")) && step.contains("(ended_at=?");
                is_scan || is_all_live_sessions
            };
            scanned.extend(TABLES.iter().filter(scans).map(|table| (*table).to_owned()));
        }
        plans.insert(statement.clone(), scanned);
    }
    Ok(plans)
}

/// The statement without its list of columns, cut to fit the table.
fn short(statement: &str) -> String {
    let statement = statement.replace('"', "");
    let statement = match (statement.starts_with("SELECT"), statement.split_once(" FROM ")) {
        (true, Some((_, rest))) => format!("SELECT … FROM {rest}"),
        _ => statement,
    };
    match statement.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &statement[..end]),
        None => statement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-01-01 [7] LOG:  duration: 0.1 ms  plan:\n\t{\n\t  \"Query Text\": \"SELECT \\\"id\\\" FROM \\\"accounts\\\"\",\n\
        \t  \"Plan\": {\"Node Type\": \"Limit\", \"Plans\": [{\"Node Type\": \"Seq Scan\", \"Relation Name\": \"accounts\"}]}\n\t}\n\
        2026-01-01 [7] LOG:  duration: 0.1 ms  plan:\n\t{\"Query Text\": \"DELETE FROM \\\"sessions\\\"\", \"Plan\": {\"Node Type\": \
        \"ModifyTable\", \"Relation Name\": \"sessions\"}}\n2026-01-01 [7] LOG:  other\n";

    #[test]
    fn sequential_scans_are_found_at_any_depth() {
        let plans = parse_log(LOG).unwrap();
        assert_eq!(plans.len(), 2);
        assert_eq!(plans["SELECT \"id\" FROM \"accounts\""], ["accounts"]);
        assert!(plans["DELETE FROM \"sessions\""].is_empty());
    }

    #[test]
    fn statements_are_shown_without_their_columns() {
        assert_eq!(
            short("SELECT \"a\", \"b\" FROM \"t\" WHERE 1"),
            "SELECT … FROM t WHERE 1"
        );
        assert_eq!(short(&"é".repeat(MAX_SHOWN + 1)).chars().count(), MAX_SHOWN + 1);
    }
}
