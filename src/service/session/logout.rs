//! Logout: the caller's session, the account's other sessions, or all of them.

use crate::domain::audit::{AuditEvent, EventKind};
use crate::domain::client::{ClientInfo, Credentials};
use crate::domain::refresh_token::{RefreshClaim, TokenStatus};
use crate::domain::secret::SecretString;
use crate::domain::session::{EndReason, SessionId};
use crate::domain::{Error, Result};
use crate::service::detached::spawn_detached;
use crate::service::metrics::measured;
use crate::service::session::{EndSession, SessionService};

/// Which sessions a logout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogoutScope {
    /// The caller's session.
    #[default]
    Current,
    /// All but the caller's session.
    Others,
    All,
}

/// A logout as the client sent it.
#[derive(Debug)]
pub struct LogoutInput {
    /// If present, it names the session, and the access token is ignored.
    pub refresh_token: Option<SecretString>,
    pub scope: LogoutScope,
}

impl SessionService {
    /// Ends sessions. A session that has ended already is no error, so that a client may always
    /// repeat a logout. An expired access token is accepted, because its session may be live.
    ///
    /// # Errors
    /// `RefreshTokenInvalid` or `Unauthenticated` for a token that this gateway has not issued;
    /// `RefreshTokenReused` if a used refresh token asks for more than its own session;
    /// `Unavailable`.
    pub async fn logout(&self, input: LogoutInput, credentials: &Credentials, client: &ClientInfo) -> Result<()> {
        let ending = EndSession::new(&self.sessions, &self.audit, client, self.clock.now());
        measured("logout", self.log_out(input, credentials, ending)).await
    }

    async fn log_out(&self, input: LogoutInput, credentials: &Credentials, ending: EndSession) -> Result<()> {
        if let Some(token) = &input.refresh_token {
            let claim = self.tokens.open_refresh_token(token)?;
            return self.log_out_by_refresh_token(claim, input.scope, ending).await;
        }
        let claim = self.authenticator.verify(credentials).await?;
        spawn_detached(ending.end_scope(claim.session, input.scope)).await
    }

    /// A stolen token that its owner has used since must not end the account's other sessions.
    async fn log_out_by_refresh_token(
        &self,
        claim: RefreshClaim,
        scope: LogoutScope,
        ending: EndSession,
    ) -> Result<()> {
        let (session, now) = (claim.session, ending.now);
        let lifetimes = ending.sessions.lifetimes_at(now);
        if scope != LogoutScope::Current
            && let Some(found) = ending.sessions.find(session, now).await?
            && found.session.token_status(claim.generation, now, &lifetimes) == TokenStatus::Reused
        {
            let reused = AuditEvent::new(EventKind::RefreshTokenReused);
            spawn_detached(async move { ending.end(session, EndReason::Reuse, reused).await }).await?;
            return Err(Error::RefreshTokenReused);
        }
        spawn_detached(ending.end_scope(session, scope)).await
    }
}

impl EndSession {
    async fn end_scope(self, session: SessionId, scope: LogoutScope) -> Result<()> {
        if scope != LogoutScope::Current {
            // An earlier attempt may have ended them in SQL alone, at a node that Redis has not
            // heard from since.
            self.sessions.check_ready().await?;
            // Only a live session may end the others. They end first: if this fails half way, the
            // session is still live and the client can repeat the logout.
            let Some(live) = self.sessions.find(session, self.now).await? else {
                return Ok(());
            };
            self.sessions
                .end_others(live.account.id, session, EndReason::EndedElsewhere, self.now)
                .await?;
            let ended = AuditEvent::new(EventKind::OtherSessionsEnded);
            self.record(ended.account(live.account.id).detail(session.0));
        }
        if scope != LogoutScope::Others {
            let logged_out = AuditEvent::new(EventKind::LoggedOut);
            self.end(session, EndReason::Logout, logged_out).await?;
        }
        Ok(())
    }
}
