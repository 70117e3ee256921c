//! The `sessionEnded` subscription.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Api, Backend, Received, SignedIn, Socket, TestApp, eventually};

const QUERY: &str = "subscription { sessionEnded { sessionId reason endedAt } }";

async fn waiting(url: &str, session: &SignedIn) -> Socket {
    let mut socket = Socket::bearing(url, &session.access_token).await;
    socket.subscribe("1", QUERY).await;
    socket
}

/// The event of the subscription, which is then complete.
async fn event(socket: &mut Socket) -> Value {
    let next = socket.message().await;
    assert_eq!((&next["type"], &next["id"]), (&json!("next"), &json!("1")), "{next}");
    assert_eq!(socket.message().await, json!({"type": "complete", "id": "1"}));
    next["payload"].clone()
}

async fn reason(socket: &mut Socket) -> String {
    let event = event(socket).await;
    let ended = &event["data"]["sessionEnded"];
    assert!(
        ended["endedAt"].is_string() && ended["sessionId"].is_string(),
        "{event}"
    );
    ended["reason"].as_str().unwrap().to_owned()
}

async fn code(socket: &mut Socket) -> (String, Value) {
    let event = event(socket).await;
    let extensions = &event["errors"][0]["extensions"];
    (
        extensions["code"].as_str().unwrap_or_default().to_owned(),
        extensions["reason"].clone(),
    )
}

/// Subscribers at the other node get the event. Subscribers of other sessions do not.
#[tokio::test]
async fn subscribers_at_every_node_get_the_end_and_its_reason_with_sqlite_postgres_and_redis() {
    for backend in [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis] {
        let app = TestApp::new(backend, Api::Rest).await;
        let other = app.second_node(&[]).await;
        let url = format!("http://{}", other.address);
        let john = app.john().await;
        let (mut sessions, mut sockets) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            let session = app.login("john.doe@example.com", "Password@123").await.unwrap();
            sockets.push(waiting(&url, &session).await);
            sessions.push(session);
        }
        let mut bystander = waiting(&url, &john).await;

        let client = app.client();
        client
            .logout(Some(&sessions[0].access_token), None, None)
            .await
            .unwrap();
        assert_eq!(reason(&mut sockets[0]).await, "LOGOUT", "{backend:?}");

        let mut token = sessions[1].refresh_token.clone();
        for _ in 0..2 {
            token = app.refresh(&token).await.unwrap().refresh_token;
        }
        assert_eq!(
            app.refresh(&sessions[1].refresh_token).await.unwrap_err().code,
            "REFRESH_TOKEN_REUSED"
        );
        assert_eq!(reason(&mut sockets[1]).await, "REUSE", "{backend:?}");

        let listed = app.client().sessions(&sessions[2].access_token).await.unwrap();
        let own = listed.iter().find(|session| session["current"] == true).unwrap();
        client
            .end_session(&john.access_token, own["id"].as_str().unwrap())
            .await
            .unwrap();
        assert_eq!(reason(&mut sockets[2]).await, "ENDED_ELSEWHERE", "{backend:?}");

        client
            .logout(Some(&john.access_token), None, Some("others"))
            .await
            .unwrap();
        assert_eq!(reason(&mut sockets[3]).await, "ENDED_ELSEWHERE", "{backend:?}");

        client.logout(Some(&john.access_token), None, None).await.unwrap();
        assert_eq!(
            reason(&mut bystander).await,
            "LOGOUT",
            "the first event is the end of its own session: {backend:?}"
        );
    }
}

#[tokio::test]
async fn a_subscription_outlives_its_access_token() {
    let app = TestApp::new(Backend::Sqlite, Api::Rest).await;
    let john = app.john().await;
    let mut socket = waiting(&app.url(""), &john).await;
    // An answer to this message means that the subscription before it was accepted.
    socket.subscribe("2", "subscription { sessionEnded { nothing } }").await;
    assert_eq!(socket.message().await["id"], json!("2"));
    assert_eq!(socket.message().await, json!({"type": "complete", "id": "2"}));
    app.clock.advance(Duration::from_hours(1));
    app.client()
        .logout(None, Some(&john.refresh_token), None)
        .await
        .unwrap();
    assert_eq!(reason(&mut socket).await, "LOGOUT");
}

#[tokio::test]
async fn a_subscription_to_an_ended_session_is_answered_at_once() {
    let options = ["--access-token-ttl=1h", "--refresh-token-ttl=1m"];
    let app = TestApp::with(Backend::Sqlite, Api::Rest, &options).await;
    let john = app.john().await;
    let elsewhere = app.login("john.doe@example.com", "Password@123").await.unwrap();
    app.client().logout(Some(&john.access_token), None, None).await.unwrap();
    assert_eq!(reason(&mut waiting(&app.url(""), &john).await).await, "LOGOUT");
    app.clock.advance(Duration::from_mins(2));
    assert_eq!(reason(&mut waiting(&app.url(""), &elsewhere).await).await, "EXPIRED");
}

#[tokio::test]
async fn a_subscription_without_a_valid_token_is_refused_with_the_reason() {
    let app = TestApp::new(Backend::Sqlite, Api::Rest).await;
    let john = app.john().await;
    let url = app.url("");
    let refused = async |parameters: Value| {
        let mut socket = Socket::with_parameters(&url, parameters).await;
        socket.subscribe("1", QUERY).await;
        code(&mut socket).await
    };
    for (parameters, reason) in [
        (json!({}), "missing"),
        (json!(null), "missing"),
        (json!({"authorization": "nonsense"}), "invalid"),
        (json!({"Authorization": 7}), "invalid"),
        (
            json!({"authorization": format!("Bearer {}", john.refresh_token)}),
            "invalid",
        ),
    ] {
        assert_eq!(
            refused(parameters.clone()).await,
            ("UNAUTHENTICATED".to_owned(), json!(reason)),
            "{parameters}"
        );
    }
    app.clock.advance(Duration::from_hours(1));
    let expired = json!({"authorization": format!("bearer {}", john.access_token)});
    assert_eq!(refused(expired).await, ("UNAUTHENTICATED".to_owned(), json!("expired")));
}

#[tokio::test]
async fn a_websocket_accepts_subscriptions_only() {
    let app = TestApp::new(Backend::Sqlite, Api::Rest).await;
    let john = app.john().await;
    let mut socket = Socket::bearing(&app.url(""), &john.access_token).await;
    for query in [
        "{ me { email } }",
        "mutation { logout }",
        "subscription {",
        "subscription { nothing }",
    ] {
        socket.subscribe("1", query).await;
        assert_eq!(code(&mut socket).await.0, "BAD_REQUEST", "{query}");
    }
    assert!(
        app.me(&john.access_token).await.is_ok(),
        "the mutation was not executed"
    );
}

#[tokio::test]
async fn subscriptions_are_limited_per_websocket() {
    let app = TestApp::new(Backend::Sqlite, Api::Rest).await;
    let john = app.john().await;
    let mut socket = Socket::bearing(&app.url(""), &john.access_token).await;
    for number in 0..17 {
        socket.subscribe(&number.to_string(), QUERY).await;
    }
    let refused = socket.message().await;
    assert_eq!(
        refused["payload"]["errors"][0]["extensions"]["code"], "BAD_REQUEST",
        "{refused}"
    );
    assert_eq!(socket.message().await, json!({"type": "complete", "id": refused["id"]}));
    socket.send(&json!({"type": "complete", "id": "0"})).await;
    assert_eq!(socket.message().await["type"], "complete");
    socket.subscribe("again", QUERY).await;
    app.client().logout(Some(&john.access_token), None, None).await.unwrap();
    let mut told = 0;
    while told < 16 {
        let message = socket.message().await;
        assert!(message["payload"]["errors"].is_null(), "{message}");
        told += u32::from(message["type"] == "next");
    }
}

#[tokio::test]
async fn an_invalid_handshake_is_refused() {
    let app = TestApp::new(Backend::Sqlite, Api::Rest).await;
    for protocol in [None, Some("graphql-ws"), Some("mqtt")] {
        let Err((status, body)) = Socket::open(&app.url(""), protocol).await else {
            panic!("{protocol:?} was accepted");
        };
        assert_eq!(
            (status, &body["errors"][0]["extensions"]["code"]),
            (400, &json!("BAD_REQUEST")),
            "{protocol:?}"
        );
    }
    let both = Socket::open(&app.url(""), Some("graphql-ws, graphql-transport-ws")).await;
    assert!(both.is_ok(), "the supported protocol is chosen");
}

#[tokio::test]
async fn a_websocket_that_breaks_the_protocol_is_closed() {
    let app = TestApp::new(Backend::Sqlite, Api::Rest).await;
    let init = json!({"type": "connection_init"});
    let early = json!({"type": "subscribe", "id": "1", "payload": {"query": QUERY}});
    for (messages, code) in [
        (vec![&json!("nonsense")], 1002),
        (vec![&early], 1011),
        (vec![&init, &init], 4429),
    ] {
        let mut socket = Socket::open(&app.url(""), Some("graphql-transport-ws")).await.unwrap();
        for message in &messages {
            socket.send(message).await;
        }
        let mut last = socket.next().await;
        while matches!(last, Received::Message(_)) {
            last = socket.next().await;
        }
        assert_eq!(last, Received::Closed(code), "{messages:?}");
    }
}

/// Without `connection_init`, a connection is closed after a timeout.
#[tokio::test]
async fn a_websocket_without_connection_init_is_closed() {
    let app = TestApp::new(Backend::Sqlite, Api::Rest).await;
    let mut socket = Socket::open(&app.url(""), Some("graphql-transport-ws")).await.unwrap();
    assert_eq!(socket.next().await, Received::Closed(4408));
}

/// Without subscribers, the node does not query the database. With subscribers during an outage, no
/// event is lost.
#[tokio::test]
async fn an_outage_of_postgres_delays_events_and_loses_none() {
    use crate::harness::{State, TcpProxy};
    let mut app = TestApp::stores_only(Backend::Postgres, Api::Rest).await;
    app.start(&[]).await;
    let proxy = TcpProxy::to(&app.stores.database_url).await;
    let cut_off = app.second_node(&["--database-url", &proxy.url]).await;
    let john = app.john().await;
    let mut socket = waiting(&format!("http://{}", cut_off.address), &john).await;
    socket.subscribe("2", "subscription { nothing }").await;
    assert_eq!(socket.message().await["id"], json!("2"));
    assert_eq!(socket.message().await["id"], json!("2"));
    proxy.set(State::Cut);
    app.client().logout(Some(&john.access_token), None, None).await.unwrap();
    app.clock.advance(Duration::from_mins(3));
    let notices = async || (cut_off.me(&john.access_token).await.unwrap_err().code == "UNAVAILABLE").then_some(());
    eventually("the node notices the outage", notices).await;
    proxy.set(State::Open);
    assert_eq!(reason(&mut socket).await, "LOGOUT");
}
