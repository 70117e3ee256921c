//! Rotation of the signing keys, and verification of tokens by other services.

use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::harness::{
    AUTH_SECRET, Api, Backend, Process, RedisUser, Stores, TestApp, eventually, http, node, raw, run_to_end, scenario,
};

scenario! {
    async fn a_service_discovers_the_keys_and_verifies_a_token(app: &TestApp) {
        let john = app.john().await;
        let (status, headers, discovery) = raw(http().get(app.url("/.well-known/openid-configuration"))).await;
        assert_eq!(status, 200);
        assert_eq!(headers["cache-control"], "public, max-age=300");
        assert_eq!(discovery["issuer"], "http://localhost:8000");
        assert_eq!(discovery["jwks_uri"], "http://localhost:8000/.well-known/jwks.json");
        assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["EdDSA"]));

        let (_, _, jwks) = raw(http().get(app.url("/.well-known/jwks.json"))).await;
        let jwks: JwkSet = serde_json::from_value(jwks).unwrap();
        let header = decode_header(&john.access_token).unwrap();
        assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::EdDSA, Some("at+jwt")));
        let key = DecodingKey::from_jwk(jwks.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_issuer(&["http://localhost:8000"]);
        rules.set_audience(&["auth-gateway"]);
        let claims = decode::<Value>(&john.access_token, &key, &rules).unwrap().claims;
        assert_eq!(claims["sub"], json!(john.user.uuid));
        assert_eq!(claims["roles"], json!(["user"]));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
        for id in ["sid", "jti"] {
            assert!(uuid::Uuid::parse_str(claims[id].as_str().unwrap()).is_ok());
        }
        assert!(!claims.to_string().contains("example.com"), "personal data in a token: {claims}");
    }
}

/// Verifies with the gateway's own library, and with an independent one in Node.js.
#[tokio::test]
async fn tokens_of_each_algorithm_are_verified_by_the_gateway_and_by_node_js() {
    for (setting, name, algorithm) in [
        ("EdDSA", "EdDSA", Algorithm::EdDSA),
        ("es256", "ES256", Algorithm::ES256),
        ("rS256", "RS256", Algorithm::RS256),
    ] {
        let app = TestApp::with(Backend::Postgres, Api::Graphql, &["--jwt-algorithm", setting]).await;
        let john = app.john().await;
        assert_eq!(app.me(&john.access_token).await.unwrap(), john.user);
        let header = decode_header(&john.access_token).unwrap();
        assert_eq!(header.alg, algorithm);
        let (_, _, discovery) = raw(http().get(app.url("/.well-known/openid-configuration"))).await;
        assert_eq!(discovery["id_token_signing_alg_values_supported"], json!([name]));

        let (_, _, jwks) = raw(http().get(app.url("/.well-known/jwks.json"))).await;
        let keys: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
        let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut rules = Validation::new(algorithm);
        rules.set_audience(&["auth-gateway"]);
        let claims = decode::<Value>(&john.access_token, &key, &rules).unwrap().claims;
        assert_eq!(claims["sub"], json!(john.user.uuid));

        let run = node(&["verify.mjs", &jwks.to_string(), &john.access_token]);
        assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
        assert_eq!(serde_json::from_slice::<Value>(&run.stdout).unwrap(), claims);
    }
}

async fn published(app: &TestApp) -> Vec<String> {
    let (_, _, jwks) = raw(http().get(app.url("/.well-known/jwks.json"))).await;
    jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn kid(token: &str) -> String {
    decode_header(token).unwrap().kid.unwrap()
}

/// Runs `keys rotate` with the app's settings and these. Returns its output.
fn rotate(app: &TestApp, settings: &[(&str, &str)]) -> String {
    let mut environment = vec![
        ("DATABASE_URL", app.stores.database_url.as_str()),
        ("AUTH_SECRET", AUTH_SECRET),
    ];
    environment.extend(settings);
    let output = run_to_end(app.stores.folder.path(), &["keys", "rotate"], &environment);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until the node's maintenance, which runs about every second, has published so many keys.
async fn until_published(app: &TestApp, count: usize) -> Vec<String> {
    let keys = async || Some(published(app).await).filter(|keys| keys.len() == count);
    eventually("the node has published its keys", keys).await
}

#[tokio::test]
async fn a_successor_is_published_before_it_signs_and_ends_no_session_with_postgres() {
    let app = TestApp::new(Backend::Postgres, Api::Rest).await;
    let other = app.second_node(&[]).await;
    let john = app.john().await;
    let old = kid(&john.access_token);
    assert_eq!(published(&app).await, std::slice::from_ref(&old));

    let listed = rotate(&app, &[]);
    assert!(listed.contains(&format!("signing    EdDSA  {old}")), "{listed}");
    assert!(listed.contains("published  EdDSA  "), "{listed}");

    app.clock.advance(Duration::from_secs(31));
    let keys = until_published(&app, 2).await;
    let new = keys.into_iter().find(|key| *key != old).unwrap();
    let before = app.refresh(&john.refresh_token).await.unwrap();
    assert_eq!(
        kid(&before.access_token),
        old,
        "verifiers may not have seen the new key yet"
    );
    app.clock.advance(Duration::from_mins(7));
    let after = app.refresh(&before.refresh_token).await.unwrap();
    assert_eq!(kid(&after.access_token), new);
    for token in [&before.access_token, &after.access_token] {
        assert_eq!(app.me(token).await.unwrap(), john.user);
        assert_eq!(
            other.me(token).await.unwrap(),
            john.user,
            "a node reads the keys when it sees an unknown one"
        );
    }
    app.clock.advance(Duration::from_mins(17));
    assert_eq!(until_published(&app, 1).await, [new]);
}

/// With a short lead, and with one of a day for verifiers that cache the JWKS so long.
#[tokio::test]
async fn a_new_key_signs_after_the_configured_lead() {
    for (lead, seconds, max_age, look) in [
        ("30s", 30, "public, max-age=21", 3),
        ("1d", 86400, "public, max-age=300", 31),
    ] {
        let app = TestApp::with(Backend::Sqlite, Api::Rest, &["--signing-key-lead", lead]).await;
        let john = app.john().await;
        for document in ["jwks.json", "openid-configuration"] {
            let (_, headers, _) = raw(http().get(app.url(&format!("/.well-known/{document}")))).await;
            assert_eq!(headers["cache-control"], max_age);
        }
        rotate(&app, &[("SIGNING_KEY_LEAD", lead)]);
        app.clock.advance(Duration::from_secs(look));
        until_published(&app, 2).await;
        app.clock.advance(Duration::from_secs(seconds - look - 1));
        let before = app.refresh(&john.refresh_token).await.unwrap();
        assert_eq!(
            kid(&before.access_token),
            kid(&john.access_token),
            "{lead} has not passed"
        );
        // The command uses the machine's clock, which has advanced since the test's clock stopped.
        app.clock.advance(Duration::from_secs(31));
        let after = app.refresh(&before.refresh_token).await.unwrap();
        assert_ne!(kid(&after.access_token), kid(&john.access_token), "{lead} has passed");
    }
}

/// The lead is lowered while a key waits to sign. Verifiers must find whichever key signs.
#[tokio::test]
async fn the_signing_key_is_always_published() {
    let app = TestApp::new(Backend::Sqlite, Api::Rest).await;
    app.john().await;
    rotate(&app, &[("SIGNING_KEY_LEAD", "1d")]);
    rotate(&app, &[("SIGNING_KEY_LEAD", "30s")]);
    app.clock.advance(Duration::from_secs(31));
    until_published(&app, 3).await;
    for _ in 0..3 {
        app.clock.advance(Duration::from_hours(9));
        let john = app.login("john.doe@example.com", "Password@123").await.unwrap();
        assert!(published(&app).await.contains(&kid(&john.access_token)));
    }
}

fn algorithm(token: &str) -> Algorithm {
    decode_header(token).unwrap().alg
}

/// A node starts with another algorithm, beside one with the old algorithm.
#[tokio::test]
async fn a_change_of_the_algorithm_ends_no_session_with_postgres() {
    let app = TestApp::new(Backend::Postgres, Api::Rest).await;
    let john = app.john().await;
    let restarted = app.second_node(&["--jwt-algorithm=ES256"]).await;
    app.clock.advance(Duration::from_secs(31));
    let keys = until_published(&app, 2).await;
    assert!(keys.contains(&kid(&john.access_token)));
    let (_, _, discovery) = raw(http().get(app.url("/.well-known/openid-configuration"))).await;
    assert_eq!(
        discovery["id_token_signing_alg_values_supported"],
        json!(["ES256", "EdDSA"])
    );
    let before = restarted.refresh(&john.refresh_token).await.unwrap();
    assert_eq!(algorithm(&before.access_token), Algorithm::EdDSA);
    app.clock.advance(Duration::from_mins(7));
    let after = app.refresh(&before.refresh_token).await.unwrap();
    assert_eq!(algorithm(&after.access_token), Algorithm::ES256);
    for client in [app.client(), restarted] {
        for token in [&before.access_token, &after.access_token] {
            assert_eq!(client.me(token).await.unwrap(), john.user);
        }
    }
}

/// Two nodes and a command have different settings, as during an update.
#[tokio::test]
async fn nodes_with_different_algorithms_publish_one_key_each_with_postgres() {
    let app = TestApp::new(Backend::Postgres, Api::Rest).await;
    app.second_node(&["--jwt-algorithm=ES256"]).await;
    let listed = rotate(&app, &[("JWT_ALGORITHM", "RS256")]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    for algorithm in ["signing    EdDSA", "published  ES256", "published  RS256"] {
        assert!(listed.contains(algorithm), "{listed}");
    }
    app.clock.advance(Duration::from_secs(31));
    until_published(&app, 3).await;
    let stored = "SELECT CAST(COUNT(*) AS TEXT) FROM signing_keys";
    assert_eq!(app.stores.text(stored).await, "3");
}

/// Generating an RSA key is slow, so all nodes read the keys before the first key is stored.
#[tokio::test]
async fn nodes_that_start_together_with_another_algorithm_publish_one_key_on_sqlite_and_postgres() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::new(backend, Api::Rest).await;
        let options = ["--jwt-algorithm=RS256"];
        let start = || app.second_node(&options);
        tokio::join!(start(), start(), start(), start());
        app.clock.advance(Duration::from_secs(31));
        until_published(&app, 2).await;
        let stored = "SELECT CAST(COUNT(*) AS TEXT) FROM signing_keys";
        assert_eq!(app.stores.text(stored).await, "2");
    }
}

/// A failing part of maintenance must not prevent the other parts.
#[tokio::test]
async fn keys_are_rotated_while_redis_refuses_pending_tombstones() {
    let user = RedisUser::new().await;
    user.forbid_writing("auth-gateway:session:").await;
    let mut app = TestApp::stores_only(Backend::PostgresRedis, Api::Rest).await;
    app.start(&["--redis-url", &user.url, "--signing-key-max-age=1h"]).await;
    let john = app.john().await;
    let logout = app.client().logout(Some(&john.access_token), None, None).await;
    assert_eq!(
        logout.unwrap_err().code,
        "UNAVAILABLE",
        "SQL has ended the session, and Redis refuses its tombstone"
    );
    app.clock.advance(Duration::from_mins(54));
    until_published(&app, 2).await;
}

#[tokio::test]
async fn an_old_key_gets_a_successor_automatically() {
    let app = TestApp::with(Backend::Sqlite, Api::Rest, &["--signing-key-max-age=1h"]).await;
    let john = app.john().await;
    app.clock.advance(Duration::from_mins(54));
    let keys = until_published(&app, 2).await;
    assert!(keys.contains(&kid(&john.access_token)));
    app.clock.advance(Duration::from_mins(8));
    let renewed = app.refresh(&john.refresh_token).await.unwrap();
    assert_ne!(kid(&renewed.access_token), kid(&john.access_token));
}

/// Three starts replace the secret and end no session.
#[tokio::test]
async fn a_change_of_auth_secret_ends_no_session() {
    const NEW: &str = "QW5vdGhlciBzZWNyZXQsIGZvciB0ZXN0cyBhbG9uZS4h";
    let both = format!("{NEW},{AUTH_SECRET}");
    let stores = Stores::new(Backend::Sqlite).await;
    let start = |secret: &str| {
        Process::start(
            stores.folder.path(),
            &["--argon2-memory-kib=128", "--auth-secret", secret],
        )
    };
    let refresh = async |gateway: &Process, token: &Value| {
        let body = json!({ "refresh_token": token });
        let (status, _, renewed) = raw(http().post(format!("{}/auth/refresh", gateway.url)).json(&body)).await;
        assert_eq!(status, 200, "{renewed}");
        renewed["token"]["refresh_token"].clone()
    };

    let gateway = start(AUTH_SECRET);
    let john = json!({"email": "john.doe@example.com", "password": "Password@123", "username": "johndoe"});
    let (_, _, signed_in) = raw(http().post(format!("{}/auth/register", gateway.url)).json(&john)).await;
    drop(gateway);

    let gateway = start(&both);
    let token = refresh(&gateway, &signed_in["token"]["refresh_token"]).await;
    let resealed = run_to_end(stores.folder.path(), &["keys", "reseal"], &[("AUTH_SECRET", &both)]);
    assert!(resealed.status.success(), "{resealed:?}");
    drop(gateway);

    let gateway = start(NEW);
    refresh(&gateway, &token).await;
    let me = http().get(format!("{}/auth/me", gateway.url));
    let access = signed_in["token"]["access_token"].as_str().unwrap();
    assert_eq!(raw(me.bearer_auth(access)).await.0, 200, "the signing key is the same");
}

#[tokio::test]
async fn a_wrong_auth_secret_is_reported_at_the_start() {
    let stores = Stores::new(Backend::Sqlite).await;
    let first = [("AUTH_SECRET", AUTH_SECRET)];
    let second = [("AUTH_SECRET", "QW5vdGhlciBzZWNyZXQsIGZvciB0ZXN0cyBhbG9uZS4h")];
    let gateway = Process::start(stores.folder.path(), &["--auth-secret", first[0].1]);
    drop(gateway);
    let output = run_to_end(stores.folder.path(), &["serve", "--port", "0"], &second);
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{sentence}");
    assert!(
        sentence.contains("cannot be opened with this AUTH_SECRET"),
        "{sentence}"
    );
    let listed = run_to_end(stores.folder.path(), &["keys", "list"], &[]);
    assert!(
        String::from_utf8(listed.stdout)
            .unwrap()
            .starts_with("signing    EdDSA  ")
    );
}

#[tokio::test]
async fn readiness_reports_each_dependency_with_sqlite_and_with_redis() {
    for (backend, redis) in [(Backend::Sqlite, "not used"), (Backend::PostgresRedis, "up")] {
        let app = TestApp::new(backend, Api::Rest).await;
        let (status, _, readiness) = raw(http().get(app.url("/readyz"))).await;
        assert_eq!(status, 200);
        assert_eq!(readiness, json!({"status": "ready", "database": "up", "redis": redis}));
        assert_eq!(raw(http().get(app.url("/livez"))).await.0, 200);
    }
}
