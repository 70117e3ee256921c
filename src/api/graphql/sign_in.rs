//! Register, log in, refresh, log out.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};

use crate::api::graphql::account::User;
use crate::api::graphql::context::{request_context, service};
use crate::api::graphql::error::GraphqlError;
use crate::api::http::cookie;
use crate::api::http::request_context::RequestContext;
use crate::domain::secret::SecretString;
use crate::service::{self, LogoutInput, SignedIn};

#[derive(Default)]
pub(crate) struct SignInMutation;

/// A new account.
#[derive(InputObject)]
struct RegisterInput {
    /// The e-mail address; unique, ignoring case.
    email: String,
    /// The password: 8 to 256 characters of any Unicode script.
    password: String,
    /// The username: 3 to 32 letters, digits, `_`, `.` or `-`; unique, ignoring case.
    username: String,
}

/// A sign-in: the password, with either the e-mail address or the username.
#[derive(InputObject)]
struct LoginInput {
    /// The account's e-mail address.
    email: Option<String>,
    /// The account's username, instead of the e-mail address.
    username: Option<String>,
    /// The account's password.
    password: String,
}

/// How the client receives and stores its refresh token.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum TokenMode {
    /// In the response: the client stores the token itself.
    Body,
    /// In an `HttpOnly` cookie, which scripts cannot read.
    Cookie,
}

impl From<TokenMode> for cookie::TokenMode {
    fn from(mode: TokenMode) -> Self {
        match mode {
            TokenMode::Body => Self::Body,
            TokenMode::Cookie => Self::Cookie,
        }
    }
}

/// Which sessions a sign-out ends.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum LogoutScope {
    /// The session of the caller.
    Current,
    /// All sessions of the account but the caller's.
    Others,
    /// All sessions of the account.
    All,
}

/// A signed-in account and the tokens of its session.
#[derive(SimpleObject)]
struct AuthPayload {
    /// The tokens of the session.
    token: Token,
    /// The account.
    user: User,
}

/// The tokens of a session.
#[derive(SimpleObject)]
#[allow(clippy::struct_field_names, reason = "the names are the contract's")]
struct Token {
    /// The access token: a JWT, for the header `Authorization: Bearer …`.
    access_token: String,
    /// The refresh token: opaque, for one refresh. Null in cookie mode.
    refresh_token: Option<String>,
    /// Always `bearer`.
    token_type: &'static str,
    /// The lifetime of the access token, in seconds.
    expires_in: u64,
}

impl AuthPayload {
    fn new(signed_in: &SignedIn, mode: cookie::TokenMode, request: &RequestContext) -> Self {
        let token = Token {
            access_token: signed_in.tokens.access.expose().to_owned(),
            refresh_token: request.cookie.deliver(mode, signed_in),
            token_type: "bearer",
            expires_in: signed_in.tokens.expires_in.as_secs(),
        };
        Self {
            token,
            user: signed_in.account.as_ref().into(),
        }
    }
}

#[Object]
impl SignInMutation {
    /// Creates an account and signs in to it.
    async fn register(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The new account.")] input: RegisterInput,
        #[graphql(
            desc = "How the client receives the refresh token.",
            default_with = "TokenMode::Body"
        )]
        mode: TokenMode,
    ) -> Result<AuthPayload, GraphqlError> {
        let (request, mode) = (request_context(context), mode.into());
        request.cookie.check_origin(mode)?;
        let input = service::RegisterInput {
            email: input.email,
            password: SecretString::new(input.password),
            username: input.username,
        };
        let signed_in = service(context).account.register(input, &request.client_info()).await?;
        Ok(AuthPayload::new(&signed_in, mode, request))
    }

    /// Signs in with a password and opens a session. A wrong password and an unknown account get
    /// the same error.
    async fn login(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The account and its password.")] input: LoginInput,
        #[graphql(
            desc = "How the client receives the refresh token.",
            default_with = "TokenMode::Body"
        )]
        mode: TokenMode,
    ) -> Result<AuthPayload, GraphqlError> {
        let (request, mode) = (request_context(context), mode.into());
        request.cookie.check_origin(mode)?;
        let input = service::LoginInput {
            email: input.email,
            username: input.username,
            password: SecretString::new(input.password),
        };
        let signed_in = service(context).sign_in.login(input, &request.client_info()).await?;
        Ok(AuthPayload::new(&signed_in, mode, request))
    }

    /// Exchanges a refresh token for a new pair of tokens. A repeated request within the grace
    /// period gets the same refresh token again; a repeated request after it ends the session.
    /// Without the argument, the refresh token is read from the cookie, and the new one is written
    /// to the cookie.
    async fn refresh_token(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session's current refresh token.")] refresh_token: Option<String>,
        #[graphql(
            desc = "How the client receives the new refresh token; a token from the cookie is always replaced in the cookie.",
            default_with = "TokenMode::Body"
        )]
        mode: TokenMode,
    ) -> Result<AuthPayload, GraphqlError> {
        let request = request_context(context);
        let mut presented = request.cookie.present(refresh_token, mode.into())?;
        let renewed = service(context)
            .session
            .refresh(presented.take(), &request.client_info())
            .await;
        let signed_in = presented.clear_if_rejected(renewed)?;
        Ok(AuthPayload::new(&signed_in, presented.mode, request))
    }

    /// Ends sessions. The refresh token in the argument identifies the caller's session, else the
    /// one in the cookie, else the access token in `Authorization: Bearer …`. Repeating the call is
    /// no error.
    async fn logout(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "A refresh token of the session, instead of the access token.")] refresh_token: Option<String>,
        #[graphql(desc = "Which sessions to end.", default_with = "LogoutScope::Current")] scope: LogoutScope,
    ) -> Result<bool, GraphqlError> {
        let scope = match scope {
            LogoutScope::Current => service::LogoutScope::Current,
            LogoutScope::Others => service::LogoutScope::Others,
            LogoutScope::All => service::LogoutScope::All,
        };
        let request = request_context(context);
        let mut presented = request.cookie.present(refresh_token, cookie::TokenMode::Body)?;
        let input = LogoutInput {
            refresh_token: presented.take(),
            scope,
        };
        let outcome = service(context)
            .session
            .logout(input, &request.credentials, &request.client_info())
            .await;
        presented.clear_after_logout(scope, outcome)?;
        Ok(true)
    }
}
