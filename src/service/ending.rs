//! Ends sessions and takes note of it, as one piece of work that outlives the request.

use std::sync::Arc;

use super::{Audit, Service};
use crate::domain::Result;
use crate::domain::account::AccountId;
use crate::domain::audit::Event;
use crate::domain::caller::Visitor;
use crate::domain::clock::Timestamp;
use crate::domain::session::{EndReason, SessionId};
use crate::store::SessionStore;

/// What it takes to end sessions without the request that asked for it.
pub(super) struct Ending {
    pub(super) sessions: Arc<dyn SessionStore>,
    pub(super) now: Timestamp,
    audit: Audit,
    visitor: Visitor,
}

impl Service {
    pub(super) fn ending(&self, visitor: &Visitor, now: Timestamp) -> Ending {
        Ending {
            sessions: self.parts.sessions.clone(),
            now,
            audit: self.parts.audit.clone(),
            visitor: visitor.clone(),
        }
    }
}

impl Ending {
    /// Ends a session. Of those who do so at the same time, the one that ended it notes it.
    pub(super) async fn end(
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

    pub(super) fn note(&self, event: Event) {
        self.audit.note(event, &self.visitor);
    }
}
