//! The one place that all ways to sign in end in.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::account::{Account, AccountId, NewAccount};
use crate::domain::audit::Event;
use crate::domain::client::ClientInfo;
use crate::domain::clock::Clock;
use crate::domain::credential::{CredentialsUpdate, CredentialsVersion};
use crate::domain::session::{Generation, Lifetimes, NewSession, SessionId};
use crate::service::audit::Audit;
use crate::service::session::{SignedIn, TokenIssuer};
use crate::store::{Accounts, SessionStore};

/// Completes a sign-in: opens the session, issues its tokens and records the audit event.
pub struct CompleteSignIn {
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) tokens: Arc<TokenIssuer>,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lifetimes: Lifetimes,
}

impl CompleteSignIn {
    /// Signs in to an existing account. `None` if its credentials have changed since they were
    /// verified: the caller must verify them again.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn log_in(
        &self,
        account: Arc<Account>,
        verified: CredentialsVersion,
        client: &ClientInfo,
    ) -> Result<Option<SignedIn>> {
        let session = self.new_session(account.id, client);
        let signed_in = self.issue_tokens(account, &session)?;
        if self.sessions.open(&session, verified).await? == CredentialsUpdate::Conflict {
            return Ok(None);
        }
        let logged_in = Event::LoggedIn {
            account: session.account,
            session: session.id,
        };
        self.audit.record(logged_in, client);
        Ok(Some(signed_in))
    }

    /// Creates an account and signs in to it, in one transaction.
    ///
    /// # Errors
    /// `EmailTaken`, `UsernameTaken`, `Unavailable`. In every case nothing is stored.
    pub(crate) async fn register(&self, account: &NewAccount, client: &ClientInfo) -> Result<SignedIn> {
        let session = self.new_session(account.id, client);
        let signed_in = self.issue_tokens(account.public().into(), &session)?;
        self.accounts.create(account, &session).await?;
        let registered = Event::Registered {
            account: account.id,
            session: session.id,
        };
        self.audit.record(registered, client);
        Ok(signed_in)
    }

    fn new_session(&self, account: AccountId, client: &ClientInfo) -> NewSession {
        let now = self.clock.now();
        NewSession {
            id: SessionId::fresh(),
            account,
            created_at: now,
            expires_at: now.plus(self.lifetimes.session),
            device: client.device.clone(),
        }
    }

    /// Issued before anything is stored: after the commit, nothing is left that could fail.
    fn issue_tokens(&self, account: Arc<Account>, session: &NewSession) -> Result<SignedIn> {
        self.tokens
            .issue(account, session.id, Generation::FIRST, session.created_at)
    }
}
