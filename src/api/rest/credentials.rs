//! The caller's own password.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::http::problem::{Problem, ProblemDocument};
use crate::api::http::request_context::RequestContext;
use crate::api::http::security_headers::NO_STORE;
use crate::api::rest::body::JsonBody;
use crate::api::rest::problems::{BodyProblems, CommonProblems, LimitProblems};
use crate::api::state::ApiState;
use crate::domain::secret::SecretString;
use crate::service::ChangePasswordInput;

/// A change of password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePasswordBody {
    /// The current password.
    #[schema(example = "Password@123", format = Password)]
    current_password: String,
    /// The new password. The rules of a registration apply.
    #[schema(example = "three small tea pots", format = Password)]
    new_password: String,
}

/// Change password
///
/// Changes the password of the caller's account. The session of the request continues, and all
/// others of the account end. A wrong current password counts as a failed login.
#[utoipa::path(
    post, path = "/auth/password", tag = "Account", operation_id = "changePassword", security(("access_token" = [])),
    request_body = ChangePasswordBody,
    responses(
        (status = 204, description = "The password is changed, and all other sessions have ended."),
        CommonProblems,
        BodyProblems,
        LimitProblems,
        (status = 401, description = "`UNAUTHENTICATED`; `INVALID_CREDENTIALS`: the current password is wrong", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "`VALIDATION_FAILED`", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn change(
    State(state): State<ApiState>,
    context: RequestContext,
    JsonBody(body): JsonBody<ChangePasswordBody>,
) -> Result<impl IntoResponse, Problem> {
    let input = ChangePasswordInput {
        current_password: SecretString::new(body.current_password),
        new_password: SecretString::new(body.new_password),
    };
    state
        .service
        .credentials
        .change_password(input, &context.credentials, &context.client_info())
        .await?;
    Ok((StatusCode::NO_CONTENT, NO_STORE))
}
