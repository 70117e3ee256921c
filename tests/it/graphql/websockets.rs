//! WebSockets: allowed origins, limits and the idle timeout.

use serde_json::{Value, json};

use crate::harness::{Api, Backend, Received, Socket, TestApp, eventually};

fn refusal(outcome: Result<Socket, (u16, Value)>) -> (u16, String) {
    let Err((status, body)) = outcome else {
        return (101, "ok".to_owned());
    };
    let code = body["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("{body}"));
    (status, code.to_owned())
}

#[tokio::test]
async fn a_foreign_origin_cannot_open_a_websocket() {
    let options = [
        "--public-url=https://auth.example.com",
        "--cors-origins=https://app.example.com",
    ];
    let app = TestApp::with(Backend::Sqlite, Api::Graphql, &options).await;
    let open = async |headers: &[(&'static str, &str)]| Socket::try_open_with(&app.url(""), headers).await;
    for ours in ["https://auth.example.com", "https://app.example.com"] {
        assert!(open(&[("origin", ours)]).await.is_ok(), "{ours}");
        assert!(
            open(&[("origin", ours), ("sec-fetch-site", "cross-site")])
                .await
                .is_ok(),
            "{ours}"
        );
    }
    assert!(open(&[]).await.is_ok(), "a client without an origin");
    let foreign = [
        "https://evil.example",
        "http://auth.example.com",
        "https://app.example.com:8443",
        "null",
    ];
    for foreign in foreign {
        let (status, body) = open(&[("origin", foreign)]).await.err().unwrap();
        assert_eq!(status, 403, "{foreign}");
        assert_eq!(
            body["errors"][0]["extensions"]["code"], "FORBIDDEN",
            "{foreign}: {body}"
        );
    }
}

#[tokio::test]
async fn graphiql_opens_a_websocket_from_its_own_origin() {
    for (graphiql, opens) in [("--graphiql=on", true), ("--graphiql=off", false)] {
        let app = TestApp::with(Backend::Sqlite, Api::Graphql, &[graphiql]).await;
        let page = app.url("");
        let socket = Socket::try_open_with(&page, &[("origin", &page)]).await;
        assert_eq!(socket.is_ok(), opens, "{graphiql}");
    }
}

#[tokio::test]
async fn websockets_are_limited_per_network_and_freed_when_closed() {
    let options = ["--websockets-per-address=2", "--trusted-proxies=127.0.0.0/8"];
    let app = TestApp::with(Backend::Sqlite, Api::Graphql, &options).await;
    let open = async |address: &str| Socket::open_from(&app.url(""), address).await;
    let first = open("2001:db8:1:2::1").await.unwrap();
    let _second = open("2001:db8:1:2::2").await.unwrap();
    assert_eq!(refusal(open("2001:db8:1:2::3").await), (429, "RATE_LIMITED".to_owned()));
    assert!(open("2001:db8:1:3::1").await.is_ok(), "another network");
    drop(first);
    eventually("the closed connection no longer counts", async || {
        open("2001:db8:1:2::3").await.ok()
    })
    .await;
}

#[tokio::test]
async fn websockets_are_limited_in_total() {
    let options = ["--max-websockets=2", "--trusted-proxies=127.0.0.0/8"];
    let app = TestApp::with(Backend::Sqlite, Api::Graphql, &options).await;
    let open = async |address: &str| Socket::open_from(&app.url(""), address).await;
    let first = open("203.0.113.1").await.unwrap();
    let _second = open("203.0.113.2").await.unwrap();
    assert_eq!(refusal(open("203.0.113.3").await), (503, "UNAVAILABLE".to_owned()));
    assert!(app.john().await.expires_in > 0, "other requests are served");
    drop(first);
    eventually("the closed connection no longer counts", async || {
        open("203.0.113.3").await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_websocket_without_a_subscription_is_closed() {
    let app = TestApp::with(Backend::Sqlite, Api::Rest, &["--websocket-idle-timeout=200ms"]).await;
    let john = app.john().await;
    let mut waiting = Socket::bearing(&app.url(""), &john.access_token).await;
    waiting.subscribe("1", "subscription { sessionEnded { reason } }").await;
    for _ in 0..2 {
        let mut idle = Socket::bearing(&app.url(""), &john.access_token).await;
        assert_eq!(idle.next().await, Received::Closed(4408));
    }
    app.client().logout(Some(&john.access_token), None, None).await.unwrap();
    let event = waiting.message().await;
    assert_eq!(
        event["payload"]["data"]["sessionEnded"]["reason"], "LOGOUT",
        "a subscribed connection outlives idle ones"
    );
    assert_eq!(waiting.message().await, json!({"type": "complete", "id": "1"}));
    assert_eq!(
        waiting.next().await,
        Received::Closed(4408),
        "without a subscription it is idle"
    );
}
