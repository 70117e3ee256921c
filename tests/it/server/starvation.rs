//! No client can starve others, by sending or reading slowly or not at all.
//!
//! The deadlines of sockets use real time, so they are short here. A test waits for the effect of a
//! deadline, and never sleeps.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Api, Backend, RawConnection, Socket, TestApp, eventually};

async fn app(options: &[&str]) -> TestApp {
    TestApp::with(Backend::Sqlite, Api::Rest, options).await
}

fn address(app: &TestApp) -> SocketAddr {
    app.client().address
}

/// Retries until a connection from this address is served. It stays open.
async fn served(app: &TestApp, own: Ipv4Addr) -> RawConnection {
    eventually("a connection is served", async || {
        let mut line = RawConnection::from(own, address(app)).await;
        line.is_served().await.map(|()| line)
    })
    .await
}

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

#[tokio::test]
async fn a_slow_request_head_closes_the_connection() {
    let app = app(&["--header-timeout=200ms"]).await;
    for head in [
        "",
        "G",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        "PRI * HTTP/2.0\r\n",
    ] {
        let mut line = RawConnection::to(address(&app)).await;
        line.try_send(head).await;
        assert_eq!(line.read_to_end().await, b"", "{head}");
    }
    let mut line = RawConnection::to(address(&app)).await;
    let head = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    assert_eq!(
        line.send_slowly(head, b'x').await,
        "",
        "a byte now and then does not extend the deadline"
    );
    let mut second = served(&app, HERE).await;
    second.try_send("GET /livez HTTP/1.1\r\n").await;
    assert_eq!(
        second.read_to_end().await,
        b"",
        "the deadline applies to the second head of a connection"
    );
}

#[tokio::test]
async fn a_slow_body_is_answered_and_closes_the_connection() {
    let app = app(&["--body-timeout=200ms"]).await;
    for (path, pointer) in [("/auth/login", "/code"), ("/graphql", "/errors/0/extensions/code")] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{"
        );
        let mut line = RawConnection::to(address(&app)).await;
        line.try_send(&head).await;
        let silent = String::from_utf8(line.read_to_end().await).unwrap();
        let dripping = RawConnection::to(address(&app))
            .await
            .send_slowly(head.as_bytes(), b' ')
            .await;
        for answer in [silent, dripping] {
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
            assert!(
                head.contains("connection: close") && head.contains("x-request-id: "),
                "{head}"
            );
            let body: Value = serde_json::from_str(body).unwrap();
            assert_eq!(body.pointer(pointer), Some(&json!("REQUEST_TIMEOUT")), "{body}");
        }
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let app = app(&["--idle-timeout=200ms"]).await;
    let mut line = served(&app, HERE).await;
    assert_eq!(line.read_to_end().await, b"");
}

/// An HTTP/2 frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream][..], payload].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// Answers each ping of the gateway, and sends another ping after each answer, so that the
/// connection is never silent. Returns the kinds of frames that the gateway sent until it closed
/// the connection.
async fn ping_until_the_end(line: &mut RawConnection) -> BTreeSet<u8> {
    let (mut kinds, mut is_open) = (BTreeSet::new(), true);
    while is_open && let Some(head) = line.read_exact(9).await {
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        let payload = line.read_exact(length).await.unwrap_or_default();
        let is_reply = head[4] & 1 == 1;
        kinds.insert(head[3]);
        is_open = match head[3] {
            PING if !is_reply => line.try_send(frame(PING, 1, 0, &payload)).await,
            PING | DATA => line.try_send(frame(PING, 0, 0, b"are you?")).await,
            _ => true,
        };
    }
    kinds
}

#[tokio::test]
async fn http2_pings_do_not_keep_an_idle_connection_open() {
    let app = app(&["--idle-timeout=200ms"]).await;
    let mut line = RawConnection::to(address(&app)).await;
    // GET http://localhost/livez, by the static table and literals of HPACK (RFC 7541 appendix A).
    let request = [&[0x82, 0x86, 0x04, 6][..], b"/livez", &[0x01, 9], b"localhost"].concat();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let begin = [preface, frame(SETTINGS, 0, 0, &[]), frame(HEADERS, 5, 1, &request)].concat();
    line.try_send(begin).await;
    let kinds = tokio::time::timeout(RawConnection::TIMEOUT, ping_until_the_end(&mut line)).await;
    let kinds = kinds.expect("the connection is closed");
    assert!(kinds.contains(&HEADERS) && kinds.contains(&DATA), "answered: {kinds:?}");
    assert!(kinds.contains(&GOAWAY), "the gateway sent GOAWAY: {kinds:?}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected() {
    let app = app(&["--send-timeout=200ms", "--max-connections=1"]).await;
    let mut line = RawConnection::with_small_buffer(address(&app)).await;
    // Far more answers than the buffers of both ends hold.
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2000);
    let sent = tokio::spawn(async move {
        line.try_send(requests).await;
        line
    });
    served(&app, HERE).await;
    drop(sent);
}

#[tokio::test]
async fn connections_are_limited_per_network_and_freed_when_closed() {
    let app = app(&["--connections-per-address=2", "--max-connections=3"]).await;
    let (first, _second) = (served(&app, HERE).await, served(&app, HERE).await);
    let mut third = RawConnection::to(address(&app)).await;
    assert_eq!(third.read_to_end().await, b"", "closed at once");
    let other = served(&app, THERE).await;
    let mut fourth = RawConnection::from(ELSEWHERE, address(&app)).await;
    assert_eq!(fourth.read_to_end().await, b"", "the server is full");
    drop(first);
    let _mine = served(&app, HERE).await;
    drop(other);
    served(&app, ELSEWHERE).await;
}

#[tokio::test]
async fn trusted_proxies_are_exempt_from_the_limit_per_network() {
    let options = ["--connections-per-address=1", "--trusted-proxies=127.0.0.1"];
    let app = app(&options).await;
    let mut lines = Vec::new();
    for _ in 0..5 {
        let mut line = RawConnection::to(address(&app)).await;
        line.is_served().await.unwrap();
        lines.push(line);
    }
    let _only = served(&app, THERE).await;
    assert_eq!(RawConnection::from(THERE, address(&app)).await.read_to_end().await, b"");
}

#[tokio::test]
async fn a_websocket_counts_until_it_is_closed_and_has_no_http_deadlines() {
    let options = ["--idle-timeout=200ms", "--header-timeout=200ms", "--max-connections=2"];
    let app = app(&options).await;
    let open = async || Socket::open(&app.url(""), Some("graphql-transport-ws")).await.ok();
    let mut socket = open().await.unwrap();
    let mut idle = served(&app, HERE).await;
    assert_eq!(idle.read_to_end().await, b"", "the idle connection is closed");
    let _second = served(&app, HERE).await;
    assert_eq!(
        RawConnection::to(address(&app)).await.read_to_end().await,
        b"",
        "the WebSocket counts as a connection"
    );
    socket.send(&json!({"type": "connection_init"})).await;
    assert_eq!(socket.message().await, json!({"type": "connection_ack"}));
    drop(socket);
    let _after_the_websocket = served(&app, HERE).await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let app = app(&[]).await;
    let many = "X-Header: 1\r\n".repeat(101);
    let long = format!("X-Header: {}\r\n", "1".repeat(256 * 1024));
    for headers in [many, long] {
        let mut line = RawConnection::to(address(&app)).await;
        line.try_send(format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"))
            .await;
        // A close with unread data discards the answer.
        let answer = line.read_to_end().await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{answer:?}");
        served(&app, HERE).await;
    }
}

#[tokio::test]
async fn slow_clients_do_not_delay_others() {
    let app = app(&[]).await;
    let post =
        "POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    let mut slow = Vec::new();
    for begun in ["", "GET /livez HT", post].repeat(100) {
        let mut line = RawConnection::to(address(&app)).await;
        assert!(line.try_send(begun).await);
        slow.push(line);
    }
    let john = app.john().await;
    assert_eq!(app.me(&john.access_token).await.unwrap(), john.user);
    app.refresh(&john.refresh_token).await.unwrap();
}

/// Compares the order, not the time: on any machine the flood takes far longer than the requests in
/// between.
#[tokio::test]
async fn a_flood_of_logins_does_not_delay_me_and_refresh() {
    let app = app(&["--argon2-memory-kib=19456", "--hash-queue=1000"]).await;
    let john = app.john().await;
    let (client, mut flood) = (app.client(), JoinSet::new());
    for _ in 0..200 {
        flood.spawn(async move {
            let wrong = json!({"email": "john.doe@example.com", "password": "Password@124"});
            client.login(&wrong).await.unwrap_err().code
        });
    }
    assert_eq!(flood.join_next().await.unwrap().unwrap(), "INVALID_CREDENTIALS");
    for _ in 0..5 {
        assert_eq!(app.me(&john.access_token).await.unwrap(), john.user);
    }
    app.refresh(&john.refresh_token).await.unwrap();
    let mut answered = 0;
    while flood.try_join_next().is_some() {
        answered += 1;
    }
    assert!(answered < 190, "{answered} logins were answered before");
    let rest = flood.join_all().await;
    assert!(
        rest.iter().all(|code| code == "INVALID_CREDENTIALS"),
        "every login is checked"
    );
}
