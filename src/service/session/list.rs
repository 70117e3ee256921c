//! The caller's own sessions: seen, and ended one by one.

use crate::domain::audit::Event;
use crate::domain::client::{ClientInfo, Credentials};
use crate::domain::session::{EndReason, SessionId, SessionView};
use crate::domain::{Error, Result};
use crate::service::Service;
use crate::service::detached::spawn_detached;
use crate::service::metrics::measured;

impl Service {
    /// The live sessions of the caller's account, the newest first, at most a hundred.
    ///
    /// # Errors
    /// As `authenticate`.
    pub async fn sessions(&self, credentials: &Credentials) -> Result<Vec<SessionView>> {
        measured("sessions", self.list_sessions(credentials)).await
    }

    /// Ends a session of the caller's account; one that is over already is no error.
    ///
    /// # Errors
    /// `NotFound` for a session that never was or is another account's: the two look alike. As `authenticate`.
    pub async fn end_session(&self, credentials: &Credentials, id: SessionId, client: &ClientInfo) -> Result<()> {
        measured("end_session", self.end_own_session(credentials, id, client)).await
    }

    async fn list_sessions(&self, credentials: &Credentials) -> Result<Vec<SessionView>> {
        let caller = self.authenticate(credentials).await?;
        let records = self
            .parts
            .sessions
            .list(caller.account.id, self.parts.clock.now())
            .await?;
        let views = records.into_iter().map(|record| SessionView {
            id: record.session.id,
            created_at: record.created_at,
            last_used_at: record.session.rotated_at,
            expires_at: record.session.expiry(&self.parts.lifetimes),
            device: record.device,
            is_current: record.session.id == caller.session,
        });
        Ok(views.collect())
    }

    async fn end_own_session(&self, credentials: &Credentials, id: SessionId, client: &ClientInfo) -> Result<()> {
        let caller = self.authenticate(credentials).await?;
        if self.parts.sessions.find_owner(id).await? != Some(caller.account.id) {
            return Err(Error::NotFound);
        }
        let reason = if id == caller.session {
            EndReason::Logout
        } else {
            EndReason::EndedElsewhere
        };
        let ending = self.ending(client, self.parts.clock.now());
        let (session, by) = (id, caller.session);
        let ended = move |account| Event::SessionEnded { account, session, by };
        spawn_detached(async move { ending.end(session, reason, ended).await }).await
    }
}
