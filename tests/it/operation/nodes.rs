//! Several nodes over the same stores.

use crate::harness::{Api, Backend, Process, Stores, TestApp, http, raw};
use serde_json::json;

/// The next request at the other node is refused already.
async fn a_logout_takes_effect_on_every_node(backend: Backend) {
    let app = TestApp::new(backend, Api::Rest).await;
    let other = app.second_node(&[]).await;
    app.john().await;
    let signed_in = app.login("john.doe@example.com", "Password@123").await.unwrap();
    assert_eq!(other.me(&signed_in.access_token).await.unwrap(), signed_in.user);
    let renewed = other.refresh(&signed_in.refresh_token).await.unwrap();
    app.client()
        .logout(Some(&renewed.access_token), None, None)
        .await
        .unwrap();
    for token in [&signed_in.access_token, &renewed.access_token] {
        assert_eq!(other.me(token).await.unwrap_err().reason.as_deref(), Some("revoked"));
    }
    assert_eq!(
        other.refresh(&renewed.refresh_token).await.unwrap_err().code,
        "REFRESH_TOKEN_INVALID"
    );
}

#[tokio::test]
async fn a_logout_takes_effect_on_every_node_with_postgres() {
    a_logout_takes_effect_on_every_node(Backend::Postgres).await;
}

#[tokio::test]
async fn a_logout_takes_effect_on_every_node_with_postgres_and_redis() {
    a_logout_takes_effect_on_every_node(Backend::PostgresRedis).await;
}

/// Four processes start on an empty database. The migrations and the first signing key are applied
/// once.
#[tokio::test]
async fn nodes_that_start_together_share_one_key_with_sqlite_postgres_and_redis() {
    for backend in [Backend::Sqlite, Backend::PostgresRedis] {
        let stores = Stores::new(backend).await;
        let mut options = vec!["--database-url", &stores.database_url, "--argon2-memory-kib=128"];
        if let Some(url) = &stores.redis_url {
            options.extend(["--redis-url", url]);
        }
        let nodes: Vec<Process> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| Process::start(stores.folder.path(), &options)))
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let body = json!({"email": "john.doe@example.com", "password": "Password@123", "username": "johndoe"});
        let (status, _, signed_in) = raw(http().post(format!("{}/auth/register", nodes[0].url)).json(&body)).await;
        assert_eq!(status, 201);
        let token = signed_in["token"]["access_token"].as_str().unwrap();
        for node in &nodes {
            let (status, _, user) = raw(http().get(format!("{}/auth/me", node.url)).bearer_auth(token)).await;
            assert_eq!((status.as_u16(), &user), (200, &signed_in["user"]));
        }
    }
}

/// A kill loses nothing that the process acknowledged.
#[tokio::test]
async fn state_survives_a_kill_and_a_restart() {
    let stores = Stores::new(Backend::Sqlite).await;
    let options = ["--argon2-memory-kib=128"];
    let mut first = Process::start(stores.folder.path(), &options);
    let body = json!({"email": "john.doe@example.com", "password": "Password@123", "username": "johndoe"});
    let (status, _, john) = raw(http().post(format!("{}/auth/register", first.url)).json(&body)).await;
    assert_eq!(status, 201);
    let login = json!({"email": "john.doe@example.com", "password": "Password@123"});
    let (_, _, gone) = raw(http().post(format!("{}/auth/login", first.url)).json(&login)).await;
    let token = |signed_in: &serde_json::Value, name: &str| signed_in["token"][name].as_str().unwrap().to_owned();
    let logout = http()
        .post(format!("{}/auth/logout", first.url))
        .bearer_auth(token(&gone, "access_token"));
    assert_eq!(raw(logout).await.0, 204);
    first.signal("KILL");
    first.wait();

    let second = Process::start(stores.folder.path(), &options);
    let me = |access: String| raw(http().get(format!("{}/auth/me", second.url)).bearer_auth(access));
    assert_eq!(me(token(&john, "access_token")).await.0, 200);
    assert_eq!(me(token(&gone, "access_token")).await.0, 401);
    let refresh = json!({"refresh_token": token(&john, "refresh_token")});
    assert_eq!(
        raw(http().post(format!("{}/auth/refresh", second.url)).json(&refresh))
            .await
            .0,
        200
    );
    assert_eq!(
        raw(http().post(format!("{}/auth/login", second.url)).json(&login))
            .await
            .0,
        200
    );
}
