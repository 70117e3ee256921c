//! Ends sessions and records it, as one piece of work that outlives the request.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::audit::AuditEvent;
use crate::domain::client::ClientInfo;
use crate::domain::clock::Timestamp;
use crate::domain::session::{EndReason, SessionId};
use crate::service::audit::Audit;
use crate::store::SessionStore;

/// Ends sessions for one request, at one point in time. It borrows nothing from the request, so
/// that it can move into a detached task.
pub(crate) struct EndSession {
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) now: Timestamp,
    audit: Audit,
    client: ClientInfo,
}

impl EndSession {
    pub(crate) fn new(sessions: &Arc<dyn SessionStore>, audit: &Audit, client: &ClientInfo, now: Timestamp) -> Self {
        Self {
            sessions: sessions.clone(),
            now,
            audit: audit.clone(),
            client: client.clone(),
        }
    }

    /// Ends a session. Of several calls at the same time, only the one that ended it records the
    /// event. The account and the session of the event are set here.
    pub(crate) async fn end(&self, session: SessionId, reason: EndReason, event: AuditEvent) -> Result<()> {
        if let Some(account) = self.sessions.end(session, reason, self.now).await? {
            self.record(event.account(account).session(session));
        }
        Ok(())
    }

    pub(crate) fn record(&self, event: AuditEvent) {
        self.audit.record(event, &self.client);
    }
}
