//! Register, login, refresh, logout.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};

use crate::api::graphql::account::{User, service};
use crate::api::graphql::error::GraphqlError;
use crate::api::http::cookie;
use crate::api::http::request_context::RequestContext;
use crate::domain::secret::SecretString;
use crate::service::{self, LogoutInput, SignedIn};

/// What can be done to sign in and out.
#[derive(Default)]
pub(crate) struct SignInMutation;

/// A new account.
#[derive(InputObject)]
struct RegisterInput {
    /// E-mail address, unique without regard to case.
    email: String,
    /// At least 8 characters, at most 256; any Unicode.
    password: String,
    /// 3 to 32 of letters, digits, `_`, `.` and `-`; unique without regard to case.
    username: String,
}

/// A sign-in: the password, with either the e-mail or the username.
#[derive(InputObject)]
struct LoginInput {
    /// The account's e-mail.
    email: Option<String>,
    /// The account's username, in place of the e-mail.
    username: Option<String>,
    /// The account's password.
    password: String,
}

/// Where a client keeps its refresh token.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum TokenMode {
    /// In its own hands: the token stands in the answer.
    Body,
    /// In an `HttpOnly` cookie, which no script of a page can read.
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
    /// The one that asks.
    Current,
    /// All but the one that asks.
    Others,
    /// All.
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
    /// The access token: a JWT, to be sent as `Authorization: Bearer …`.
    access_token: String,
    /// The refresh token, opaque; each one is good for one renewal. Null where the client keeps it in the cookie.
    refresh_token: Option<String>,
    /// Always `bearer`.
    token_type: &'static str,
    /// Lifetime of the access token, in seconds.
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
    /// Makes an account and signs it in.
    async fn register(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The new account.")] input: RegisterInput,
        #[graphql(desc = "Where the refresh token goes.", default_with = "TokenMode::Body")] mode: TokenMode,
    ) -> Result<AuthPayload, GraphqlError> {
        let (request, mode) = (request_context(context), mode.into());
        request.cookie.check(mode)?;
        let input = service::RegisterInput {
            email: input.email,
            password: SecretString::new(input.password),
            username: input.username,
        };
        let signed_in = service(context).register(input, &request.client_info()).await?;
        Ok(AuthPayload::new(&signed_in, mode, request))
    }

    /// Signs in with a password and opens a session. Wrong password and unknown account get the same answer.
    async fn login(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Who signs in.")] input: LoginInput,
        #[graphql(desc = "Where the refresh token goes.", default_with = "TokenMode::Body")] mode: TokenMode,
    ) -> Result<AuthPayload, GraphqlError> {
        let (request, mode) = (request_context(context), mode.into());
        request.cookie.check(mode)?;
        let input = service::LoginInput {
            email: input.email,
            username: input.username,
            password: SecretString::new(input.password),
        };
        let signed_in = service(context).login(input, &request.client_info()).await?;
        Ok(AuthPayload::new(&signed_in, mode, request))
    }

    /// Hands out the next pair of tokens. A repeated request within the grace period gets the same refresh token again; a token that
    /// comes back later ends the session. Without a token here, the cookie holds it, and the next one goes there.
    async fn refresh_token(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session's current refresh token.")] refresh_token: Option<String>,
        #[graphql(
            desc = "Where the next refresh token goes; one that came by cookie is always followed by cookie.",
            default_with = "TokenMode::Body"
        )]
        mode: TokenMode,
    ) -> Result<AuthPayload, GraphqlError> {
        let request = request_context(context);
        let mut presented = request.cookie.present(refresh_token, mode.into())?;
        let renewed = service(context).refresh(presented.take(), &request.client_info()).await;
        let signed_in = presented.clear_if_rejected(renewed)?;
        Ok(AuthPayload::new(&signed_in, presented.mode, request))
    }

    /// Ends sessions, named by a refresh token, else by the one in the cookie, else by the access token in `Authorization: Bearer …`. Asking
    /// twice is no error.
    async fn logout(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "A refresh token of the session, in place of the access token.")] refresh_token: Option<
            String,
        >,
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
            .logout(input, &request.credentials, &request.client_info())
            .await;
        presented.logged_out(scope, outcome)?;
        Ok(true)
    }
}

fn request_context<'a>(context: &Context<'a>) -> &'a RequestContext {
    context.data_unchecked()
}
