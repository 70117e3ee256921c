//! The caller's own sessions.

use std::sync::Arc;

use async_graphql::futures_util::stream::{self, Stream};
use async_graphql::{Context, Enum, ID, Object, SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::api::graphql::account::service;
use crate::api::graphql::error::{GraphqlError, null_with};
use crate::api::http::request_context::RequestContext;
use crate::domain::Error;
use crate::domain::session::{EndReason, SessionEnd, SessionId, SessionView};
use crate::service::Service;

/// A session: one sign-in on one device.
#[derive(SimpleObject)]
struct Session {
    /// Names the session; the `sid` of its access tokens.
    id: ID,
    /// When it was opened.
    created_at: DateTime<Utc>,
    /// When it was last renewed.
    last_used_at: DateTime<Utc>,
    /// When its time is over, unless it is renewed before.
    expires_at: DateTime<Utc>,
    /// What the device that opened it calls itself.
    user_agent: Option<String>,
    /// The address from which it was opened.
    ip: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

impl From<SessionView> for Session {
    fn from(view: SessionView) -> Self {
        Self {
            id: view.id.0.into(),
            created_at: view.created_at.date_time(),
            last_used_at: view.last_used_at.date_time(),
            expires_at: view.expires_at.date_time(),
            user_agent: view.device.user_agent,
            ip: view.device.ip,
            current: view.is_current,
        }
    }
}

/// The end of a session.
#[derive(SimpleObject)]
struct SessionEnded {
    /// The session.
    session_id: ID,
    /// Why it has ended.
    reason: SessionEndReason,
    /// When it ended.
    ended_at: DateTime<Utc>,
}

/// Why a session has ended.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum SessionEndReason {
    /// It signed out.
    Logout,
    /// Another session of the account ended it.
    EndedElsewhere,
    /// A refresh token came back that had been used before: somebody else may have it.
    Reuse,
    /// The account's password was changed, at another session.
    PasswordChanged,
    /// An operator ended all sessions of the account.
    Operator,
    /// Its time was over.
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
            ended_at: end.at.date_time(),
        }
    }
}

/// Questions about sessions.
#[derive(Default)]
pub(crate) struct SessionQuery;

/// What can be done to sessions.
#[derive(Default)]
pub(crate) struct SessionMutation;

/// What can be waited for.
#[derive(Default)]
pub(crate) struct SessionSubscription;

#[Subscription]
impl SessionSubscription {
    /// Waits for the end of the session that asks, tells it within a second, and completes. Wants the access token in the connection
    /// parameters: `{"Authorization": "Bearer …"}`. It may expire meanwhile. A session that is over already is told at once.
    async fn session_ended(
        &self,
        context: &Context<'_>,
    ) -> Result<impl Stream<Item = SessionEnded> + use<>, GraphqlError> {
        let service = context.data_unchecked::<Arc<Service>>().clone();
        let watch = service
            .watch_session(&context.data_unchecked::<RequestContext>().credentials)
            .await?;
        Ok(stream::once(async move { watch.end().await.into() }))
    }
}

#[Object]
impl SessionQuery {
    /// The live sessions of the caller's account, the newest first, at most a hundred. Without a valid access token it is null, with an
    /// `UNAUTHENTICATED` error.
    async fn sessions(&self, context: &Context<'_>) -> Option<Vec<Session>> {
        let request = context.data_unchecked::<RequestContext>();
        match service(context).sessions(&request.credentials).await {
            Ok(views) => Some(views.into_iter().map(Session::from).collect()),
            Err(error) => null_with(context, error),
        }
    }
}

#[Object]
impl SessionMutation {
    /// Ends a session of the caller's account. Asking twice is no error; another account's session is `NOT_FOUND`.
    async fn end_session(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The session.")] id: ID,
    ) -> Result<bool, GraphqlError> {
        let id = Uuid::parse_str(&id).map(SessionId).map_err(|_| Error::NotFound)?;
        let request = context.data_unchecked::<RequestContext>();
        service(context)
            .end_session(&request.credentials, id, &request.client_info())
            .await?;
        Ok(true)
    }
}
