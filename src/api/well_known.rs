//! What resource servers and proxies read to verify access tokens on their own.

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Shared;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/.well-known/jwks.json", get(jwks))
        .route("/.well-known/openid-configuration", get(discovery))
}

/// The public signing keys (RFC 7517 section 5).
async fn jwks(State(shared): State<Shared>) -> impl IntoResponse {
    let discovery = shared.service.discovery();
    let keys: Vec<Value> = discovery
        .keys
        .into_iter()
        .map(|key| json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": key.algorithm, "kid": key.kid, "x": key.x}))
        .collect();
    cached(json!({ "keys": keys }), discovery.max_age)
}

/// The discovery document, as far as resource servers need it (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2).
async fn discovery(State(shared): State<Shared>) -> impl IntoResponse {
    let discovery = shared.service.discovery();
    let mut algorithms: Vec<String> = discovery.keys.into_iter().map(|key| key.algorithm).collect();
    algorithms.sort();
    algorithms.dedup();
    let issuer = discovery.issuer;
    let document = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "id_token_signing_alg_values_supported": algorithms,
        "subject_types_supported": ["public"],
        "response_types_supported": [],
    });
    cached(document, discovery.max_age)
}

fn cached(document: Value, max_age: Duration) -> impl IntoResponse {
    let cache = format!("public, max-age={}", max_age.as_secs());
    ([(header::CACHE_CONTROL, cache)], Json(document))
}
