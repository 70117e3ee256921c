//! Ends the sessions of an account for an operator, who needs no password and no running node.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::account::{AccountId, AccountName};
use crate::domain::audit::{AuditEvent, EventKind};
use crate::domain::client::ClientInfo;
use crate::domain::clock::Clock;
use crate::domain::session::EndReason;
use crate::service::audit::Audit;
use crate::store::{Accounts, SessionStore};

/// Ends sessions in the stores that the nodes use.
pub struct SessionEnder {
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The sessions that an operator has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedSessions {
    pub account: AccountId,
    pub count: u64,
}

impl SessionEnder {
    /// Ends every open session of an account, as durably as a logout: once this returns, every node
    /// refuses their tokens. `None` if there is no such account.
    ///
    /// # Errors
    /// `Unavailable`. It is safe to repeat.
    pub async fn end_all(&self, name: &AccountName) -> Result<Option<EndedSessions>> {
        let account = match name {
            AccountName::Id(id) => self.accounts.find(*id).await?.map(|account| account.id),
            AccountName::Login(identifier) => {
                let found = self.accounts.find_by_identifier(identifier).await?;
                found.map(|found| found.account.id)
            }
        };
        let Some(account) = account else { return Ok(None) };
        let now = self.clock.now();
        let count = self.sessions.end_all(account, EndReason::Operator, now).await?;
        let ended = AuditEvent::new(EventKind::AllSessionsEnded).account(account);
        self.audit.record(ended, &ClientInfo::default());
        Ok(Some(EndedSessions { account, count }))
    }
}
