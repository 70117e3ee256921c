//! Register, login, refresh, logout.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::http::cookie;
use crate::api::http::problem::{Problem, ProblemDocument};
use crate::api::http::request_context::RequestContext;
use crate::api::http::security_headers::NO_STORE;
use crate::api::rest::account::User;
use crate::api::rest::body::{JsonBody, OptionalJsonBody};
use crate::api::rest::problems::{BodyProblems, CommonProblems, CookieProblems, LimitProblems};
use crate::api::state::ApiState;
use crate::domain::secret::SecretString;
use crate::service::{LoginInput, LogoutInput, LogoutScope, RegisterInput, SignedIn};

/// A registration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterBody {
    /// E-mail address; unique, ignoring case.
    #[schema(example = "john.doe@example.com", format = Email)]
    email: String,
    /// 8 to 256 characters; any Unicode.
    #[schema(example = "Password@123", format = Password)]
    password: String,
    /// 3 to 32 letters, digits, `_`, `.` and `-`; unique, ignoring case.
    #[schema(example = "johndoe", min_length = 3, max_length = 32, pattern = "^[A-Za-z0-9_.-]*$")]
    username: String,
    /// How the client gets the refresh token.
    #[serde(default)]
    mode: TokenMode,
}

/// A sign-in by password, with either the e-mail or the username.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginBody {
    /// The account's e-mail.
    #[schema(example = "john.doe@example.com")]
    email: Option<String>,
    /// The account's username, in place of the e-mail.
    username: Option<String>,
    /// The account's password.
    #[schema(example = "Password@123", format = Password)]
    password: String,
    /// How the client gets the refresh token.
    #[serde(default)]
    mode: TokenMode,
}

/// A renewal. Without a refresh token in the body, the one in the cookie is used.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshBody {
    /// The session's current refresh token.
    refresh_token: Option<String>,
    /// How the client gets the next refresh token. A token that came in the cookie is always
    /// replaced in the cookie.
    #[serde(default)]
    mode: TokenMode,
}

/// How a client gets and keeps its refresh token.
#[derive(Deserialize, Default, Clone, Copy, ToSchema)]
#[serde(try_from = "String")]
#[schema(rename_all = "snake_case")]
pub(crate) enum TokenMode {
    /// In the body of the response; the client stores it.
    #[default]
    Body,
    /// In an `HttpOnly` cookie, which scripts of a page cannot read.
    Cookie,
}

impl TryFrom<String> for TokenMode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.as_str() {
            "body" => Ok(Self::Body),
            "cookie" => Ok(Self::Cookie),
            _ => Err("must be one of body, cookie"),
        }
    }
}

impl From<TokenMode> for cookie::TokenMode {
    fn from(mode: TokenMode) -> Self {
        match mode {
            TokenMode::Body => Self::Body,
            TokenMode::Cookie => Self::Cookie,
        }
    }
}

/// A sign-out. Without a refresh token in the body, the cookie identifies the session, otherwise
/// the access token does.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogoutBody {
    /// A refresh token of the session.
    refresh_token: Option<String>,
    /// Which sessions to end.
    #[serde(default)]
    scope: Scope,
}

/// Which sessions a sign-out ends.
#[derive(Deserialize, Default, Clone, Copy, ToSchema)]
#[serde(try_from = "String")]
#[schema(rename_all = "snake_case")]
pub(crate) enum Scope {
    /// The session of the request.
    #[default]
    Current,
    /// All sessions of the account but the session of the request.
    Others,
    /// All sessions of the account.
    All,
}

impl TryFrom<String> for Scope {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.as_str() {
            "current" => Ok(Self::Current),
            "others" => Ok(Self::Others),
            "all" => Ok(Self::All),
            _ => Err("must be one of current, others, all"),
        }
    }
}

/// A signed-in account and the tokens of its session.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuthPayload {
    token: Token,
    user: User,
}

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
#[allow(clippy::struct_field_names, reason = "the names are the contract's")]
struct Token {
    /// The access token: a JWT, sent as `Authorization: Bearer …`.
    access_token: String,
    /// The refresh token: opaque, valid for one renewal. Null if it is in the cookie.
    #[schema(required)]
    refresh_token: Option<String>,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// Lifetime of the access token, in seconds.
    #[schema(example = 900)]
    expires_in: u64,
}

impl AuthPayload {
    fn new(signed_in: &SignedIn, mode: cookie::TokenMode, context: &RequestContext) -> Self {
        let token = Token {
            access_token: signed_in.tokens.access.expose().to_owned(),
            refresh_token: context.cookie.deliver(mode, signed_in),
            token_type: "bearer",
            expires_in: signed_in.tokens.expires_in.as_secs(),
        };
        Self {
            token,
            user: signed_in.account.as_ref().into(),
        }
    }
}

impl IntoResponse for AuthPayload {
    fn into_response(self) -> Response {
        (NO_STORE, Json(self)).into_response()
    }
}

/// Register
///
/// Creates an account and signs it in.
#[utoipa::path(
    post, path = "/auth/register", tag = "Sign-in", operation_id = "register", request_body = RegisterBody,
    responses(
        (status = 201, description = "The account is created and signed in.", body = AuthPayload, headers(("Set-Cookie" = String, description = "The refresh token's cookie, if it changes."))),
        CommonProblems,
        BodyProblems,
        CookieProblems,
        LimitProblems,
        (status = 409, description = "`EMAIL_TAKEN`, `USERNAME_TAKEN`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "`VALIDATION_FAILED`", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn register(
    State(state): State<ApiState>,
    context: RequestContext,
    JsonBody(body): JsonBody<RegisterBody>,
) -> Result<(StatusCode, AuthPayload), Problem> {
    let mode = body.mode.into();
    context.cookie.check_origin(mode)?;
    let input = RegisterInput {
        email: body.email,
        password: SecretString::new(body.password),
        username: body.username,
    };
    let signed_in = state.service.account.register(input, &context.client_info()).await?;
    Ok((StatusCode::CREATED, AuthPayload::new(&signed_in, mode, &context)))
}

/// Login
///
/// Signs in with a password and opens a session. A wrong password and an unknown account get the
/// same response.
#[utoipa::path(
    post, path = "/auth/login", tag = "Sign-in", operation_id = "login", request_body = LoginBody,
    responses(
        (status = 200, description = "Signed in.", body = AuthPayload, headers(("Set-Cookie" = String, description = "The refresh token's cookie, if it changes."))),
        CommonProblems,
        BodyProblems,
        CookieProblems,
        LimitProblems,
        (status = 401, description = "`INVALID_CREDENTIALS`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "`VALIDATION_FAILED`", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn login(
    State(state): State<ApiState>,
    context: RequestContext,
    JsonBody(body): JsonBody<LoginBody>,
) -> Result<AuthPayload, Problem> {
    let mode = body.mode.into();
    context.cookie.check_origin(mode)?;
    let input = LoginInput {
        email: body.email,
        username: body.username,
        password: SecretString::new(body.password),
    };
    let signed_in = state.service.sign_in.login(input, &context.client_info()).await?;
    Ok(AuthPayload::new(&signed_in, mode, &context))
}

/// Refresh
///
/// Issues the next pair of tokens. A repeated request within the grace period gets the same refresh
/// token again. A token that is used again later ends the session. Without a refresh token in the
/// body, the one in the cookie is used, and the next one replaces it there.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "Sign-in", operation_id = "refresh", request_body = Option<RefreshBody>,
    security((), ("refresh_cookie" = [])),
    responses(
        (status = 200, description = "Renewed.", body = AuthPayload, headers(("Set-Cookie" = String, description = "The refresh token's cookie, if it changes."))),
        CommonProblems,
        BodyProblems,
        CookieProblems,
        LimitProblems,
        (status = 401, description = "`REFRESH_TOKEN_INVALID`, `REFRESH_TOKEN_REUSED`", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn refresh(
    State(state): State<ApiState>,
    context: RequestContext,
    OptionalJsonBody(body): OptionalJsonBody<RefreshBody>,
) -> Result<AuthPayload, Problem> {
    let mut presented = context.cookie.present(body.refresh_token, body.mode.into())?;
    let renewed = state
        .service
        .session
        .refresh(presented.take(), &context.client_info())
        .await;
    let signed_in = presented.clear_if_rejected(renewed)?;
    Ok(AuthPayload::new(&signed_in, presented.mode, &context))
}

/// Logout
///
/// Ends one or more sessions. A refresh token in the body identifies the session, otherwise the one
/// in the cookie does, otherwise the access token. Repeating the request is not an error.
#[utoipa::path(
    post, path = "/auth/logout", tag = "Sign-in", operation_id = "logout", request_body = Option<LogoutBody>,
    security((), ("access_token" = []), ("refresh_cookie" = [])),
    responses(
        (status = 204, description = "Signed out. A cookie that identified the session is removed.", headers(("Set-Cookie" = String, description = "The refresh token's cookie, if it changes."))),
        CommonProblems,
        BodyProblems,
        CookieProblems,
        (status = 401, description = "`UNAUTHENTICATED`, `REFRESH_TOKEN_INVALID`, `REFRESH_TOKEN_REUSED`", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn logout(
    State(state): State<ApiState>,
    context: RequestContext,
    OptionalJsonBody(body): OptionalJsonBody<LogoutBody>,
) -> Result<impl IntoResponse, Problem> {
    let scope = match body.scope {
        Scope::Current => LogoutScope::Current,
        Scope::Others => LogoutScope::Others,
        Scope::All => LogoutScope::All,
    };
    let mut presented = context.cookie.present(body.refresh_token, cookie::TokenMode::Body)?;
    let input = LogoutInput {
        refresh_token: presented.take(),
        scope,
    };
    let outcome = state
        .service
        .session
        .logout(input, &context.credentials, &context.client_info())
        .await;
    presented.clear_after_logout(scope, outcome)?;
    Ok((StatusCode::NO_CONTENT, NO_STORE))
}
