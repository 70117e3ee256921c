//! The caller's own sessions.

use async_graphql::futures_util::stream::{self, Stream};
use async_graphql::{Context, Enum, ID, Object, SimpleObject, Subscription};
use uuid::Uuid;

use crate::api::graphql::context::{request_context, service};
use crate::api::graphql::date_time::DateTime;
use crate::api::graphql::error::{GraphqlError, null_with};
use crate::domain::Error;
use crate::domain::session::{EndReason, SessionEnd, SessionId, SessionView};

/// A session: one sign-in on one device.
#[derive(SimpleObject)]
struct Session {
    /// The identifier of the session; the `sid` claim of its access tokens.
    id: ID,
    /// When the session was opened.
    created_at: DateTime,
    /// When its tokens were last refreshed.
    last_used_at: DateTime,
    /// When the session expires, unless its tokens are refreshed before.
    expires_at: DateTime,
    /// The `User-Agent` header of the device that opened the session.
    user_agent: Option<String>,
    /// The IP address from which the session was opened.
    ip: Option<String>,
    /// Whether this is the session of the caller.
    current: bool,
}

impl From<SessionView> for Session {
    fn from(view: SessionView) -> Self {
        Self {
            id: view.id.0.into(),
            created_at: view.created_at.into(),
            last_used_at: view.last_used_at.into(),
            expires_at: view.expires_at.into(),
            user_agent: view.device.user_agent,
            ip: view.device.ip,
            current: view.is_current,
        }
    }
}

/// The end of a session.
#[derive(SimpleObject)]
struct SessionEnded {
    /// The identifier of the session.
    session_id: ID,
    /// Why the session has ended.
    reason: SessionEndReason,
    /// When the session ended.
    ended_at: DateTime,
}

/// Why a session has ended.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum SessionEndReason {
    /// The session was signed out.
    Logout,
    /// Another session of the account ended it.
    EndedElsewhere,
    /// A refresh token was used a second time after the grace period: it may be stolen.
    Reuse,
    /// The account's password was changed in another session.
    PasswordChanged,
    /// An operator ended all sessions of the account.
    Operator,
    /// The session expired.
    Expired,
}

impl From<SessionEnd> for SessionEnded {
    fn from(end: SessionEnd) -> Self {
        Self {
            session_id: end.session.0.into(),
            reason: match end.reason {
                EndReason::Logout => SessionEndReason::Logout,
                EndReason::EndedElsewhere => SessionEndReason::EndedElsewhere,
                EndReason::Reuse => SessionEndReason::Reuse,
                EndReason::PasswordChanged => SessionEndReason::PasswordChanged,
                EndReason::Operator => SessionEndReason::Operator,
                EndReason::Expired => SessionEndReason::Expired,
            },
            ended_at: end.at.into(),
        }
    }
}

#[derive(Default)]
pub(crate) struct SessionQuery;

#[derive(Default)]
pub(crate) struct SessionMutation;

#[derive(Default)]
pub(crate) struct SessionSubscription;

#[Subscription]
impl SessionSubscription {
    /// Reports the end of the caller's session within a second, then completes. Requires the access
    /// token in the connection parameters: `{"Authorization": "Bearer …"}`. The access token may
    /// expire during the subscription. The end of a session that has ended before is reported at
    /// once.
    async fn session_ended(
        &self,
        context: &Context<'_>,
    ) -> Result<impl Stream<Item = SessionEnded> + use<>, GraphqlError> {
        let credentials = &request_context(context).credentials;
        let watch = service(context).session.watch(credentials).await?;
        Ok(stream::once(async move { watch.end().await.into() }))
    }
}

#[Object]
impl SessionQuery {
    /// The live sessions of the caller's account, newest first, at most 100. Without a valid access
    /// token it is null, with an `UNAUTHENTICATED` error.
    async fn sessions(&self, context: &Context<'_>) -> Option<Vec<Session>> {
        match service(context)
            .session
            .list(&request_context(context).credentials)
            .await
        {
            Ok(views) => Some(views.into_iter().map(Session::from).collect()),
            Err(error) => null_with(context, error),
        }
    }
}

#[Object]
impl SessionMutation {
    /// Ends a session of the caller's account. Repeating the call is no error; a session of another
    /// account is `NOT_FOUND`.
    async fn end_session(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The identifier of the session.")] id: ID,
    ) -> Result<bool, GraphqlError> {
        let id = Uuid::parse_str(&id).map(SessionId).map_err(|_| Error::NotFound)?;
        let request = request_context(context);
        service(context)
            .session
            .end(&request.credentials, id, &request.client_info())
            .await?;
        Ok(true)
    }
}
