//! Logout: this session, the account's other sessions, or all of them.

use crate::domain::audit::Event;
use crate::domain::client::{ClientInfo, Credentials};
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::secret::SecretString;
use crate::domain::session::{EndReason, SessionId, TokenStatus};
use crate::domain::{Error, Result};
use crate::service::Service;
use crate::service::detached::spawn_detached;
use crate::service::metrics::measured;
use crate::service::session::end::EndSession;

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
    pub async fn logout(&self, input: LogoutInput, credentials: &Credentials, client: &ClientInfo) -> Result<()> {
        let ending = self.ending(client, self.parts.clock.now());
        measured("logout", self.end_by(input, credentials, ending)).await
    }

    async fn end_by(&self, input: LogoutInput, credentials: &Credentials, ending: EndSession) -> Result<()> {
        if let Some(token) = &input.refresh_token {
            let claim = self
                .parts
                .refresh_tokens
                .open(token.expose())
                .ok_or(Error::RefreshTokenInvalid)?;
            return self.logout_by_refresh_token(claim, input.scope, ending).await;
        }
        let claim = self.verify(credentials).await?;
        spawn_detached(ending.end_sessions(claim.session, input.scope)).await
    }

    /// A stolen token that its owner has used since must not reach the account's other sessions.
    async fn logout_by_refresh_token(&self, claim: RefreshClaim, scope: LogoutScope, ending: EndSession) -> Result<()> {
        let (session, now) = (claim.session, ending.now);
        if scope != LogoutScope::Current
            && let Some(found) = ending.sessions.find(session, now).await?
            && found.session.token_status(claim.generation, now, &self.parts.lifetimes) == TokenStatus::Reused
        {
            let reused = move |account| Event::RefreshTokenReused { account, session };
            spawn_detached(async move { ending.end(session, EndReason::Reuse, reused).await }).await?;
            return Err(Error::RefreshTokenReused);
        }
        spawn_detached(ending.end_sessions(session, scope)).await
    }
}

impl EndSession {
    async fn end_sessions(self, session: SessionId, scope: LogoutScope) -> Result<()> {
        if scope != LogoutScope::Current {
            // An earlier try may have ended them in SQL alone, at a node that Redis has not heard from since.
            self.sessions.check_ready().await?;
            // Only a live session speaks for its siblings. They go first: should this fail half way, it can still ask again.
            let Some(live) = self.sessions.find(session, self.now).await? else {
                return Ok(());
            };
            self.sessions
                .end_others(live.account.id, session, EndReason::EndedElsewhere, self.now)
                .await?;
            self.note(Event::OtherSessionsEnded {
                account: live.account.id,
                by: session,
            });
        }
        if scope != LogoutScope::Others {
            let logged_out = |account| Event::LoggedOut { account, session };
            self.end(session, EndReason::Logout, logged_out).await?;
        }
        Ok(())
    }
}
