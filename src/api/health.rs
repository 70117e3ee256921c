//! Liveness and readiness, for orchestrators.

use crate::api::state::ApiState;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    database: &'static str,
    redis: &'static str,
}

pub(crate) fn routes() -> Router<ApiState> {
    Router::new().route("/livez", get(live)).route("/readyz", get(ready))
}

/// The process runs. Dependencies are not checked: an orchestrator must not restart nodes because
/// the database is down.
async fn live() -> &'static str {
    "ok"
}

/// Whether every dependency of the node is available.
async fn ready(State(state): State<ApiState>) -> Response {
    let health = state.service.health.check().await;
    let word = |is_up| if is_up { "up" } else { "down" };
    let (status, summary) = if health.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let readiness = Readiness {
        status: summary,
        database: word(health.is_database_up),
        redis: health.is_redis_up.map_or("not used", word),
    };
    (status, Json(readiness)).into_response()
}
