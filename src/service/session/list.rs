//! The caller's own sessions: list them, and end one of them.

use crate::domain::audit::{AuditEvent, EventKind};
use crate::domain::client::{ClientInfo, Credentials};
use crate::domain::session::{EndReason, SessionId, SessionView};
use crate::domain::{Error, Result};
use crate::service::detached::spawn_detached;
use crate::service::metrics::measured;
use crate::service::session::{EndSession, SessionService};

impl SessionService {
    /// The live sessions of the caller's account, newest first, at most 100.
    ///
    /// # Errors
    /// As `Authenticator::authenticate`.
    pub async fn list(&self, credentials: &Credentials) -> Result<Vec<SessionView>> {
        measured("sessions", self.list_own(credentials)).await
    }

    /// Ends a session of the caller's account. A session that has ended already is no error.
    ///
    /// # Errors
    /// `NotFound` for a session that never existed and for one of another account, so that the two
    /// cannot be told apart. As `Authenticator::authenticate`.
    pub async fn end(&self, credentials: &Credentials, id: SessionId, client: &ClientInfo) -> Result<()> {
        measured("end_session", self.end_own(credentials, id, client)).await
    }

    async fn list_own(&self, credentials: &Credentials) -> Result<Vec<SessionView>> {
        let caller = self.authenticator.authenticate(credentials).await?;
        let records = self.sessions.list(caller.account.id, self.clock.now()).await?;
        let views = records.into_iter().map(|record| SessionView {
            id: record.session.id,
            created_at: record.created_at,
            last_used_at: record.session.rotated_at,
            expires_at: record.session.expiry(&self.lifetimes),
            device: record.device,
            is_current: record.session.id == caller.session,
        });
        Ok(views.collect())
    }

    async fn end_own(&self, credentials: &Credentials, session: SessionId, client: &ClientInfo) -> Result<()> {
        let caller = self.authenticator.authenticate(credentials).await?;
        if self.sessions.find_owner(session).await? != Some(caller.account.id) {
            return Err(Error::NotFound);
        }
        let by = caller.session;
        let reason = if session == by {
            EndReason::Logout
        } else {
            EndReason::EndedElsewhere
        };
        let ending = EndSession::new(&self.sessions, &self.audit, client, self.clock.now());
        let ended = AuditEvent::new(EventKind::SessionEnded).detail(by.0);
        spawn_detached(async move { ending.end(session, reason, ended).await }).await
    }
}
