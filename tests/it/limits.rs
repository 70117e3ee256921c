//! Limits: what a person never meets, and a robot meets at once.

use std::time::Duration;

use auth_gateway::config::RedisUrl;
use auth_gateway::domain::clock::Timestamp;
use auth_gateway::domain::limit::Limit;
use auth_gateway::domain::secret::SecretString;
use auth_gateway::store::limits::{LimitsInProcess, LimitsInRedis};
use auth_gateway::store::{Limits, Redis};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Backend, Door, World, http, raw, redis_url};

const BACKENDS: [Backend; 3] = [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis];
const BEHIND_A_PROXY: &str = "--trusted-proxies=127.0.0.0/8";

/// A login by REST, from an address that a proxy names.
async fn login(world: &World, email: &str, password: &str, address: &str) -> (StatusCode, HeaderMap, Value) {
    let body = json!({"email": email, "password": password});
    let request = http().post(world.url("/auth/login")).header("x-forwarded-for", address);
    raw(request.json(&body)).await
}

fn code(answer: &(StatusCode, HeaderMap, Value)) -> &str {
    answer.2["code"].as_str().unwrap_or("ok")
}

#[tokio::test]
async fn ten_guesses_at_once_and_then_one_in_a_while() {
    for backend in BACKENDS {
        for door in [Door::Rest, Door::Graphql] {
            let world = World::limited(backend, door, &[]).await;
            world.john().await;
            for _ in 0..10 {
                let refusal = world.login("john.doe@example.com", "Password@124").await.unwrap_err();
                assert_eq!(refusal.code, "INVALID_CREDENTIALS");
            }
            let right = world.login("john.doe@example.com", "Password@123").await.unwrap_err();
            assert_eq!(
                right.code, "RATE_LIMITED",
                "{backend:?} {door:?}: no password is looked at"
            );
            world.clock.advance(Duration::from_secs(15));
            assert!(world.login("john.doe@example.com", "Password@123").await.is_ok());
        }
    }
}

#[tokio::test]
async fn a_limit_does_not_tell_whether_there_is_such_an_account() {
    for backend in BACKENDS {
        let world = World::limited(backend, Door::Rest, &[BEHIND_A_PROXY]).await;
        world.john().await;
        for _ in 0..12 {
            let known = login(&world, "john.doe@example.com", "Password@124", "203.0.113.1").await;
            let unknown = login(&world, "jane.doe@example.com", "Password@124", "203.0.113.2").await;
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
async fn a_stranger_cannot_lock_the_owner_out() {
    let world = World::limited(Backend::PostgresRedis, Door::Rest, &[BEHIND_A_PROXY]).await;
    let john = json!({"email": "john.doe@example.com", "password": "Password@123", "username": "johndoe"});
    let home = "2001:db8:1:2::1";
    let register = http().post(world.url("/auth/register")).header("x-forwarded-for", home);
    assert_eq!(raw(register.json(&john)).await.0, 201);
    for number in 0..60 {
        let stranger = login(&world, "john.doe@example.com", "guess", &format!("203.0.113.{number}")).await;
        assert_eq!(
            code(&stranger) == "RATE_LIMITED",
            number >= 10,
            "many addresses are one stranger"
        );
    }
    // The same network, although the address is another.
    let owner = login(&world, "john.doe@example.com", "Password@123", "2001:db8:1:2:ffff::9").await;
    assert_eq!(code(&owner), "ok");
    let elsewhere = login(&world, "john.doe@example.com", "Password@123", "2001:db8:1:3::1").await;
    assert_eq!(code(&elsewhere), "RATE_LIMITED");
}

#[tokio::test]
async fn forty_failures_in_a_row_are_enough_for_a_day_and_a_success_wipes_them_out() {
    let world = World::limited(Backend::Sqlite, Door::Rest, &[]).await;
    world.john().await;
    let fail = async |times: u32| {
        for _ in 0..times {
            world.clock.advance(Duration::from_secs(15));
            let refusal = world.login("john.doe@example.com", "Password@124").await.unwrap_err();
            assert_eq!(refusal.code, "INVALID_CREDENTIALS");
        }
    };
    fail(39).await;
    assert!(world.login("john.doe@example.com", "Password@123").await.is_ok());
    fail(40).await;
    world.clock.advance(Duration::from_mins(1));
    let right = world.login("john.doe@example.com", "Password@123").await.unwrap_err();
    assert_eq!(right.code, "RATE_LIMITED");
    world.clock.advance(Duration::from_hours(24));
    assert!(world.login("john.doe@example.com", "Password@123").await.is_ok());
}

/// The limits count operations: aliases in one request are as many logins.
#[tokio::test]
async fn thirty_logins_in_one_request_cost_thirty() {
    let world = World::limited(Backend::Sqlite, Door::Graphql, &[]).await;
    let john = json!({"email": "john.doe@example.com", "password": "Password@123", "username": "johndoe"});
    world.client().register(&john).await.unwrap();
    let right = |number: u32| {
        format!(
            "l{number}: login(input: {{username: \"johndoe\", password: \"Password@123\"}}) {{ token {{ tokenType }} }} "
        )
    };
    let query = format!("mutation {{ {} }}", (0..30).map(right).collect::<String>());
    let (_, headers, body) = raw(http().post(world.url("/graphql")).json(&json!({"query": query}))).await;
    assert_eq!(body["errors"][0]["path"], json!(["l10"]), "ten are carried out: {body}");
    assert_eq!(body["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert_eq!(body["errors"][0]["extensions"]["retryAfter"], 15);
    assert!(
        headers["ratelimit"].to_str().unwrap().contains("\"login-account\";r=0"),
        "{headers:?}"
    );
    assert_eq!(world.stores.rows().await, (1, 11));
}

#[tokio::test]
async fn registrations_are_counted_by_network_and_no_header_chooses_another() {
    let register = async |world: &World, number: u32, forwarded: &str| {
        let body = json!({
            "email": format!("john{number}@example.com"), "password": "Password@123", "username": format!("john{number}"),
        });
        let request = http().post(world.url("/auth/register"));
        raw(request.header("x-forwarded-for", forwarded).json(&body)).await
    };
    let direct = World::limited(Backend::Sqlite, Door::Rest, &[]).await;
    let proxied = World::limited(Backend::Sqlite, Door::Rest, &[BEHIND_A_PROXY]).await;
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
        "somebody else"
    );
}

#[tokio::test]
async fn the_answer_says_what_is_left_and_when_to_come_back_to_the_second() {
    let world = World::limited(Backend::Sqlite, Door::Rest, &[]).await;
    let attempt = async || login(&world, "nobody@example.com", "Password@123", "").await;
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
    world.clock.advance(Duration::from_millis(4_500));
    let (status, headers, body) = attempt().await;
    assert_eq!(
        (status, &headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"11".parse().unwrap())
    );
    assert_eq!(body["detail"], "Too many attempts; try again in 11 seconds.");
    world.clock.advance(Duration::from_secs(11));
    assert_eq!(attempt().await.0, 401);
}

#[tokio::test]
async fn a_session_is_renewed_as_often_as_any_page_would_and_no_more() {
    let world = World::limited(Backend::PostgresRedis, Door::Rest, &[]).await;
    let mut john = world.john().await;
    for _ in 0..120 {
        john = world.refresh(&john.refresh_token).await.unwrap();
    }
    assert_eq!(
        world.refresh(&john.refresh_token).await.unwrap_err().code,
        "RATE_LIMITED"
    );
    world.clock.advance(Duration::from_secs(1));
    assert!(
        world.refresh(&john.refresh_token).await.is_ok(),
        "the token was not used up"
    );
}

#[tokio::test]
async fn nodes_count_together_in_redis() {
    let secret = "VGhpcyBzZWNyZXQgaXMgZm9yIHR3byBub2RlcyBhbG9uZS4h";
    let unique = format!("--jwt-audience={}", Uuid::new_v4());
    let options = ["--rate-limit=on", "--auth-secret", secret, &unique];
    let world = World::with(Backend::PostgresRedis, Door::Rest, &options).await;
    let other = world.second_node(&options).await;
    let email = format!("{}@example.com", Uuid::new_v4());
    let input = json!({"email": email, "password": "guess"});
    for _ in 0..5 {
        assert_eq!(
            world.client().login(&input).await.unwrap_err().code,
            "INVALID_CREDENTIALS"
        );
        assert_eq!(other.login(&input).await.unwrap_err().code, "INVALID_CREDENTIALS");
    }
    assert_eq!(world.client().login(&input).await.unwrap_err().code, "RATE_LIMITED");
    assert_eq!(other.login(&input).await.unwrap_err().code, "RATE_LIMITED");
}

/// The rule is written in Rust and in Lua: both must say the same, always.
#[tokio::test]
async fn redis_counts_as_the_process_does() {
    let redis = Redis::new(&RedisUrl(vec![SecretString::new(redis_url())])).unwrap();
    let (here, there) = (LimitsInProcess::default(), LimitsInRedis::new(redis));
    let (mut refused, mut now) = (0, 1_900_000_000_000);
    for limit in Limit::ALL {
        let subject = Uuid::new_v4().to_string();
        for step in 0_i64..300 {
            // Mostly a little, now and then a lot, sometimes back.
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
