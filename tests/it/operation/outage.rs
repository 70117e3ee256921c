//! Outages of a store: which requests are served, which are refused, and that all work again
//! afterwards.

use std::thread::available_parallelism;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{State, TestApp, code, eventually, http, raw};

const DOWN: [State; 2] = [State::Cut, State::Hung];

#[tokio::test]
async fn without_redis_me_is_served_and_other_operations_are_unavailable() {
    let (app, _database, redis) = TestApp::with_proxies().await;
    let john = app.john().await;
    for state in DOWN {
        redis.set(state);
        let client = app.client();
        assert_eq!(app.me(&john.access_token).await.unwrap(), john.user, "{state:?}");
        assert_eq!(
            code(client.register_with("jane@example.com", "Password@123", "jane").await),
            "UNAVAILABLE"
        );
        assert_eq!(
            code(app.login("john.doe@example.com", "Password@123").await),
            "UNAVAILABLE"
        );
        assert_eq!(code(app.refresh(&john.refresh_token).await), "UNAVAILABLE");
        let (status, _, readiness) = raw(http().get(app.url("/readyz"))).await;
        assert_eq!(
            (status.as_u16(), &readiness["redis"], &readiness["database"]),
            (503, &"down".into(), &"up".into())
        );
        assert_eq!(raw(http().get(app.url("/.well-known/jwks.json"))).await.0, 200);
        redis.set(State::Open);
        app.until_ready().await;
    }
    assert_eq!(
        app.stores.rows().await,
        (1, 1),
        "a refused operation has no partial effect"
    );
    assert!(
        app.client()
            .register_with("jane@example.com", "Password@123", "jane")
            .await
            .is_ok()
    );
    app.clock.advance(Duration::from_hours(1));
    assert_eq!(code(app.refresh(&john.refresh_token).await), "ok");
}

#[tokio::test]
async fn a_logout_without_redis_changes_nothing_and_can_be_repeated() {
    let (app, _database, redis) = TestApp::with_proxies().await;
    let john = app.john().await;
    let elsewhere = app.login("john.doe@example.com", "Password@123").await.unwrap();
    for state in DOWN {
        redis.set(state);
        for scope in ["current", "others", "all"] {
            let outcome = app.client().logout(Some(&john.access_token), None, Some(scope)).await;
            assert_eq!(code(outcome), "UNAVAILABLE", "{state:?} {scope}");
        }
        redis.set(State::Open);
        app.until_ready().await;
        for session in [&john, &elsewhere] {
            assert_eq!(
                code(app.me(&session.access_token).await),
                "ok",
                "a refused logout ends no session"
            );
        }
    }
    app.client()
        .logout(Some(&john.access_token), None, Some("all"))
        .await
        .unwrap();
    for session in [&john, &elsewhere] {
        assert_eq!(
            app.me(&session.access_token).await.unwrap_err().reason.as_deref(),
            Some("revoked")
        );
        assert_eq!(code(app.refresh(&session.refresh_token).await), "REFRESH_TOKEN_INVALID");
    }
}

#[tokio::test]
async fn without_postgres_sessions_in_redis_continue_and_no_session_ends() {
    let (app, database, _redis) = TestApp::with_proxies().await;
    let mut john = app.john().await;
    john = app.refresh(&john.refresh_token).await.unwrap();
    let renewed = app.login("john.doe@example.com", "Password@123").await.unwrap();
    for state in DOWN {
        database.set(state);
        assert_eq!(app.me(&john.access_token).await.unwrap(), john.user, "{state:?}");
        john = app.refresh(&john.refresh_token).await.unwrap();
        // Redis does not have this session yet.
        assert_eq!(code(app.me(&renewed.access_token).await), "UNAVAILABLE", "{state:?}");
        assert_eq!(code(app.refresh(&renewed.refresh_token).await), "UNAVAILABLE");
        assert_eq!(
            code(app.login("john.doe@example.com", "Password@123").await),
            "UNAVAILABLE"
        );
        assert_eq!(
            code(app.client().logout(None, Some(&renewed.refresh_token), None).await),
            "UNAVAILABLE"
        );
        let (status, headers, readiness) = raw(http().get(app.url("/readyz"))).await;
        assert_eq!((status.as_u16(), &readiness["database"]), (503, &"down".into()));
        assert!(headers.contains_key("x-request-id"));
        let (status, headers, _) = raw(http().get(app.url("/auth/me")).bearer_auth(&renewed.access_token)).await;
        assert_eq!((status.as_u16(), headers["retry-after"].to_str().unwrap()), (503, "1"));
        assert_eq!(raw(http().get(app.url("/.well-known/jwks.json"))).await.0, 200);
        database.set(State::Open);
        app.until_ready().await;
    }
    app.clock.advance(Duration::from_mins(10));
    let again = app
        .refresh(&renewed.refresh_token)
        .await
        .expect("an outage longer than the grace period ends no session");
    assert_eq!(app.me(&again.access_token).await.unwrap(), john.user);
    let again = app.refresh(&john.refresh_token).await;
    assert_eq!(
        again.unwrap().user,
        john.user,
        "refreshes during the outage are in Redis, although PostgreSQL has not received them"
    );
}

/// A hung Redis executes the refresh when it resumes. The client got `UNAVAILABLE` and retries with
/// a token that is the predecessor by then.
#[tokio::test]
async fn an_outage_of_redis_does_not_consume_the_grace_period() {
    let (app, _database, redis) = TestApp::with_proxies().await;
    let john = app.john().await;
    app.refresh(&john.refresh_token).await.unwrap();
    let renewed = app.refresh(&john.refresh_token).await.unwrap();
    app.clock.advance(Duration::from_hours(1));
    redis.set(State::Hung);
    assert_eq!(code(app.refresh(&renewed.refresh_token).await), "UNAVAILABLE");
    app.clock.advance(Duration::from_mins(10));
    redis.set(State::Open);
    app.until_ready().await;
    let again = app
        .refresh(&renewed.refresh_token)
        .await
        .expect("the outage extends the grace period");
    assert_eq!(app.me(&again.access_token).await.unwrap(), john.user);
    app.client()
        .logout(None, Some(&renewed.refresh_token), Some("others"))
        .await
        .expect("a logout judges the token by the same grace period");
    app.clock.advance(Duration::from_secs(11));
    assert_eq!(code(app.refresh(&renewed.refresh_token).await), "REFRESH_TOKEN_REUSED");
}

/// So many clients with one connection each that every thread of the gateway serves at least one.
fn clients_of_all_threads() -> Vec<reqwest::Client> {
    let threads = available_parallelism().unwrap().get();
    (0..threads * 2).map(|_| http()).collect()
}

/// Each thread has its own connection to Redis. A thread without requests does not notice that its
/// connection broke.
#[tokio::test]
async fn a_ready_gateway_has_a_redis_connection_on_every_thread() {
    let (app, _database, redis) = TestApp::with_proxies().await;
    let clients = clients_of_all_threads();
    let login = async |client: &reqwest::Client| {
        let asked = json!({ "username": "johndoe", "password": "Password@123" });
        raw(client.post(app.url("/auth/login")).json(&asked)).await.0
    };
    let _john = app.john().await;
    for client in &clients {
        assert_eq!(login(client).await, 200);
    }
    redis.set(State::Cut);
    assert_eq!(login(&clients[0]).await, 503);
    redis.set(State::Open);
    app.until_ready().await;
    for client in &clients {
        assert_eq!(login(client).await, 200);
    }
}

/// A server that vanishes does not close its connections: they stay silent for ever, while its
/// successor accepts new ones.
#[tokio::test]
async fn silent_connections_to_postgres_and_redis_are_replaced() {
    let (app, database, redis) = TestApp::with_proxies().await;
    let mut john = app.john().await;
    let clients = clients_of_all_threads();
    let readiness = async |client: &reqwest::Client| raw(client.get(app.url("/readyz"))).await.0;
    for (proxy, least) in [(&redis, 1), (&database, 5)] {
        // More connections than the gateway's own background work can use at the same time.
        eventually("the gateway has several connections", async || {
            let ready = join_all(clients.iter().chain(&clients).map(readiness)).await;
            assert!(ready.iter().all(|status| *status == 200));
            (proxy.connections() >= least).then_some(())
        })
        .await;
        proxy.silence_connections();
        assert_eq!(readiness(&clients[0]).await, 503);
        app.until_ready().await;
        let renewed = async || app.refresh(&john.refresh_token).await.ok();
        john = eventually("the session can be refreshed again", renewed).await;
    }
}
