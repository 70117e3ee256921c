//! Request bodies with random changes, at every operation of both APIs.

use serde_json::json;

use super::{Target, mutated};
use crate::harness::{AttackReport, Backend};

/// Every operation with a body, and a valid body for it.
fn well_formed(target: &Target) -> Vec<(&'static str, String)> {
    let (password, refresh) = (&target.password, &target.jane.refresh_token);
    let login = "mutation L($i: LoginInput!) { login(input: $i) { user { id } } }";
    [
        (
            "/auth/register",
            json!({"email": "a@private.example", "password": "Password@123", "username": "newuser"}),
        ),
        (
            "/auth/login",
            json!({"username": "janesecret", "password": password, "mode": "body"}),
        ),
        (
            "/auth/login",
            json!({"email": "janesecret@private.example", "password": "wrong", "mode": "cookie"}),
        ),
        ("/auth/refresh", json!({"refresh_token": refresh, "mode": "body"})),
        ("/auth/logout", json!({"refresh_token": refresh, "scope": "others"})),
        (
            "/graphql",
            json!({"query": "{ me { id } sessions { id } }", "variables": {}, "extensions": {"a": [1]}}),
        ),
        (
            "/graphql",
            json!({"query": login, "operationName": "L", "variables": {"i": {"username": "x", "password": "x"}}}),
        ),
    ]
    .map(|(path, body)| (path, body.to_string()))
    .into()
}

async fn bodies(backend: Backend) {
    let mut target = Target::start(backend, "EdDSA").await;
    let (mut report, mut rng) = (AttackReport::new("live-bodies"), target.rng());
    for case in 0..Target::cases() {
        if case % 50 == 0 {
            target.sign_jane_in().await;
        }
        let (path, body) = rng.pick(&well_formed(&target)).clone();
        let body = mutated(body.as_bytes(), &mut rng);
        let media = *rng.pick(&[
            "application/json",
            "application/json",
            "application/json; charset=utf-8",
            "text/plain",
            "",
        ]);
        let accepted = *rng.pick(&[
            "*/*",
            "application/json",
            "application/graphql-response+json",
            "text/html;q=0.1",
        ]);
        let text = format!("{path} {media} {}", String::from_utf8_lossy(&body));
        let mut request = target
            .http
            .post(target.url(path))
            .header("content-type", media)
            .header("accept", accepted)
            .body(body);
        if rng.one_in(2) {
            request = request.bearer_auth(&target.jane.access_token);
        }
        let answer = target.send(&mut report, request, &text).await;
        let is_error = answer.status.is_client_error() && path != "/graphql";
        let is_shaped = match answer.json() {
            Some(problem) if is_error => problem["code"].is_string() && answer.media() == "application/problem+json",
            Some(_) => answer.status.is_success() || path == "/graphql",
            None => answer.status == 204,
        };
        if !is_shaped {
            report.accepted(format!(
                "an answer of an unknown form: {text} -> {} {}",
                answer.status, answer.body
            ));
        }
    }
    target.finish(report).await;
}

#[tokio::test]
async fn mutated_bodies_get_well_formed_answers_with_sqlite() {
    bodies(Backend::Sqlite).await;
}

#[tokio::test]
async fn mutated_bodies_get_well_formed_answers_with_postgres_and_redis() {
    bodies(Backend::PostgresRedis).await;
}
