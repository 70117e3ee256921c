//! The caller's own sessions.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::account::service;
use super::error::{GraphqlError, null_with};
use crate::api::caller::Asker;
use crate::domain::Error;
use crate::domain::session::{SessionId, SessionView};

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

/// Questions about sessions.
#[derive(Default)]
pub(super) struct SessionQuery;

/// What can be done to sessions.
#[derive(Default)]
pub(super) struct SessionMutation;

#[Object]
impl SessionQuery {
    /// The live sessions of the caller's account, the newest first, at most a hundred. Without a valid access token it is null, with an
    /// `UNAUTHENTICATED` error.
    async fn sessions(&self, context: &Context<'_>) -> Option<Vec<Session>> {
        let asker = context.data_unchecked::<Asker>();
        match service(context).sessions(&asker.credentials).await {
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
        service(context)
            .end_session(&context.data_unchecked::<Asker>().credentials, id)
            .await?;
        Ok(true)
    }
}
