//! Ends the sessions of an account at the word of an operator, who needs no password and no node for it.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::account::{AccountId, AccountName};
use crate::domain::audit::Event;
use crate::domain::client::ClientInfo;
use crate::domain::clock::Clock;
use crate::domain::session::EndReason;
use crate::service::Audit;
use crate::store::{Accounts, SessionStore};

/// Ends sessions in the stores that the nodes use.
pub struct SessionEnder {
    /// Accounts.
    pub accounts: Accounts,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Takes note of it.
    pub audit: Audit,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// What an operator has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedSessions {
    /// Whose they were.
    pub account: AccountId,
    /// How many.
    pub count: u64,
}

impl SessionEnder {
    /// Ends every open session of an account, as lasting as a logout: once this returns, every node refuses their tokens. `None` if there
    /// is no such account.
    ///
    /// # Errors
    /// `Unavailable`, when a store is down. It may be repeated.
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
        self.audit
            .note(Event::AllSessionsEnded { account }, &ClientInfo::default());
        Ok(Some(EndedSessions { account, count }))
    }
}
