//! The audit log of sign-ins, failures and ended sessions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use auth_gateway::config::DatabaseUrl;
use auth_gateway::domain::audit::{AuditEvent, AuditRecord, EventKind};
use auth_gateway::domain::client::ClientInfo;
use auth_gateway::domain::clock::{Clock, SystemClock};
use auth_gateway::store::{AuditLog, Database};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{
    AUTH_SECRET, Api, Backend, Process, SignedIn, Stores, TestApp, eventually, http, raw, run_to_end, scenario,
};

type Row = BTreeMap<String, String>;

/// All rows, as soon as there are `count` of them and one is the event `last`.
async fn rows(stores: &Stores, count: usize, last: &str) -> Vec<Row> {
    let rows = async || {
        if stores.count("audit_events").await < i64::try_from(count).unwrap() {
            return None;
        }
        let rows = stores.audit().await;
        rows.iter().any(|row| row["event"] == last).then_some(rows)
    };
    let rows = eventually("the events are written", rows).await;
    assert_eq!(rows.len(), count, "{rows:#?}");
    rows
}

/// The columns that depend on the event.
fn summary(row: &Row) -> (&str, Option<&str>, Option<&str>, Option<&str>) {
    let column = |name: &str| row.get(name).map(String::as_str);
    (
        &row["event"],
        column("account_id"),
        column("session_id"),
        column("detail"),
    )
}

/// The session id in an access token.
fn session(signed_in: &SignedIn) -> String {
    let payload = signed_in.access_token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}

const EMAIL: &str = "john.doe@example.com";
const PASSWORD: &str = "Password@123";
/// A password that a user typed into the field of the username by mistake.
const SLIPPED_PASSWORD: &str = "correct-horse-battery";

scenario! {
    async fn every_event_is_written_once_and_without_secrets(app: &TestApp) {
        let client = app.client();
        let john = app.john().await;
        let first = app.login(EMAIL, PASSWORD).await.unwrap();
        app.login(EMAIL, "Password@124").await.unwrap_err();
        client.login(&json!({"username": SLIPPED_PASSWORD, "password": "Password@125"})).await.unwrap_err();
        let renewed = app.refresh(&john.refresh_token).await.unwrap();
        for _ in 0..2 {
            client.end_session(&renewed.access_token, &session(&first)).await.unwrap();
        }
        client.logout(Some(&renewed.access_token), None, Some("others")).await.unwrap();
        app.clock.advance(Duration::from_secs(11));
        for _ in 0..2 {
            app.refresh(&john.refresh_token).await.unwrap_err();
        }
        let last = app.login(EMAIL, PASSWORD).await.unwrap();
        for _ in 0..2 {
            client.logout(Some(&last.access_token), None, None).await.unwrap();
        }

        let rows = rows(&app.stores, 10, "logged_out").await;
        let own = session(&john);
        let (account, key) = (Some(john.user.uuid.as_str()), jsonwebtoken::decode_header(&john.access_token).unwrap().kid.unwrap());
        let (key, first_id, last_id) = (format!("EdDSA {key}"), session(&first), session(&last));
        let expected = [
            ("signing_key_published", None, None, Some(key.as_str())),
            ("registered", account, Some(own.as_str()), None),
            ("logged_in", account, Some(&first_id), None),
            ("login_failed", account, None, None),
            ("login_failed", None, None, None),
            ("session_ended", account, Some(&first_id), Some(&own)),
            ("other_sessions_ended", account, None, Some(&own)),
            ("refresh_token_reused", account, Some(&own), None),
            ("logged_in", account, Some(&last_id), None),
            ("logged_out", account, Some(&last_id), None),
        ];
        assert_eq!(rows.iter().map(summary).collect::<Vec<_>>(), expected);
        let now = app.clock.now().millis();
        for (number, row) in rows.iter().enumerate() {
            let seconds_ago = if number < 7 { 11_000 } else { 0 };
            assert_eq!(row["at"], (now - seconds_ago).to_string(), "{row:?}");
            let is_own_work = number == 0;
            assert_eq!(row.get("address").map(String::as_str), (!is_own_work).then_some("127.0.0.1"));
            assert_eq!(row.get("request_id").is_some_and(|id| Uuid::parse_str(id).is_ok()), !is_own_work);
        }

        let all = format!("{rows:?}");
        assert!(all.contains(&john.user.uuid), "the search finds what the log contains");
        let tokens = [&john, &first, &renewed, &last].map(|signed_in| [&signed_in.access_token, &signed_in.refresh_token]);
        let typed = [PASSWORD, "Password@124", "Password@125", SLIPPED_PASSWORD, EMAIL, "johndoe"].map(str::to_owned);
        for secret in tokens.concat().into_iter().chain(&typed) {
            assert!(!all.contains(secret.as_str()), "{secret} is in the audit log");
        }
    }
}

/// Signs in repeatedly for `time`, so that the writer fails meanwhile. Returns the number of
/// logins.
async fn keep_busy(app: &TestApp, time: Duration) -> usize {
    let (begun, mut logins) = (Instant::now(), 0);
    while begun.elapsed() < time {
        app.login(EMAIL, PASSWORD).await.unwrap();
        logins += 1;
    }
    logins
}

scenario! {
    async fn requests_do_not_wait_for_a_failing_audit_table_and_no_event_is_lost(app: &TestApp) {
        let john = app.john().await;
        rows(&app.stores, 2, "registered").await;
        app.stores.execute("ALTER TABLE audit_events RENAME TO elsewhere").await;
        let logged_out = async {
            let signed_in = app.login(EMAIL, PASSWORD).await.unwrap();
            app.refresh(&signed_in.refresh_token).await.unwrap();
            app.client().logout(Some(&john.access_token), None, Some("all")).await.unwrap();
        };
        tokio::time::timeout(Duration::from_secs(5), logged_out).await.expect("no request waits for the table");
        assert_eq!(app.me(&john.access_token).await.unwrap_err().reason.as_deref(), Some("revoked"));
        let logins = keep_busy(app, Duration::from_millis(500)).await;
        app.stores.execute("ALTER TABLE elsewhere RENAME TO audit_events").await;
        let rows = rows(&app.stores, 5 + logins, "logged_out").await;
        let names: Vec<&str> = rows.iter().map(|row| row["event"].as_str()).collect();
        assert_eq!(names[2..5], ["logged_in", "other_sessions_ended", "logged_out"]);
    }
}

/// A locked table makes PostgreSQL statements wait. Only the writer of events may wait.
#[tokio::test]
async fn requests_do_not_wait_for_an_audit_table_that_is_locked_in_postgres() {
    let app = TestApp::new(Backend::Postgres, Api::Rest).await;
    let john = app.john().await;
    rows(&app.stores, 2, "registered").await;
    let connection = app.stores.connect().await;
    let lock = connection.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    app.client().logout(Some(&john.access_token), None, None).await.unwrap();
    // Longer than the writer's timeout for one statement.
    let logins = keep_busy(&app, Duration::from_millis(1200)).await;
    lock.commit().await.unwrap();
    rows(&app.stores, 3 + logins, "logged_in").await;
}

scenario! {
    async fn events_record_the_request_id_and_a_truncated_user_agent(app: &TestApp) {
        let registration = json!({"email": EMAIL, "password": PASSWORD, "username": "johndoe"});
        let (path, body) = match app.api {
            Api::Rest => ("/auth/register", registration),
            Api::Graphql => (
                "/graphql",
                json!({
                    "query": "mutation($input: RegisterInput!) { register(input: $input) { user { id } } }",
                    "variables": {"input": registration},
                }),
            ),
        };
        let request = http().post(app.url(path)).json(&body);
        raw(request.header("user-agent", "x".repeat(2000)).header("x-request-id", "trace-1")).await;
        let rows = rows(&app.stores, 2, "registered").await;
        assert_eq!(rows[1]["request_id"], "trace-1");
        assert_eq!(rows[1]["user_agent"], "x".repeat(512));
    }
}

#[tokio::test]
async fn a_refused_request_records_which_limit_refused_it_on_sqlite_postgres_and_redis() {
    for backend in [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis] {
        for api in [Api::Rest, Api::Graphql] {
            let app = TestApp::limited(backend, api, &[]).await;
            let mut john = app.john().await;
            for _ in 0..10 {
                app.login(EMAIL, "Password@124").await.unwrap_err();
                app.login("jane.doe@example.com", PASSWORD).await.unwrap_err();
            }
            assert_eq!(app.login(EMAIL, PASSWORD).await.unwrap_err().code, "RATE_LIMITED");
            let unknown = app.login("jane.doe@example.com", PASSWORD).await.unwrap_err();
            assert_eq!(unknown.code, "RATE_LIMITED");
            for _ in 0..120 {
                john = app.refresh(&john.refresh_token).await.unwrap();
            }
            assert_eq!(app.refresh(&john.refresh_token).await.unwrap_err().code, "RATE_LIMITED");
            let rows = rows(&app.stores, 2 + 20 + 3, "limited").await;
            let limited: Vec<_> = rows.iter().map(summary).filter(|row| row.0 == "limited").collect();
            let (account, own) = (john.user.uuid.as_str(), session(&john));
            let expected = [
                ("limited", Some(account), None, Some("login-known-address")),
                ("limited", None, None, Some("login-account")),
                ("limited", None, Some(own.as_str()), Some("refresh-session")),
            ];
            assert_eq!(limited, expected, "{backend:?} {api:?}");
        }
    }
}

#[tokio::test]
async fn concurrent_reuse_of_a_token_writes_one_event_on_sqlite_postgres_and_redis() {
    for backend in [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis] {
        let app = TestApp::new(backend, Api::Rest).await;
        let john = app.john().await;
        app.refresh(&john.refresh_token).await.unwrap();
        app.clock.advance(Duration::from_secs(11));
        let attackers: Vec<_> = (0..12)
            .map(|number| {
                let (client, token) = (app.client(), john.refresh_token.clone());
                tokio::spawn(async move {
                    if number % 3 == 0 {
                        client.logout(None, Some(&token), Some("all")).await.map(drop)
                    } else {
                        client.refresh(&token).await.map(drop)
                    }
                })
            })
            .collect();
        for attacker in attackers {
            let _refused_or_too_late = attacker.await.unwrap();
        }
        app.login(EMAIL, PASSWORD).await.unwrap();
        let rows = rows(&app.stores, 4, "logged_in").await;
        let reused = rows.iter().filter(|row| row["event"] == "refresh_token_reused");
        assert_eq!(reused.count(), 1, "{rows:#?}");
    }
}

/// The database refuses changes of events. Only maintenance deletes them, after `AUDIT_RETENTION`.
#[tokio::test]
async fn audit_events_chooses_which_events_are_rows() {
    let expected = [
        (
            "all,-refreshed",
            vec!["signing_key_published", "registered", "logged_in"],
        ),
        (
            "all",
            vec!["signing_key_published", "registered", "refreshed", "logged_in"],
        ),
        ("registered,logged_in", vec!["registered", "logged_in"]),
    ];
    for (setting, expected) in expected {
        for backend in [Backend::Sqlite, Backend::Postgres] {
            let app = TestApp::with(backend, Api::Rest, &["--audit-events", setting]).await;
            let john = app.john().await;
            app.refresh(&john.refresh_token).await.unwrap();
            app.login(EMAIL, PASSWORD).await.unwrap();
            let rows = rows(&app.stores, expected.len(), "logged_in").await;
            let names: Vec<&str> = rows.iter().map(|row| row["event"].as_str()).collect();
            assert_eq!(names, expected, "{setting} {backend:?}");
        }
    }
}

#[tokio::test]
async fn an_unknown_audit_event_stops_the_start() {
    let stores = Stores::new(Backend::Sqlite).await;
    let run = run_to_end(stores.folder.path(), &["serve"], &[("AUDIT_EVENTS", "all,-refresh")]);
    let error = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{error}");
    assert!(error.contains("AUDIT_EVENTS is \"all,-refresh\""), "{error}");
    assert!(error.contains("refresh_token_reused, logged_out"), "{error}");
}

#[tokio::test]
async fn events_cannot_be_changed_and_expire_on_sqlite_and_postgres() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::with(backend, Api::Rest, &["--audit-retention=2h"]).await;
        app.john().await;
        let before = rows(&app.stores, 2, "registered").await;
        let refused = app.stores.try_execute("UPDATE audit_events SET detail = 'x'").await;
        assert!(refused.unwrap_err().to_string().contains("never changed"));
        assert_eq!(app.stores.audit().await, before);
        app.clock.advance(Duration::from_mins(119));
        app.login(EMAIL, PASSWORD).await.unwrap();
        rows(&app.stores, 3, "logged_in").await;
        app.clock.advance(Duration::from_mins(2));
        let swept = async || Some(app.stores.audit().await).filter(|rows| rows.len() == 1);
        let left = eventually("the old events are deleted", swept).await;
        assert_eq!(left[0]["event"], "logged_in");
    }
}

/// The writer repeats an insert whose outcome it does not know.
#[tokio::test]
async fn an_event_that_is_appended_twice_is_stored_once_on_sqlite_and_postgres() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let stores = Stores::new(backend).await;
        let url = match backend {
            Backend::Sqlite => DatabaseUrl::Sqlite(stores.database_url.trim_start_matches("sqlite://").into()),
            Backend::Postgres | Backend::PostgresRedis => DatabaseUrl::Postgres(
                auth_gateway::domain::secret::SecretString::new(stores.database_url.clone()),
            ),
        };
        let database = Database::connect(&url).await.unwrap();
        database.migrate_up().await.unwrap();
        let log = AuditLog::new(database);
        let record = || {
            AuditRecord::new(
                AuditEvent::new(EventKind::LoginFailed),
                &ClientInfo::default(),
                SystemClock.now(),
            )
        };
        let (first, second) = ([record(), record()], [record()]);
        log.append(&first).await.unwrap();
        log.append(&[first.to_vec(), second.to_vec()].concat()).await.unwrap();
        log.append(&first).await.unwrap();
        assert_eq!(stores.audit().await.len(), 3);
    }
}

fn audit_lines(gateway: &Process) -> Vec<Value> {
    let lines = gateway.log();
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "audit").collect()
}

#[tokio::test]
async fn a_stop_writes_the_queued_events() {
    let stores = Stores::new(Backend::Sqlite).await;
    let options = [
        "--database-url",
        &stores.database_url,
        "--argon2-memory-kib=128",
        "--log-format=json",
    ];
    let mut gateway = Process::start(stores.folder.path(), &options);
    let john = json!({"email": EMAIL, "password": PASSWORD, "username": "johndoe"});
    let register = http()
        .post(format!("{}/auth/register", gateway.url))
        .header("user-agent", "tests");
    let (status, headers, body) = raw(register.json(&john)).await;
    gateway.signal("TERM");
    assert_eq!((status.as_u16(), gateway.wait()), (201, Some(0)));
    let rows = stores.audit().await;
    assert_eq!(
        rows.iter().map(|row| row["event"].as_str()).collect::<Vec<_>>(),
        ["signing_key_published", "registered"]
    );

    let logged = async || {
        audit_lines(&gateway)
            .into_iter()
            .find(|line| line["event"] == "registered")
    };
    let line = eventually("the line is logged", logged).await;
    assert_eq!(line["account"], body["user"]["uuid"]);
    assert_eq!(line["session"], rows[1]["session_id"].as_str());
    assert_eq!(line["request_id"], headers["x-request-id"].to_str().unwrap());
    assert_eq!(
        line["span"],
        json!({"name": "request", "id": line["request_id"], "method": "POST", "path": "/auth/register"})
    );
    assert_eq!(
        (&line["ip"], &line["user_agent"]),
        (&json!("127.0.0.1"), &json!("tests"))
    );
}

/// The test hangs if the process does not end.
#[tokio::test]
async fn a_stop_with_a_failing_audit_table_ends() {
    let stores = Stores::new(Backend::Sqlite).await;
    let options = ["--database-url", &stores.database_url, "--argon2-memory-kib=128"];
    let mut gateway = Process::start(stores.folder.path(), &options);
    stores.execute("DROP TABLE audit_events").await;
    let unknown = json!({"email": EMAIL, "password": PASSWORD});
    raw(http().post(format!("{}/auth/login", gateway.url)).json(&unknown)).await;
    let said = async || {
        let lines = gateway.log();
        lines
            .into_iter()
            .find(|line| line.contains("audit events are not written"))
    };
    let line = eventually("the warning is logged", said).await;
    assert!(line.contains("WARN") && line.contains("no such table"), "{line}");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
}

#[tokio::test]
async fn a_key_published_by_command_is_in_the_audit_log_on_sqlite_and_postgres() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::new(backend, Api::Rest).await;
        let environment = [
            ("DATABASE_URL", app.stores.database_url.as_str()),
            ("AUTH_SECRET", AUTH_SECRET),
            ("JWT_ALGORITHM", "ES256"),
        ];
        let run = run_to_end(app.stores.folder.path(), &["keys", "rotate"], &environment);
        assert!(run.status.success(), "{run:?}");
        let rows = rows(&app.stores, 2, "signing_key_published").await;
        let kid = rows
            .iter()
            .find_map(|row| row["detail"].strip_prefix("ES256 "))
            .unwrap();
        assert!(String::from_utf8(run.stdout).unwrap().contains(kid));
        assert!(rows.iter().all(|row| row["event"] == "signing_key_published"));
    }
}
