//! The caller's own sessions.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::http::problem::{Problem, ProblemDocument};
use crate::api::http::request_context::RequestContext;
use crate::api::http::security_headers::NO_STORE;
use crate::api::rest::problems::CommonProblems;
use crate::api::state::ApiState;
use crate::domain::Error;
use crate::domain::session::{SessionId, SessionView};

/// A session: one sign-in on one device.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// The id of the session; the `sid` of its access tokens.
    id: Uuid,
    /// When the session was opened.
    created_at: DateTime<Utc>,
    /// When the session was last renewed.
    last_used_at: DateTime<Utc>,
    /// When the session expires, unless it is renewed before.
    expires_at: DateTime<Utc>,
    /// The `User-Agent` of the device that opened the session.
    #[schema(required)]
    user_agent: Option<String>,
    /// The IP address from which the session was opened.
    #[schema(required)]
    ip: Option<String>,
    /// Whether this is the session of the request.
    current: bool,
}

impl From<SessionView> for Session {
    fn from(view: SessionView) -> Self {
        Self {
            id: view.id.0,
            created_at: view.created_at.date_time(),
            last_used_at: view.last_used_at.date_time(),
            expires_at: view.expires_at.date_time(),
            user_agent: view.device.user_agent,
            ip: view.device.ip,
            current: view.is_current,
        }
    }
}

/// Sessions
///
/// The active sessions of the caller's account, newest first, at most 100.
#[utoipa::path(
    get, path = "/auth/sessions", tag = "Sessions", operation_id = "sessions", security(("access_token" = [])),
    responses(
        (status = 200, description = "The sessions.", body = Vec<Session>),
        CommonProblems,
        (status = 401, description = "`UNAUTHENTICATED`", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(state): State<ApiState>,
    context: RequestContext,
) -> Result<([(HeaderName, &'static str); 1], Json<Vec<Session>>), Problem> {
    let views = state.service.session.list(&context.credentials).await?;
    Ok((NO_STORE, Json(views.into_iter().map(Session::from).collect())))
}

/// End a session
///
/// Ends a session of the caller's account. Repeating the request is not an error.
#[utoipa::path(
    delete, path = "/auth/sessions/{id}", tag = "Sessions", operation_id = "endSession", security(("access_token" = [])),
    params(("id" = Uuid, Path, description = "The id of the session.")),
    responses(
        (status = 204, description = "The session has ended."),
        CommonProblems,
        (status = 401, description = "`UNAUTHENTICATED`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "`NOT_FOUND`: no such session exists, or it belongs to another account", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn end(
    State(state): State<ApiState>,
    context: RequestContext,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Path(id) = id.map_err(|_| Error::NotFound)?;
    state
        .service
        .session
        .end(&context.credentials, SessionId(id), &context.client_info())
        .await?;
    Ok((StatusCode::NO_CONTENT, NO_STORE))
}
