//! Register, login, refresh, logout.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::http::cookie::TokenMode;
use crate::api::http::problem::{Problem, ProblemDocument};
use crate::api::http::request_context::RequestContext;
use crate::api::http::security_headers::NO_STORE;
use crate::api::rest::account::User;
use crate::api::rest::body::{JsonBody, OptionalJsonBody};
use crate::api::rest::problems::{BodyProblems, CommonProblems, CookieProblems, LimitProblems};
use crate::api::state::ApiState;
use crate::domain::secret::SecretString;
use crate::service::{LoginInput, LogoutInput, LogoutScope, RegisterInput, SignedIn};

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterBody {
    /// E-mail address, unique without regard to case.
    #[schema(example = "john.doe@example.com", format = Email)]
    email: String,
    /// At least 8 characters, at most 256; any Unicode.
    #[schema(example = "Password@123", format = Password)]
    password: String,
    /// 3 to 32 of letters, digits, `_`, `.` and `-`; unique without regard to case.
    #[schema(example = "johndoe", min_length = 3, max_length = 32, pattern = "^[A-Za-z0-9_.-]*$")]
    username: String,
    /// Where the refresh token goes.
    #[serde(default)]
    mode: Mode,
}

/// A sign-in: the password, with either the e-mail or the username.
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
    /// Where the refresh token goes.
    #[serde(default)]
    mode: Mode,
}

/// A renewal. Without a refresh token, the cookie holds it.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshBody {
    /// The session's current refresh token.
    refresh_token: Option<String>,
    /// Where the next refresh token goes; one that came by cookie is always followed by cookie.
    #[serde(default)]
    mode: Mode,
}

/// Where a client keeps its refresh token.
#[derive(Deserialize, Default, Clone, Copy, ToSchema)]
#[serde(try_from = "String")]
#[schema(as = TokenMode, rename_all = "snake_case")]
pub(crate) enum Mode {
    /// In its own hands: the token stands in the body of the answer.
    #[default]
    Body,
    /// In an `HttpOnly` cookie, which no script of a page can read.
    Cookie,
}

impl TryFrom<String> for Mode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.as_str() {
            "body" => Ok(Self::Body),
            "cookie" => Ok(Self::Cookie),
            _ => Err("must be one of body, cookie"),
        }
    }
}

impl From<Mode> for TokenMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Body => Self::Body,
            Mode::Cookie => Self::Cookie,
        }
    }
}

/// A sign-out. Without a refresh token, the cookie or else the bearer access token names the session.
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
    /// The one that asks.
    #[default]
    Current,
    /// All but the one that asks.
    Others,
    /// All.
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
    /// The access token: a JWT, to be sent as `Authorization: Bearer …`.
    access_token: String,
    /// The refresh token, opaque; each one is good for one renewal. Null where the client keeps it in the cookie.
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
    fn new(signed_in: &SignedIn, mode: TokenMode, context: &RequestContext) -> Self {
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
/// Makes an account and signs it in.
#[utoipa::path(
    post, path = "/auth/register", tag = "Sign-in", operation_id = "register", request_body = RegisterBody,
    responses(
        (status = 201, description = "The account exists and is signed in.", body = AuthPayload, headers(("Set-Cookie" = String, description = "The cookie, where it changes."))),
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
    context.cookie.check(mode)?;
    let input = RegisterInput {
        email: body.email,
        password: SecretString::new(body.password),
        username: body.username,
    };
    let signed_in = state.service.register(input, &context.client_info()).await?;
    Ok((StatusCode::CREATED, AuthPayload::new(&signed_in, mode, &context)))
}

/// Login
///
/// Signs in with a password and opens a session. Wrong password and unknown account get the same answer.
#[utoipa::path(
    post, path = "/auth/login", tag = "Sign-in", operation_id = "login", request_body = LoginBody,
    responses(
        (status = 200, description = "Signed in.", body = AuthPayload, headers(("Set-Cookie" = String, description = "The cookie, where it changes."))),
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
    context.cookie.check(mode)?;
    let input = LoginInput {
        email: body.email,
        username: body.username,
        password: SecretString::new(body.password),
    };
    let signed_in = state.service.login(input, &context.client_info()).await?;
    Ok(AuthPayload::new(&signed_in, mode, &context))
}

/// Refresh
///
/// Hands out the next pair of tokens. A repeated request within the grace period gets the same refresh token again; a token that comes back
/// later ends the session. Without a refresh token in the body, the cookie holds it, and the next one goes there.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "Sign-in", operation_id = "refresh", request_body = Option<RefreshBody>,
    security((), ("refresh_cookie" = [])),
    responses(
        (status = 200, description = "Renewed.", body = AuthPayload, headers(("Set-Cookie" = String, description = "The cookie, where it changes."))),
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
    let renewed = state.service.refresh(presented.take(), &context.client_info()).await;
    let signed_in = presented.clear_if_rejected(renewed)?;
    Ok(AuthPayload::new(&signed_in, presented.mode, &context))
}

/// Logout
///
/// Ends sessions, named by a refresh token in the body, else by the one in the cookie, else by the bearer access token. Asking twice is no
/// error.
#[utoipa::path(
    post, path = "/auth/logout", tag = "Sign-in", operation_id = "logout", request_body = Option<LogoutBody>,
    security((), ("access_token" = []), ("refresh_cookie" = [])),
    responses(
        (status = 204, description = "Signed out. A cookie that named the session is removed.", headers(("Set-Cookie" = String, description = "The cookie, where it changes."))),
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
    let mut presented = context.cookie.present(body.refresh_token, TokenMode::Body)?;
    let input = LogoutInput {
        refresh_token: presented.take(),
        scope,
    };
    let outcome = state
        .service
        .logout(input, &context.credentials, &context.client_info())
        .await;
    presented.logged_out(scope, outcome)?;
    Ok((StatusCode::NO_CONTENT, NO_STORE))
}
