//! Register, login, refresh, logout.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};

use super::account::{User, service};
use super::error::GraphqlError;
use crate::api::caller::Asker;
use crate::domain::caller::Visitor;
use crate::domain::secret::SecretString;
use crate::service::{self, LogoutInput, SignedIn};

/// What can be done to sign in and out.
#[derive(Default)]
pub(super) struct SignInMutation;

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
    /// The refresh token, opaque; each one is good for one renewal. Null where the client keeps it in a cookie.
    refresh_token: Option<String>,
    /// Always `bearer`.
    token_type: &'static str,
    /// Lifetime of the access token, in seconds.
    expires_in: u64,
}

impl From<SignedIn> for AuthPayload {
    fn from(signed_in: SignedIn) -> Self {
        let token = Token {
            access_token: signed_in.tokens.access.expose().to_owned(),
            refresh_token: Some(signed_in.tokens.refresh.expose().to_owned()),
            token_type: "bearer",
            expires_in: signed_in.tokens.expires_in.as_secs(),
        };
        Self {
            token,
            user: signed_in.account.into(),
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
    ) -> Result<AuthPayload, GraphqlError> {
        let input = service::RegisterInput {
            email: input.email,
            password: SecretString::new(input.password),
            username: input.username,
        };
        Ok(service(context).register(input, visitor(context)).await?.into())
    }

    /// Signs in with a password and opens a session. Wrong password and unknown account get the same answer.
    async fn login(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Who signs in.")] input: LoginInput,
    ) -> Result<AuthPayload, GraphqlError> {
        let input = service::LoginInput {
            email: input.email,
            username: input.username,
            password: SecretString::new(input.password),
        };
        Ok(service(context).login(input, visitor(context)).await?.into())
    }

    /// Hands out the next pair of tokens. A repeated request within the grace period gets the same refresh token again; a token that
    /// comes back later ends the session.
    async fn refresh_token(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session's current refresh token.")] refresh_token: Option<String>,
    ) -> Result<AuthPayload, GraphqlError> {
        Ok(service(context)
            .refresh(refresh_token.map(SecretString::new), visitor(context))
            .await?
            .into())
    }

    /// Ends sessions, named by the access token in `Authorization: Bearer …` or by a refresh token. Asking twice is no error.
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
        let input = LogoutInput {
            refresh_token: refresh_token.map(SecretString::new),
            scope,
        };
        service(context)
            .logout(input, &context.data_unchecked::<Asker>().credentials)
            .await?;
        Ok(true)
    }
}

fn visitor<'a>(context: &Context<'a>) -> &'a Visitor {
    &context.data_unchecked::<Asker>().visitor
}
