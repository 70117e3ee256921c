//! Ends sessions and takes note of it, as one piece of work that outlives the request.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::account::AccountId;
use crate::domain::audit::Event;
use crate::domain::client::ClientInfo;
use crate::domain::clock::Timestamp;
use crate::domain::session::{EndReason, SessionId};
use crate::service::{Audit, Service};
use crate::store::SessionStore;

/// What it takes to end sessions without the request that asked for it.
pub(crate) struct EndSession {
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) now: Timestamp,
    audit: Audit,
    client: ClientInfo,
}

impl Service {
    pub(crate) fn ending(&self, client: &ClientInfo, now: Timestamp) -> EndSession {
        EndSession {
            sessions: self.parts.sessions.clone(),
            now,
            audit: self.parts.audit.clone(),
            client: client.clone(),
        }
    }
}

impl EndSession {
    /// Ends a session. Of those who do so at the same time, the one that ended it notes it.
    pub(crate) async fn end(
        &self,
        session: SessionId,
        reason: EndReason,
        event: impl FnOnce(AccountId) -> Event,
    ) -> Result<()> {
        if let Some(account) = self.sessions.end(session, reason, self.now).await? {
            self.note(event(account));
        }
        Ok(())
    }

    pub(crate) fn note(&self, event: Event) {
        self.audit.note(event, &self.client);
    }
}
