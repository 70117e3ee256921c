//! Tokens forged from real tokens by an attacker without the key.

use serde_json::{Value, json};

use super::rng::Rng;
use super::{Target, mutated};
use crate::harness::{AttackReport, Backend, decode, encode};

/// A forged token, made of John's and Jane's access tokens and random changes.
fn forged(john: &str, jane: &str, rng: &mut Rng) -> String {
    let parts = |token: &str| -> Vec<String> { token.split('.').map(str::to_owned).collect() };
    let (mut token, other) = (parts(john), parts(jane));
    match rng.below(6) {
        // Changed text.
        0 | 1 => return String::from_utf8_lossy(&mutated(john.as_bytes(), rng)).into_owned(),
        // Changed bytes of one part, with the correct encoding.
        2 => {
            let part = rng.below(3);
            token[part] = encode(mutated(&decode(&token[part]), rng));
        }
        // Changed members.
        3 => token[0] = with_changed_members(&token[0], &headers(), rng),
        4 => token[1] = with_changed_members(&token[1], &claims(&other[1]), rng),
        // Parts of both tokens.
        _ => {
            for part in 0..3 {
                if rng.one_in(2) {
                    token[part].clone_from(&other[part]);
                }
            }
        }
    }
    if rng.one_in(4) {
        let signatures = [String::new(), encode([0; 64]), encode([0xff; 64]), other[2].clone()];
        token[2].clone_from(rng.pick(&signatures));
    }
    token.join(".")
}

fn with_changed_members(part: &str, changes: &[(&'static str, Value)], rng: &mut Rng) -> String {
    let mut members: Value = serde_json::from_slice(&decode(part)).unwrap();
    for _ in 0..=rng.below(2) {
        let (name, value) = rng.pick(changes).clone();
        members[name] = value;
    }
    encode(members.to_string())
}

fn headers() -> Vec<(&'static str, Value)> {
    let algorithms = [
        "none", "None", "HS256", "HS512", "EdDSA", "ES256", "RS256", "PS256", "ES512", "",
    ]
    .map(|name| ("alg", json!(name)));
    let others = [
        ("typ", json!("JWT")),
        ("kid", json!("../../dev/null")),
        ("kid", json!(null)),
        ("jwk", json!({"kty": "OKP"})),
        ("jku", json!("https://evil.example/jwks.json")),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
    ];
    algorithms.into_iter().chain(others).collect()
}

/// A longer lifetime, more rights, another account.
fn claims(other: &str) -> Vec<(&'static str, Value)> {
    let other: Value = serde_json::from_slice(&decode(other)).unwrap();
    let far = [
        json!(4_102_444_800_u64),
        json!(u64::MAX),
        json!("4102444800"),
        json!(1e300),
        json!(null),
    ];
    let others = ["sub", "sid", "jti", "iat"].map(|name| (name, other[name].clone()));
    let rights = [
        ("roles", json!(["admin"])),
        ("aud", json!(["auth-gateway", "x"])),
        ("iss", json!("https://evil.example")),
    ];
    others
        .into_iter()
        .chain(far.map(|time| ("exp", time)))
        .chain(rights)
        .collect()
}

async fn forgeries(backend: Backend, algorithm: &str) {
    let target = Target::start(backend, algorithm).await;
    let (mut report, mut rng) = (AttackReport::new("live-forgeries"), target.rng());
    let genuine = [target.john.access_token.clone(), target.jane.access_token.clone()];
    for _ in 0..Target::cases() {
        let token = forged(&genuine[0], &genuine[1], &mut rng);
        let plain: String = token.chars().filter(char::is_ascii_graphic).collect();
        if genuine.contains(&plain) {
            continue;
        }
        let bearer = format!("Bearer {plain}");
        let rest = target.http.get(target.url("/auth/me")).header("authorization", &bearer);
        let answer = target.send(&mut report, rest, &plain).await;
        if answer.status != 401 {
            report.accepted(format!("{} {plain}", answer.status));
        }
        let query = json!({"query": "{ me { uuid } sessions { id } }"});
        let graphql = target
            .http
            .post(target.url("/graphql"))
            .header("authorization", &bearer)
            .json(&query);
        let answer = target.send(&mut report, graphql, &plain).await;
        if answer
            .json()
            .is_none_or(|body| body["data"].is_object() && !body["data"]["me"].is_null())
        {
            report.accepted(format!("{} {plain} {}", answer.status, answer.body));
        }
        let refresh = mutated(target.john.refresh_token.as_bytes(), &mut rng);
        let refresh = String::from_utf8_lossy(&refresh).into_owned();
        if refresh == target.john.refresh_token {
            continue;
        }
        let renewal = target
            .http
            .post(target.url("/auth/refresh"))
            .json(&json!({"refresh_token": refresh}));
        let answer = target.send(&mut report, renewal, &refresh).await;
        if answer.status != 401 {
            report.accepted(format!("{} {refresh}", answer.status));
        }
    }
    target.finish(report).await;
}

#[tokio::test]
async fn no_forged_token_is_accepted_with_sqlite_and_eddsa() {
    forgeries(Backend::Sqlite, "EdDSA").await;
}

#[tokio::test]
async fn no_forged_token_is_accepted_with_sqlite_and_rs256() {
    forgeries(Backend::Sqlite, "RS256").await;
}

#[tokio::test]
async fn no_forged_token_is_accepted_with_postgres_and_redis_and_es256() {
    forgeries(Backend::PostgresRedis, "ES256").await;
}
