//! The caller's own account.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderName;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::http::problem::{Problem, ProblemDocument};
use crate::api::http::request_context::RequestContext;
use crate::api::http::security_headers::NO_STORE;
use crate::api::rest::problems::CommonProblems;
use crate::api::state::ApiState;
use crate::domain::account::Account;

/// The public fields of an account.
#[derive(Serialize, ToSchema)]
pub(crate) struct User {
    /// The e-mail, as it was entered at registration.
    #[schema(example = "john.doe@example.com")]
    email: String,
    /// The username, as it was entered at registration.
    #[schema(example = "johndoe")]
    username: String,
    /// The permanent id of the account; the `sub` of its access tokens.
    uuid: Uuid,
    /// The URL of the account's picture.
    #[schema(required)]
    profile_image_url: Option<String>,
}

impl From<&Account> for User {
    fn from(account: &Account) -> Self {
        Self {
            email: account.email.clone(),
            username: account.username.clone(),
            uuid: account.id.0,
            profile_image_url: account.profile_image_url.clone(),
        }
    }
}

/// Me
///
/// The account of the access token.
#[utoipa::path(
    get, path = "/auth/me", tag = "Account", operation_id = "me", security(("access_token" = [])),
    responses(
        (status = 200, description = "The caller's account.", body = User),
        CommonProblems,
        (status = 401, description = "`UNAUTHENTICATED`", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn me(
    State(state): State<ApiState>,
    context: RequestContext,
) -> Result<([(HeaderName, &'static str); 1], Json<User>), Problem> {
    let account = state.service.account.me(&context.credentials).await?;
    Ok((NO_STORE, Json(account.as_ref().into())))
}
