//! The one place that all ways to sign in end in.

use std::sync::Arc;

use crate::domain::account::{Account, AccountId, NewAccount};
use crate::domain::audit::{AuditEvent, EventKind};
use crate::domain::challenge::Challenge;
use crate::domain::client::ClientInfo;
use crate::domain::clock::Clock;
use crate::domain::credential::{CredentialsUpdate, CredentialsVersion};
use crate::domain::session::{Generation, Lifetimes, NewSession, SessionId};
use crate::domain::{Error, Result};
use crate::service::audit::Audit;
use crate::service::session::{SignedIn, TokenIssuer};
use crate::service::sign_in::policy::{Proof, SignInPolicy};
use crate::store::{Accounts, SessionStore};

/// The outcome of a sign-in whose proof was right.
pub(crate) enum SignInOutcome {
    /// A session is open.
    Complete(SignedIn),
    /// One more step is needed. There is no session and there are no tokens.
    NextStep(Challenge),
}

impl SignInOutcome {
    /// # Errors
    /// `NextStep`, which the APIs answer with the challenge.
    pub(crate) fn into_result(self) -> Result<SignedIn> {
        match self {
            Self::Complete(signed_in) => Ok(signed_in),
            Self::NextStep(challenge) => Err(Error::NextStep(Box::new(challenge))),
        }
    }
}

/// An existing account that a client has proved to own.
pub(crate) struct ProvedAccount {
    pub(crate) account: Arc<Account>,
    pub(crate) proof: Proof,
    /// The credentials that the proof was verified against.
    pub(crate) verified: CredentialsVersion,
}

/// Completes a sign-in: asks the policy, opens the session, issues its tokens and records the audit
/// event.
pub struct CompleteSignIn {
    pub(crate) policy: Arc<dyn SignInPolicy>,
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
    /// `Unavailable`; any error of the policy.
    pub(crate) async fn log_in(&self, proved: ProvedAccount, client: &ClientInfo) -> Result<Option<SignInOutcome>> {
        if let Some(challenge) = self.policy.next_step(&proved.account, proved.proof).await? {
            return Ok(Some(SignInOutcome::NextStep(challenge)));
        }
        let session = self.new_session(proved.account.id, client);
        let signed_in = self.issue_tokens(proved.account, &session)?;
        // Guarded by the version, which every change of a fact that the policy reads must raise.
        if self.sessions.open(&session, proved.verified).await? == CredentialsUpdate::Conflict {
            return Ok(None);
        }
        self.record(EventKind::LoggedIn, &session, client);
        Ok(Some(SignInOutcome::Complete(signed_in)))
    }

    /// Creates an account and signs in to it, in one transaction. If the policy demands one more
    /// step, nothing is stored.
    ///
    /// # Errors
    /// `EmailTaken`, `UsernameTaken`, `Unavailable`; any error of the policy. Nothing is stored.
    pub(crate) async fn register(&self, new: &NewAccount, client: &ClientInfo) -> Result<SignInOutcome> {
        let account = Arc::new(new.public());
        if let Some(challenge) = self.policy.next_step(&account, Proof::Registration).await? {
            return Ok(SignInOutcome::NextStep(challenge));
        }
        let session = self.new_session(account.id, client);
        let signed_in = self.issue_tokens(account, &session)?;
        self.accounts.create(new, &session).await?;
        self.record(EventKind::Registered, &session, client);
        Ok(SignInOutcome::Complete(signed_in))
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

    fn record(&self, kind: EventKind, session: &NewSession, client: &ClientInfo) {
        let event = AuditEvent::new(kind).account(session.account).session(session.id);
        self.audit.record(event, client);
    }

    /// Issued before anything is stored: after the commit, nothing is left that could fail.
    fn issue_tokens(&self, account: Arc<Account>, session: &NewSession) -> Result<SignedIn> {
        self.tokens
            .issue(account, session.id, Generation::FIRST, session.created_at)
    }
}
