//! Problem documents (RFC 9457): the errors of REST, and of everything outside the APIs.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::http::error::ApiError;
use crate::api::http::request_id;
use crate::domain::Error;
use crate::domain::challenge::Challenge;

/// An error whose response is a problem document.
#[derive(Debug)]
pub(crate) struct Problem(ApiError);

/// Why the request was refused or failed (RFC 9457). Branch on `code`.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// Always `about:blank`; the code identifies the error.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The name of the status.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The stable code of the error, the same in REST and GraphQL.
    #[schema(example = "VALIDATION_FAILED")]
    code: &'static str,
    /// A sentence for humans.
    detail: String,
    /// The fields at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    fields: Vec<FieldDocument>,
    /// Why an access token was refused: `missing`, `invalid`, `expired` or `revoked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// Not in the OpenAPI document before an operation answers it.
    #[serde(flatten)]
    #[schema(ignore)]
    challenge: Option<ChallengeDocument>,
    /// The id of the request, to search the logs for.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// A field with an unacceptable value.
#[derive(Serialize, ToSchema)]
#[schema(as = FieldProblem)]
struct FieldDocument {
    /// The field's name.
    #[schema(example = "password")]
    field: String,
    /// What is allowed, as a clause that follows the field's name.
    #[schema(example = "must be at least 8 characters long")]
    message: String,
}

/// The next step of a sign-in.
#[derive(Serialize)]
struct ChallengeDocument {
    challenge: String,
    methods: Vec<&'static str>,
    /// In seconds.
    expires_in: u64,
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl From<&Challenge> for ChallengeDocument {
    fn from(challenge: &Challenge) -> Self {
        Self {
            challenge: challenge.token.expose().to_owned(),
            methods: challenge.methods.iter().map(|method| method.as_str()).collect(),
            expires_in: challenge.expires_in.as_secs(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let error = self.0;
        error.log();
        let status = error.status();
        let document = ProblemDocument {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: error.code(),
            detail: error.to_string(),
            fields: error
                .fields()
                .iter()
                .map(|problem| FieldDocument {
                    field: problem.field.clone(),
                    message: problem.message.clone(),
                })
                .collect(),
            reason: error.refusal().map(crate::domain::error::Refusal::as_str),
            challenge: error.challenge().map(ChallengeDocument::from),
            request_id: request_id::current_id(),
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        (status, headers(&error, status), body).into_response()
    }
}

/// The response to a request whose handler panicked.
pub(crate) fn panicked() -> Response {
    Problem::from(Error::internal("a handler panicked")).into_response()
}

/// The response to a request whose handler ran for too long.
pub(crate) fn timed_out() -> Response {
    Problem::from(Error::unavailable("a handler ran for too long")).into_response()
}

fn headers(error: &ApiError, status: StatusCode) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = error.retry_after_seconds() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    headers
}
