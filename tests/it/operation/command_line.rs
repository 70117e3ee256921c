//! The binary: invalid settings, the start in production, and the commands.

use std::process::Output;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{AUTH_SECRET as SECRET, Backend, Process, Socket, Stores, http, raw, run_to_end};

fn failure(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn an_invalid_setting_is_reported_with_its_name_and_an_example() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value, example) in [
        ("PORT", "abc", "8000"),
        ("PORT", "70000", "8000"),
        ("HOST", "localhost", "0.0.0.0"),
        ("ENVIRONMENT", "staging", "production"),
        ("PUBLIC_URL", "auth.example.com", "https://auth.example.com"),
        (
            "DATABASE_URL",
            "mysql://root:hunter2@localhost/auth",
            "sqlite://data/auth.db",
        ),
        ("REDIS_URL", "localhost:6379", "redis://127.0.0.1:6379"),
        ("AUTH_SECRET", "aHVudGVyMg==", "openssl rand -base64 32"),
        ("ACCESS_TOKEN_TTL", "15", "15m"),
        ("REFRESH_GRACE", "1h", "10s"),
        ("SIGNING_KEY_LEAD", "29s", "7m"),
        ("JWT_ALGORITHM", "HS256", "EdDSA, ES256 or RS256"),
        ("SIGNING_KEY_LEAD", "8d", "7m"),
        ("PASSWORD_MIN_LENGTH", "0", "12"),
        ("PASSWORD_CONTEXT_WORDS", "acme,,tools", "auth-gateway"),
        ("ARGON2_MEMORY_KIB", "lots", "19456"),
        ("HASH_THREADS", "0", "4"),
        ("TRUSTED_PROXIES", "10.0.0.0/33", "10.0.0.0/8"),
        ("PROXY_HEADER", "x-real-ip", "forwarded"),
        ("CORS_ORIGINS", "https://app.example.com/", "https://app.example.com"),
        ("GRAPHIQL", "maybe", "on"),
        ("MAX_CONNECTIONS", "0", "10000"),
        ("CONNECTIONS_PER_ADDRESS", "1000001", "1000"),
        ("IDLE_TIMEOUT", "2h", "75s"),
        ("HEADER_TIMEOUT", "0s", "10s"),
        ("SEND_TIMEOUT", "forever", "30s"),
        ("BODY_TIMEOUT", "6m", "10s"),
        ("BODY_TIMEOUT", "30s", "less than ANSWER_TIMEOUT"),
        ("ANSWER_TIMEOUT", "30", "30s"),
        ("RUST_LOG", "a=b=c", "auth_gateway=debug"),
        ("LOG_FORMAT", "xml", "json"),
        ("AUTH_SECRET_FILE", "/nowhere/secret", "/run/secrets/auth_secret"),
    ] {
        let (code, sentence) = failure(&run_to_end(folder.path(), &[], &[(name, value)]));
        assert_eq!(code, Some(2), "{name}={value}: {sentence}");
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
        assert!(sentence.starts_with(&format!("auth-gateway: {name}")), "{sentence}");
        assert!(sentence.contains(example), "{name}={value}: {sentence}");
        assert!(
            !sentence.contains("hunter2") && !sentence.contains("aHVudGVyMg=="),
            "the message contains a secret: {sentence}"
        );
    }
    assert!(
        !folder.path().join("data").exists(),
        "no file is created before the settings are valid"
    );
}

#[test]
fn keys_must_sign_for_at_least_twice_their_lead() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["serve", "keys"] {
        // An unreachable address ends a start that accepts the settings.
        let settings = [
            ("SIGNING_KEY_MAX_AGE", "1h"),
            ("SIGNING_KEY_LEAD", "31m"),
            ("HOST", "192.0.2.1"),
        ];
        let (code, sentence) = failure(&run_to_end(folder.path(), &[command], &settings));
        assert_eq!(code, Some(2), "{sentence}");
        let start = "auth-gateway: SIGNING_KEY_LEAD is \"31m\", which must be at most half of SIGNING_KEY_MAX_AGE";
        assert!(sentence.starts_with(start), "{sentence}");
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
    }
    let most = ["--port=0", "--signing-key-max-age=1h", "--signing-key-lead=30m"];
    Process::start(folder.path(), &most);
}

#[test]
fn production_requires_a_secret_and_a_migrated_database() {
    let folder = tempfile::tempdir().unwrap();
    let (code, sentence) = failure(&run_to_end(folder.path(), &[], &[("ENVIRONMENT", "production")]));
    assert_eq!(code, Some(2));
    assert!(sentence.contains("AUTH_SECRET must be set in production"), "{sentence}");

    let secret = random_secret();
    let production = [("ENVIRONMENT", "production"), ("AUTH_SECRET", &secret)];
    let (code, sentence) = failure(&run_to_end(folder.path(), &["serve", "--port", "0"], &production));
    assert_eq!(code, Some(1));
    assert!(sentence.contains("auth-gateway migrate up"), "{sentence}");
}

fn random_secret() -> String {
    STANDARD.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat())
}

#[test]
fn production_refuses_a_guessable_secret() {
    let folder = tempfile::tempdir().unwrap();
    let counting: Vec<u8> = (0..32).collect();
    let backwards: Vec<u8> = (0..40_u8).rev().map(|n| n.wrapping_mul(7)).collect();
    let random = random_secret();
    for (name, secret) in [
        ("zeros", STANDARD.encode([0; 32])),
        ("one repeated byte", STANDARD.encode([0xa5; 48])),
        ("two repeated bytes", STANDARD.encode([1, 2].repeat(16))),
        (
            "a repeated half",
            STANDARD.encode([&counting[3..19], &counting[3..19]].concat()),
        ),
        ("counting", STANDARD.encode(counting)),
        ("a descending sequence", STANDARD.encode(backwards)),
        ("text", STANDARD.encode("please change me to something else")),
        ("the secret of the tests", SECRET.to_owned()),
        ("the second of two secrets", format!("{random},{SECRET}")),
    ] {
        for command in ["serve", "keys"] {
            let settings = [("ENVIRONMENT", "production"), ("AUTH_SECRET", secret.as_str())];
            let (code, sentence) = failure(&run_to_end(folder.path(), &[command], &settings));
            assert_eq!(code, Some(2), "{name}: {sentence}");
            assert!(
                sentence.starts_with("auth-gateway: AUTH_SECRET must be random"),
                "{name}: {sentence}"
            );
            assert!(sentence.contains("openssl rand -base64 32") && sentence.lines().count() == 1);
            assert!(!sentence.contains(&secret), "{sentence}");
        }
    }
}

#[tokio::test]
async fn production_starts_after_migrate_up_without_graphiql_and_introspection() {
    let stores = Stores::new(Backend::Sqlite).await;
    assert!(
        run_to_end(stores.folder.path(), &["migrate", "up"], &[])
            .status
            .success()
    );
    let secret = random_secret();
    let options = ["--environment", "production", "--auth-secret", &secret];
    let gateway = Process::start(stores.folder.path(), &options);
    let page = http()
        .get(format!("{}/graphql", gateway.url))
        .header("accept", "text/html");
    assert_ne!(raw(page).await.0, 200);
    assert_eq!(
        raw(http().get(format!("{}/graphiql/start.js", gateway.url))).await.0,
        404
    );
    let query = serde_json::json!({"query": "{ __schema { queryType { name } } }"});
    let (_, _, answer) = raw(http().post(format!("{}/graphql", gateway.url)).json(&query)).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "GRAPHQL_INTROSPECTION_OFF",
        "{answer}"
    );
}

#[test]
fn settings_come_from_the_command_line_then_the_environment_then_the_env_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    let status = |arguments: &[&str], environment: &[(&str, &str)]| {
        failure(&run_to_end(folder.path(), arguments, environment)).1
    };
    std::fs::write(&file, "PORT=from-file\n").unwrap();
    assert!(status(&[], &[]).contains("from-file"));
    assert!(status(&[], &[("PORT", "from-environment")]).contains("from-environment"));
    assert!(status(&["--port", "from-arguments"], &[("PORT", "8000")]).contains("from-arguments"));
    std::fs::write(&file, "AUTH_SECRET hunter2\n").unwrap();
    let sentence = status(&[], &[]);
    assert!(sentence.contains(".env") && !sentence.contains("hunter2"), "{sentence}");
}

#[test]
fn a_secret_may_come_from_a_file_and_an_empty_variable_is_unset() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, "sqlite://elsewhere/auth.db\n").unwrap();
    let path = file.to_str().unwrap();
    let output = run_to_end(
        folder.path(),
        &["migrate"],
        &[("DATABASE_URL_FILE", path), ("PORT", "")],
    );
    assert!(output.status.success(), "{output:?}");
    assert!(folder.path().join("elsewhere/auth.db").exists());
    let both = [("DATABASE_URL_FILE", path), ("DATABASE_URL", "sqlite://x.db")];
    let (code, sentence) = failure(&run_to_end(folder.path(), &["migrate"], &both));
    assert_eq!(code, Some(2));
    assert!(sentence.contains("DATABASE_URL and DATABASE_URL_FILE"), "{sentence}");
}

#[test]
fn an_unreachable_store_at_the_start_is_reported_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let unreachable = [("DATABASE_URL", "postgres://auth:hunter2@127.0.0.1:1/auth")];
    let (code, sentence) = failure(&run_to_end(folder.path(), &["serve", "--port", "0"], &unreachable));
    assert!(sentence.contains("refused"), "the message names the cause: {sentence}");
    assert_eq!(code, Some(1));
    assert!(
        sentence.contains("DATABASE_URL") && !sentence.contains("hunter2"),
        "{sentence}"
    );
}

#[test]
fn the_healthcheck_reports_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Process::start(folder.path(), &[]);
    let port = gateway.url.rsplit_once(':').unwrap().1.to_owned();
    assert!(
        run_to_end(folder.path(), &["healthcheck", "--port", &port], &[])
            .status
            .success()
    );
    drop(gateway);
    assert_eq!(
        run_to_end(folder.path(), &["healthcheck", "--port", &port], &[])
            .status
            .code(),
        Some(1)
    );
}

/// Whether a node refuses the access token because its session has ended.
async fn is_revoked(node: &Process, token: &str) -> bool {
    let (status, _, answer) = raw(http().get(format!("{}/auth/me", node.url)).bearer_auth(token)).await;
    status == 401 && answer["reason"] == "revoked"
}

#[tokio::test]
async fn sessions_end_takes_effect_on_every_node_with_sqlite_postgres_and_redis() {
    for backend in [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis] {
        let stores = Stores::new(backend).await;
        let mut options = vec!["--database-url", &stores.database_url];
        if let Some(url) = &stores.redis_url {
            options.extend(["--redis-url", url]);
        }
        let cheap = [&options[..], &["--argon2-memory-kib=128", "--rate-limit=off"]].concat();
        let nodes = [
            Process::start(stores.folder.path(), &cheap),
            Process::start(stores.folder.path(), &cheap),
        ];
        let post = async |node: &Process, path: &str, body: Value| {
            raw(http().post(format!("{}{path}", node.url)).json(&body)).await.2
        };
        let register = async |name: &str| {
            let email = format!("{name}@example.com");
            let input = json!({"email": email, "password": "Password@123", "username": name});
            post(&nodes[0], "/auth/register", input).await
        };
        let (john, jane) = (register("johndoe").await, register("janedoe").await);
        let id = john["user"]["uuid"].as_str().unwrap();
        let hers = jane["token"]["access_token"].as_str().unwrap();
        let end = |name: &str| {
            let arguments = [&["sessions", "end", "--account", name], &options[..]].concat();
            run_to_end(stores.folder.path(), &arguments, &[])
        };
        for name in [id, "JohnDoe", "johndoe@EXAMPLE.com"] {
            let mut sessions = Vec::new();
            for node in &nodes {
                let login = json!({"username": "johndoe", "password": "Password@123"});
                let signed_in = post(node, "/auth/login", login).await;
                assert!(signed_in["token"].is_object(), "{backend:?}: {signed_in}");
                sessions.push(signed_in["token"].clone());
            }
            let (first, second) = (&sessions[0], sessions[1]["access_token"].as_str().unwrap());
            // Each node has looked up the session, and may have cached it.
            assert!(!is_revoked(&nodes[0], second).await && !is_revoked(&nodes[1], second).await);
            let mut socket = Socket::bearing(&nodes[1].url, second).await;
            socket.subscribe("1", "subscription { sessionEnded { reason } }").await;

            let ended = end(name);
            assert!(ended.status.success(), "{ended:?}");
            let output = String::from_utf8(ended.stdout).unwrap();
            let count = if name == id { 3 } else { 2 };
            assert_eq!(output, format!("sessions of account {id} that were ended: {count}\n"));
            for node in &nodes {
                for token in [first["access_token"].as_str().unwrap(), second] {
                    assert!(is_revoked(node, token).await, "{backend:?} {name}");
                }
            }
            let refresh = json!({"refresh_token": first["refresh_token"]});
            assert_eq!(
                post(&nodes[1], "/auth/refresh", refresh).await["code"],
                "REFRESH_TOKEN_INVALID"
            );
            let event = socket.message().await;
            assert_eq!(
                event["payload"]["data"]["sessionEnded"]["reason"], "OPERATOR",
                "{event}"
            );
        }
        assert!(
            !is_revoked(&nodes[1], hers).await,
            "sessions of other accounts continue"
        );
        let events = stores.audit().await;
        let ended: Vec<_> = events
            .iter()
            .filter(|row| row["event"] == "all_sessions_ended")
            .collect();
        assert_eq!(ended.len(), 3, "{events:?}");
        assert!(ended.iter().all(|row| row["account_id"] == id));
    }
}

#[tokio::test]
async fn sessions_end_for_an_unknown_account_or_without_redis_ends_nothing() {
    let stores = Stores::new(Backend::Postgres).await;
    let options = ["--database-url", &stores.database_url];
    let end = |name: &str, more: &[&str]| {
        let arguments = [&["sessions", "end", "--account", name], &options[..], more].concat();
        failure(&run_to_end(stores.folder.path(), &arguments, &[]))
    };
    let (code, sentence) = end("john", &[]);
    assert_eq!(code, Some(1));
    assert!(sentence.contains("auth-gateway migrate up"), "{sentence}");
    let node = Process::start(stores.folder.path(), &options);
    let input = json!({"email": "john.doe@example.com", "password": "Password@123", "username": "johndoe"});
    let (_, _, john) = raw(http().post(format!("{}/auth/register", node.url)).json(&input)).await;
    for name in ["jane", "jane@example.com", "6a9a5f10-dc19-41df-9831-57f37f7f9687"] {
        let (code, sentence) = end(name, &[]);
        assert_eq!(code, Some(1), "{sentence}");
        assert_eq!(sentence, "auth-gateway: there is no such account; nothing was ended\n");
    }
    let (code, sentence) = end("john doe", &[]);
    assert_eq!(code, Some(2));
    assert!(
        sentence.starts_with("auth-gateway: ACCOUNT is \"john doe\", which must be"),
        "{sentence}"
    );
    let (code, sentence) = end("johndoe", &["--redis-url", "redis://127.0.0.1:1"]);
    assert_eq!(code, Some(1), "{sentence}");
    assert!(!is_revoked(&node, john["token"]["access_token"].as_str().unwrap()).await);
}

#[test]
fn help_is_printed_despite_an_invalid_setting() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_to_end(folder.path(), &["--help"], &[("PORT", "abc")]);
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("--public-url"));
}

#[test]
fn an_empty_variable_does_not_override_the_env_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "PORT=from-file\n").unwrap();
    assert!(
        failure(&run_to_end(folder.path(), &[], &[("PORT", "")]))
            .1
            .contains("from-file")
    );
}

#[test]
fn a_port_in_use_is_reported_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, sentence) = failure(&run_to_end(folder.path(), &["--port", &port], &[]));
    assert_eq!(code, Some(1));
    assert!(sentence.contains("PORT") && sentence.contains(&port), "{sentence}");
}
