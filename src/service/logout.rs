//! Logout: this session, the account's other sessions, or all of them.

use super::Service;
use super::measure::measured;
use super::refresh::log_reuse;
use super::unstoppable::unstoppable;
use crate::domain::caller::Credentials;
use crate::domain::clock::Timestamp;
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::secret::SecretString;
use crate::domain::session::{EndReason, SessionId, Standing};
use crate::domain::{Error, Result};

/// Which sessions a logout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogoutScope {
    /// The one that asks.
    #[default]
    Current,
    /// All but the one that asks.
    Others,
    /// All.
    All,
}

/// Who logs out, and how far.
#[derive(Debug)]
pub struct LogoutInput {
    /// Names the session, where it is given; then the access token is not looked at.
    pub refresh_token: Option<SecretString>,
    /// Which sessions to end.
    pub scope: LogoutScope,
}

impl Service {
    /// Ends sessions. A session that is over already is no error: a client may always ask again. An expired access token will do, since its
    /// session may live on.
    ///
    /// # Errors
    /// `RefreshTokenInvalid` or `Unauthenticated` for a token that was never ours; `RefreshTokenReused` when an old token asks for more than
    /// its own session; `Unavailable`.
    pub async fn logout(&self, input: LogoutInput, credentials: &Credentials) -> Result<()> {
        measured("logout", self.end_by(input, credentials)).await
    }

    async fn end_by(&self, input: LogoutInput, credentials: &Credentials) -> Result<()> {
        let now = self.parts.clock.now();
        if let Some(token) = &input.refresh_token {
            let claim = self
                .parts
                .refresh_tokens
                .open(token.expose())
                .ok_or(Error::RefreshTokenInvalid)?;
            return self.logout_by_refresh_token(claim, input.scope, now).await;
        }
        let claim = self.verify(credentials).await?;
        self.end_sessions(claim.session, input.scope, now).await
    }

    /// A stolen token that its owner has used since must not reach the account's other sessions.
    async fn logout_by_refresh_token(&self, claim: RefreshClaim, scope: LogoutScope, now: Timestamp) -> Result<()> {
        if scope != LogoutScope::Current
            && let Some(session) = self.parts.sessions.find(claim.session, now).await?
            && session.standing(claim.generation, now, &self.parts.lifetimes) == Standing::Reused
        {
            let sessions = self.parts.sessions.clone();
            let ending = async move { sessions.end(claim.session, EndReason::Reuse, now).await };
            if unstoppable(ending).await? {
                log_reuse(session.account, claim.session);
            }
            return Err(Error::RefreshTokenReused);
        }
        self.end_sessions(claim.session, scope, now).await
    }

    async fn end_sessions(&self, session: SessionId, scope: LogoutScope, now: Timestamp) -> Result<()> {
        let sessions = self.parts.sessions.clone();
        let ending = async move {
            if scope != LogoutScope::Current {
                // An earlier try may have ended them in SQL alone, at a node that Redis has not heard from since.
                sessions.check_ready().await?;
                // Only a live session speaks for its siblings. They go first: should this fail half way, it can still ask again.
                let Some(live) = sessions.find(session, now).await? else {
                    return Ok(());
                };
                sessions
                    .end_others(live.account, session, EndReason::EndedElsewhere, now)
                    .await?;
                tracing::info!(target: "audit", event = "other_sessions_ended", account = %live.account.0, by_session = %session.0);
            }
            if scope != LogoutScope::Others {
                let is_ended = sessions.end(session, EndReason::Logout, now).await?;
                if is_ended {
                    tracing::info!(target: "audit", event = "logged_out", session = %session.0);
                }
            }
            Ok(())
        };
        unstoppable(ending).await
    }
}
