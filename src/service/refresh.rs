//! Refresh: the next pair of tokens for a session.

use super::input::required;
use super::measure::measured;
use super::unstoppable::unstoppable;
use super::{Service, SignedIn};
use crate::domain::account::AccountId;
use crate::domain::caller::Visitor;
use crate::domain::secret::SecretString;
use crate::domain::session::{Rotation, SessionId};
use crate::domain::{Error, Result};

impl Service {
    /// Renews the session of a refresh token. Asked again with the same token within the grace period, it answers with the same
    /// refresh token again.
    ///
    /// # Errors
    /// `RefreshTokenInvalid`; `RefreshTokenReused`, and then the session is over; `BadRequest` without a token; `RateLimited`;
    /// `Unavailable`.
    pub async fn refresh(&self, token: Option<SecretString>, visitor: &Visitor) -> Result<SignedIn> {
        measured("refresh", self.renew_session(token, visitor)).await
    }

    async fn renew_session(&self, token: Option<SecretString>, visitor: &Visitor) -> Result<SignedIn> {
        let token = required("refresh_token", token)?;
        let claim = self
            .parts
            .refresh_tokens
            .open(token.expose())
            .ok_or(Error::RefreshTokenInvalid)?;
        self.charge_renewal(claim.session, visitor).await?;
        let now = self.parts.clock.now();
        // The account is read first: if the database is down, the token must still be good when it is back.
        let session = self
            .parts
            .sessions
            .find(claim.session, now)
            .await?
            .ok_or(Error::RefreshTokenInvalid)?;
        let account = self
            .parts
            .accounts
            .find(session.account)
            .await?
            .ok_or(Error::RefreshTokenInvalid)?;
        let sessions = self.parts.sessions.clone();
        match unstoppable(async move { sessions.rotate(claim, now).await }).await? {
            Rotation::Current { generation, .. } => self.sign_in(account, claim.session, generation, now),
            Rotation::Reused { account, is_first } => {
                if is_first {
                    log_reuse(account, claim.session);
                }
                Err(Error::RefreshTokenReused)
            }
            Rotation::Over => Err(Error::RefreshTokenInvalid),
        }
    }
}

/// One line for each session that a reused token has ended.
pub(super) fn log_reuse(account: AccountId, session: SessionId) {
    tracing::warn!(target: "audit", event = "refresh_token_reused", account = %account.0, session = %session.0);
}
