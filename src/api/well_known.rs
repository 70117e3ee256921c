//! Public keys and discovery, for resource servers and proxies that verify access tokens.

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::api::http::security_headers::RESOURCE_POLICY;
use crate::api::state::ApiState;
use crate::domain::signing_key::PublicKey;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/.well-known/jwks.json", get(jwks))
        .route("/.well-known/openid-configuration", get(discovery))
}

/// The public signing keys (RFC 7517 section 5).
async fn jwks(State(state): State<ApiState>) -> impl IntoResponse {
    let discovery = state.service.signing_keys.discovery();
    let keys: Vec<Value> = discovery.keys.into_iter().map(jwk).collect();
    cached(json!({ "keys": keys }), discovery.max_age)
}

/// A public key (RFC 7517 section 4).
fn jwk(key: PublicKey) -> Value {
    let own = [
        ("use", "sig".to_owned()),
        ("alg", key.algorithm.as_str().to_owned()),
        ("kid", key.kid),
    ];
    let members = own.into_iter().chain(key.members);
    members
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect()
}

/// The part of the discovery document that resource servers need (OpenID Connect Discovery 1.0
/// section 3, RFC 8414 section 2).
async fn discovery(State(state): State<ApiState>) -> impl IntoResponse {
    let discovery = state.service.signing_keys.discovery();
    let mut algorithms: Vec<&str> = discovery.keys.iter().map(|key| key.algorithm.as_str()).collect();
    algorithms.sort_unstable();
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

/// Any service and any page may verify tokens, and the response is the same for every client. So
/// all origins may read it (Fetch standard, "CORS protocol").
fn cached(document: Value, max_age: Duration) -> impl IntoResponse {
    let headers = [
        (header::CACHE_CONTROL, format!("public, max-age={}", max_age.as_secs())),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
        (RESOURCE_POLICY, "cross-origin".to_owned()),
    ];
    (headers, Json(document))
}
