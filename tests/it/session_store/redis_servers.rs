//! Other kinds of Redis than one plain server: with TLS, and a cluster.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::harness::{Process, RedisUser, eventually, http, raw};
use crate::session_store::fixture::{Outcome, START, StoreFixture};

/// What the gateway asks of one server.
const COMMANDS: [&str; 9] = [
    "get",
    "mget",
    "set",
    "del",
    "pttl",
    "evalsha",
    "script|load",
    "ping",
    "info",
];

/// A Redis of the test's own, killed with it.
struct RedisServer {
    child: Child,
    port: String,
}

impl RedisServer {
    fn start(folder: &Path, port: &str, options: &[&str]) -> Self {
        let mut command = Command::new("redis-server");
        command
            .current_dir(folder)
            .args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
            .args(options);
        let child = command
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server runs: scripts/test installs it");
        Self {
            child,
            port: port.to_owned(),
        }
    }

    /// One plain server, which answers.
    async fn plain(folder: &Path) -> Self {
        let port = free_port();
        let redis = Self::start(folder, &port, &["--port", &port]);
        redis.wait_until_ready(folder, &[]).await;
        redis
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn cli(&self, folder: &Path, arguments: &[&str]) -> Output {
        Command::new("redis-cli")
            .current_dir(folder)
            .args(["-p", &self.port])
            .args(arguments)
            .output()
            .unwrap()
    }

    async fn wait_until_ready(&self, folder: &Path, options: &[&str]) {
        let ping = [options, &["PING"]].concat();
        let answers = async || self.cli(folder, &ping).stdout.starts_with(b"PONG").then_some(());
        eventually("Redis answers", answers).await;
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A port that is free, and whose cluster bus, ten thousand further up, is a port too.
fn free_port() -> String {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 55_000 {
            return port.to_string();
        }
    }
}

/// Register, refresh, me, logout, and me again.
async fn a_session_lives_and_ends(gateway: &Process, name: &str) {
    let post = |path: &str, body: Value| raw(http().post(format!("{}{path}", gateway.url)).json(&body));
    let me = |token: &str| raw(http().get(format!("{}/auth/me", gateway.url)).bearer_auth(token));
    let account = json!({"email": format!("{name}@example.com"), "password": "Password@123", "username": name});
    let (status, _, signed_in) = post("/auth/register", account).await;
    assert_eq!(status, 201, "{signed_in}");
    let (status, _, renewed) = post(
        "/auth/refresh",
        json!({"refresh_token": signed_in["token"]["refresh_token"]}),
    )
    .await;
    assert_eq!(status, 200, "{renewed}");
    let token = renewed["token"]["access_token"].as_str().unwrap();
    assert_eq!(me(token).await.0, 200);
    let (status, ..) = post(
        "/auth/logout",
        json!({"refresh_token": renewed["token"]["refresh_token"]}),
    )
    .await;
    assert_eq!(status, 204);
    assert_eq!(me(token).await.0, 401);
}

#[tokio::test]
async fn a_redis_with_tls_and_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert.pem"), certified.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    let port = free_port();
    let files = [
        "--tls-cert-file",
        "cert.pem",
        "--tls-key-file",
        "key.pem",
        "--tls-ca-cert-file",
        "cert.pem",
    ];
    let tls = [
        "--port",
        "0",
        "--tls-port",
        &port,
        "--tls-auth-clients",
        "no",
        "--requirepass",
        "secret",
    ];
    let redis = RedisServer::start(folder.path(), &port, &[&files[..], &tls[..]].concat());
    redis
        .wait_until_ready(
            folder.path(),
            &["--tls", "--cacert", "cert.pem", "--no-auth-warning", "-a", "secret"],
        )
        .await;

    let url = format!("rediss://default:secret@localhost:{port}");
    let options = ["--argon2-memory-kib=128", "--rate-limit=off", "--redis-url", &url];
    let trust = folder.path().join("cert.pem");
    let trusting = Process::start_in(folder.path(), &options, &[("SSL_CERT_FILE", trust.to_str().unwrap())]);
    a_session_lives_and_ends(&trusting, "john").await;
    drop(trusting);

    let doubting = Process::start(folder.path(), &options);
    let (status, _, readiness) = raw(http().get(format!("{}/readyz", doubting.url))).await;
    assert_eq!(
        (status.as_u16(), &readiness["redis"]),
        (503, &json!("down")),
        "a certificate of an unknown authority"
    );
}

#[tokio::test]
async fn a_redis_cluster_of_three() {
    let folder = tempfile::tempdir().unwrap();
    let mut nodes = Vec::new();
    for number in 0..3 {
        let port = free_port();
        let file = format!("nodes-{number}.conf");
        let cluster = [
            "--port",
            &port,
            "--cluster-enabled",
            "yes",
            "--cluster-config-file",
            &file,
        ];
        nodes.push(RedisServer::start(folder.path(), &port, &cluster));
        nodes[number].wait_until_ready(folder.path(), &[]).await;
    }
    let addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let create: Vec<&str> = ["--cluster", "create"]
        .into_iter()
        .chain(addresses.iter().map(String::as_str))
        .collect();
    let created = nodes[0].cli(folder.path(), &[&create[..], &["--cluster-yes"]].concat());
    assert!(created.status.success(), "{created:?}");
    let is_whole = async || {
        let info = nodes
            .iter()
            .map(|node| node.cli(folder.path(), &["CLUSTER", "INFO"]).stdout);
        info.into_iter()
            .all(|info| String::from_utf8_lossy(&info).contains("cluster_state:ok"))
            .then_some(())
    };
    eventually("the cluster is whole", is_whole).await;

    let commands = COMMANDS.map(|command| format!("+{command}"));
    let rules = ["on", ">secret", "~auth-gateway:*", "+cluster|slots"];
    let rules = rules.into_iter().chain(commands.iter().map(String::as_str));
    let user: Vec<&str> = ["ACL", "SETUSER", "gateway"].into_iter().chain(rules).collect();
    for node in &nodes {
        assert_eq!(node.cli(folder.path(), &user).stdout, b"OK\n");
    }

    let url: Vec<String> = addresses[..2]
        .iter()
        .map(|address| format!("redis://gateway:secret@{address}"))
        .collect();
    let options = [
        "--argon2-memory-kib=128",
        "--rate-limit=off",
        "--redis-url",
        &url.join(","),
    ];
    let gateway = Process::start(folder.path(), &options);
    // So many that a node without any is no accident.
    for number in 0..40 {
        a_session_lives_and_ends(&gateway, &format!("john{number}")).await;
    }
    for node in &nodes {
        let keys = node.cli(folder.path(), &["DBSIZE"]).stdout;
        assert_ne!(String::from_utf8_lossy(&keys).trim(), "0", "every node has its share");
    }
}

/// A Redis that answers but cannot be written is of no use, and is named as down.
#[tokio::test]
async fn a_redis_that_cannot_be_written_is_down_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::plain(folder.path()).await;
    let gateway = Process::start(
        folder.path(),
        &[
            "--argon2-memory-kib=128",
            "--rate-limit=off",
            "--redis-url",
            &redis.url(),
        ],
    );
    let account = json!({"email": "john@example.com", "password": "Password@123", "username": "john"});
    let register = http().post(format!("{}/auth/register", gateway.url)).json(&account);
    let (_, _, john) = raw(register).await;
    let readiness = async || raw(http().get(format!("{}/readyz", gateway.url))).await.2["redis"].clone();
    assert_eq!(readiness().await, "up");

    let full: (&[&str], &[&str]) = (
        &["CONFIG", "SET", "maxmemory", "1"],
        &["CONFIG", "SET", "maxmemory", "0"],
    );
    let replica: (&[&str], &[&str]) = (&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]);
    for (spoil, mend) in [full, replica] {
        assert_eq!(redis.cli(folder.path(), spoil).stdout, b"OK\n");
        assert_eq!(readiness().await, "down", "{spoil:?}");
        let me = http().get(format!("{}/auth/me", gateway.url));
        let me = me.bearer_auth(john["token"]["access_token"].as_str().unwrap());
        assert_eq!(raw(me).await.0, 200, "the database knows");
        assert_eq!(redis.cli(folder.path(), mend).stdout, b"OK\n");
        let is_up = async || (readiness().await == "up").then_some(());
        eventually("Redis can be written again", is_up).await;
    }
}

/// README.md names them.
#[tokio::test]
async fn a_redis_user_with_only_the_commands_of_the_gateway_works() {
    let user = RedisUser::new().await;
    user.allow_only(&COMMANDS).await;
    let folder = tempfile::tempdir().unwrap();
    let options = ["--argon2-memory-kib=128", "--redis-url", &user.url];
    let gateway = Process::start(folder.path(), &options);
    a_session_lives_and_ends(&gateway, "john").await;
}

/// A full Redis still answers reads, and refuses writes except those that free memory.
#[tokio::test]
async fn a_change_by_sql_is_applied_while_redis_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::plain(folder.path()).await;
    let fixture = StoreFixture::over_redis(&redis.url()).await;
    let (changed, ended) = (fixture.open().await, fixture.open().await);
    for session in [changed, ended] {
        assert_eq!(
            fixture.rotate(session, 1, START).await,
            Outcome::Current(2),
            "Redis knows it"
        );
    }
    let fill = ["CONFIG", "SET", "maxmemory", "1"];
    assert_eq!(redis.cli(folder.path(), &fill).stdout, b"OK\n");

    fixture.make_admin().await;
    let end = format!(
        "UPDATE sessions SET ended_at = {} WHERE id = '{}'",
        START.millis(),
        ended.0
    );
    fixture.by_sql(&end).await;
    assert!(
        fixture.sessions.flush_pending(START).await.is_err(),
        "it cannot be written"
    );
    fixture.apply_external_changes().await;
    assert_eq!(fixture.account_of(changed).await, Some(fixture.profile().await));
    assert_eq!(fixture.account_of(ended).await, None);
}

/// A primary that was demoted keeps its connections open. The gateway must leave it to find the
/// new primary.
#[tokio::test]
async fn a_redis_primary_that_became_a_replica_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::plain(folder.path()).await;
    let gateway = Process::start(
        folder.path(),
        &[
            "--argon2-memory-kib=128",
            "--rate-limit=off",
            "--redis-url",
            &redis.url(),
        ],
    );
    let clients = || {
        let listed = redis.cli(folder.path(), &["CLIENT", "LIST", "TYPE", "NORMAL"]).stdout;
        let lines = String::from_utf8(listed).unwrap();
        let ids = lines.lines().filter(|line| !line.contains("cmd=client"));
        ids.map(|line| line.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let readiness = async || raw(http().get(format!("{}/readyz", gateway.url))).await.0;
    assert_eq!(readiness().await, 200);
    let before = clients();
    assert!(!before.is_empty());
    assert_eq!(
        redis.cli(folder.path(), &["REPLICAOF", "127.0.0.1", "1"]).stdout,
        b"OK\n"
    );
    let has_left = async || {
        assert_eq!(readiness().await, 503);
        let now = clients();
        (!before.iter().any(|client| now.contains(client))).then_some(())
    };
    eventually("the connections are given up", has_left).await;
}
