//! Rate limits. A person does not reach them, an automated client does.

use std::time::Duration;

use auth_gateway::config::RedisUrl;
use auth_gateway::domain::clock::Timestamp;
use auth_gateway::domain::rate_limit::LIMITS;
use auth_gateway::domain::secret::SecretString;
use auth_gateway::store::limits::{LimitsInProcess, LimitsInRedis};
use auth_gateway::store::{Limits, Redis};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Api, Backend, TestApp, http, raw, redis_url};

const BACKENDS: [Backend; 3] = [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis];
const BEHIND_A_PROXY: &str = "--trusted-proxies=127.0.0.0/8";

/// A login by REST from this address, which a trusted proxy reports.
async fn login(app: &TestApp, email: &str, password: &str, address: &str) -> (StatusCode, HeaderMap, Value) {
    let body = json!({"email": email, "password": password});
    let request = http().post(app.url("/auth/login")).header("x-forwarded-for", address);
    raw(request.json(&body)).await
}

fn code(answer: &(StatusCode, HeaderMap, Value)) -> &str {
    answer.2["code"].as_str().unwrap_or("ok")
}

#[tokio::test]
async fn an_account_allows_ten_guesses_and_then_one_every_15_seconds_on_sqlite_postgres_and_redis() {
    for backend in BACKENDS {
        for api in [Api::Rest, Api::Graphql] {
            let app = TestApp::limited(backend, api, &[]).await;
            app.john().await;
            for _ in 0..10 {
                let refusal = app.login("john.doe@example.com", "Password@124").await.unwrap_err();
                assert_eq!(refusal.code, "INVALID_CREDENTIALS");
            }
            let right = app.login("john.doe@example.com", "Password@123").await.unwrap_err();
            assert_eq!(
                right.code, "RATE_LIMITED",
                "{backend:?} {api:?}: the correct password is not checked"
            );
            app.clock.advance(Duration::from_secs(15));
            assert!(app.login("john.doe@example.com", "Password@123").await.is_ok());
        }
    }
}

#[tokio::test]
async fn limits_do_not_reveal_whether_an_account_exists_on_sqlite_postgres_and_redis() {
    for backend in BACKENDS {
        let app = TestApp::limited(backend, Api::Rest, &[BEHIND_A_PROXY]).await;
        app.john().await;
        for _ in 0..12 {
            let known = login(&app, "john.doe@example.com", "Password@124", "203.0.113.1").await;
            let unknown = login(&app, "jane.doe@example.com", "Password@124", "203.0.113.2").await;
            assert_eq!(known.0, unknown.0);
            for header in ["ratelimit", "ratelimit-policy", "retry-after", "content-length"] {
                assert_eq!(known.1.get(header), unknown.1.get(header), "{header}");
            }
            assert_eq!(
                (code(&known), &known.2["detail"]),
                (code(&unknown), &unknown.2["detail"])
            );
        }
    }
}

#[tokio::test]
async fn failed_logins_of_others_do_not_lock_the_owner_out_with_postgres_and_redis() {
    let app = TestApp::limited(Backend::PostgresRedis, Api::Rest, &[BEHIND_A_PROXY]).await;
    let john = json!({"email": "john.doe@example.com", "password": "Password@123", "username": "johndoe"});
    let home = "2001:db8:1:2::1";
    let register = http().post(app.url("/auth/register")).header("x-forwarded-for", home);
    assert_eq!(raw(register.json(&john)).await.0, 201);
    for number in 0..60 {
        let guess = login(&app, "john.doe@example.com", "guess", &format!("203.0.113.{number}")).await;
        assert_eq!(
            code(&guess) == "RATE_LIMITED",
            number >= 10,
            "the addresses share one limit"
        );
    }
    // Another address of the same network.
    let owner = login(&app, "john.doe@example.com", "Password@123", "2001:db8:1:2:ffff::9").await;
    assert_eq!(code(&owner), "ok");
    let elsewhere = login(&app, "john.doe@example.com", "Password@123", "2001:db8:1:3::1").await;
    assert_eq!(code(&elsewhere), "RATE_LIMITED");
}

#[tokio::test]
async fn forty_failures_block_logins_for_a_day_and_a_success_resets_them() {
    let app = TestApp::limited(Backend::Sqlite, Api::Rest, &[]).await;
    app.john().await;
    let fail = async |times: u32| {
        for _ in 0..times {
            app.clock.advance(Duration::from_secs(15));
            let refusal = app.login("john.doe@example.com", "Password@124").await.unwrap_err();
            assert_eq!(refusal.code, "INVALID_CREDENTIALS");
        }
    };
    fail(39).await;
    assert!(app.login("john.doe@example.com", "Password@123").await.is_ok());
    fail(40).await;
    app.clock.advance(Duration::from_mins(1));
    let right = app.login("john.doe@example.com", "Password@123").await.unwrap_err();
    assert_eq!(right.code, "RATE_LIMITED");
    app.clock.advance(Duration::from_hours(24));
    assert!(app.login("john.doe@example.com", "Password@123").await.is_ok());
}

/// The limits count operations, so each alias in one request is one login.
#[tokio::test]
async fn each_login_in_one_graphql_request_is_charged() {
    let app = TestApp::limited(Backend::Sqlite, Api::Graphql, &[]).await;
    let john = json!({"email": "john.doe@example.com", "password": "Password@123", "username": "johndoe"});
    app.client().register(&john).await.unwrap();
    let right = |number: u32| {
        format!(
            "l{number}: login(input: {{username: \"johndoe\", password: \"Password@123\"}}) {{ token {{ tokenType }} }} "
        )
    };
    let query = format!("mutation {{ {} }}", (0..30).map(right).collect::<String>());
    let (_, headers, body) = raw(http().post(app.url("/graphql")).json(&json!({"query": query}))).await;
    assert_eq!(
        body["errors"][0]["path"],
        json!(["l10"]),
        "ten logins are executed: {body}"
    );
    assert_eq!(body["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert_eq!(body["errors"][0]["extensions"]["retryAfter"], 15);
    assert!(
        headers["ratelimit"]
            .to_str()
            .unwrap()
            .contains("\"login-account\";r=0;t=15"),
        "{headers:?}"
    );
    assert_eq!(app.stores.rows().await, (1, 11));
}

#[tokio::test]
async fn registrations_are_limited_by_network_and_headers_cannot_change_it() {
    let register = async |app: &TestApp, number: u32, forwarded: &str| {
        let body = json!({
            "email": format!("john{number}@example.com"), "password": "Password@123", "username": format!("john{number}"),
        });
        let request = http().post(app.url("/auth/register"));
        raw(request.header("x-forwarded-for", forwarded).json(&body)).await
    };
    let direct = TestApp::limited(Backend::Sqlite, Api::Rest, &[]).await;
    let proxied = TestApp::limited(Backend::Sqlite, Api::Rest, &[BEHIND_A_PROXY]).await;
    for number in 0..20 {
        let any = format!("198.51.100.{number}");
        assert_eq!(code(&register(&direct, number, &any).await), "ok");
        let behind = format!("{any}, 2001:db8:1:2::{number}");
        assert_eq!(code(&register(&proxied, number, &behind).await), "ok");
    }
    assert_eq!(code(&register(&direct, 20, "198.51.100.99").await), "RATE_LIMITED");
    assert_eq!(
        code(&register(&proxied, 20, "198.51.100.99, 2001:db8:1:2::99").await),
        "RATE_LIMITED"
    );
    assert_eq!(
        code(&register(&proxied, 21, "2001:db8:1:3::1").await),
        "ok",
        "another network"
    );
}

#[tokio::test]
async fn answers_report_the_remaining_requests_and_the_seconds_to_wait() {
    let app = TestApp::limited(Backend::Sqlite, Api::Rest, &[]).await;
    let attempt = async || login(&app, "unknown@example.com", "Password@123", "").await;
    let (status, headers, _) = attempt().await;
    assert_eq!(status, 401);
    assert_eq!(
        headers["ratelimit-policy"],
        "\"login-address\";q=60;w=120, \"login-account\";q=10;w=150, \"failures-account\";q=40;w=3456000"
    );
    assert_eq!(
        headers["ratelimit"],
        "\"login-address\";r=59;t=2, \"login-account\";r=9;t=15, \"failures-account\";r=39;t=86400"
    );
    for _ in 0..9 {
        attempt().await;
    }
    app.clock.advance(Duration::from_millis(4_500));
    let (status, headers, body) = attempt().await;
    assert_eq!(
        (status, &headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"11".parse().unwrap())
    );
    assert_eq!(body["detail"], "Too many attempts; try again in 11 seconds.");
    assert_eq!(
        headers["ratelimit"], "\"login-address\";r=51;t=2, \"login-account\";r=0;t=11",
        "`t` of the limit that refuses agrees with Retry-After"
    );
    app.clock.advance(Duration::from_secs(11));
    assert_eq!(attempt().await.0, 401);
}

#[tokio::test]
async fn refreshes_of_a_session_are_limited_with_postgres_and_redis() {
    let app = TestApp::limited(Backend::PostgresRedis, Api::Rest, &[]).await;
    let mut john = app.john().await;
    for _ in 0..120 {
        john = app.refresh(&john.refresh_token).await.unwrap();
    }
    let body = json!({"refresh_token": john.refresh_token});
    let refused = raw(http().post(app.url("/auth/refresh")).json(&body)).await;
    assert_eq!(code(&refused), "RATE_LIMITED");
    assert_eq!(refused.1["ratelimit"], "\"refresh-session\";r=0;t=1");
    assert_eq!(refused.1["retry-after"], "1");
    app.clock.advance(Duration::from_secs(1));
    assert!(
        app.refresh(&john.refresh_token).await.is_ok(),
        "the refused refresh did not consume the token"
    );
}

#[tokio::test]
async fn nodes_share_their_limits_in_redis() {
    let secret = "VGhpcyBzZWNyZXQgaXMgZm9yIHR3byBub2RlcyBhbG9uZS4h";
    let unique = format!("--jwt-audience={}", Uuid::new_v4());
    let options = ["--rate-limit=on", "--auth-secret", secret, &unique];
    let app = TestApp::with(Backend::PostgresRedis, Api::Rest, &options).await;
    let other = app.second_node(&options).await;
    let email = format!("{}@example.com", Uuid::new_v4());
    let input = json!({"email": email, "password": "guess"});
    for _ in 0..5 {
        assert_eq!(
            app.client().login(&input).await.unwrap_err().code,
            "INVALID_CREDENTIALS"
        );
        assert_eq!(other.login(&input).await.unwrap_err().code, "INVALID_CREDENTIALS");
    }
    assert_eq!(app.client().login(&input).await.unwrap_err().code, "RATE_LIMITED");
    assert_eq!(other.login(&input).await.unwrap_err().code, "RATE_LIMITED");
}

/// The rule is implemented in Rust and in Lua. Both must give equal results.
#[tokio::test]
async fn limits_in_redis_equal_limits_in_the_process() {
    let redis = Redis::new(&RedisUrl(vec![SecretString::new(redis_url())])).unwrap();
    let (here, there) = (LimitsInProcess::default(), LimitsInRedis::new(redis));
    let (mut refused, mut now) = (0, 1_900_000_000_000);
    for limit in LIMITS.iter().map(|row| row.limit) {
        let subject = Uuid::new_v4().to_string();
        for step in 0_i64..300 {
            // Mostly small steps, some large ones, and some back in time.
            now += [0, 1, 700, 0, -300, 2_500, 90_000, 0, 0][usize::try_from(step * step % 9).unwrap()];
            let at = Timestamp::from_millis(now);
            let expected = here.charge(limit, &subject, at).await.unwrap();
            assert_eq!(there.charge(limit, &subject, at).await.unwrap(), expected);
            refused += u32::from(expected.refused_for.is_some());
        }
        for limits in [&here as &dyn Limits, &there] {
            limits.forgive(limit, &subject).await.unwrap();
            let fresh = limits
                .charge(limit, &subject, Timestamp::from_millis(now))
                .await
                .unwrap();
            assert_eq!(fresh.remaining, limit.quota().burst - 1);
        }
    }
    assert!(refused > 100, "{refused}");
}
