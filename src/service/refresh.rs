//! Refresh: the next pair of tokens for a session.

use super::input::required;
use super::measure::measured;
use super::unstoppable::unstoppable;
use super::{Service, SignedIn};
use crate::domain::audit::Event;
use crate::domain::caller::Visitor;
use crate::domain::clock::Timestamp;
use crate::domain::refresh_token::RefreshClaim;
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
        match self.rotate(claim, now, visitor).await? {
            Rotation::Current { generation, .. } => self.sign_in(account, claim.session, generation, now),
            Rotation::Reused { .. } => Err(Error::RefreshTokenReused),
            Rotation::Over => Err(Error::RefreshTokenInvalid),
        }
    }

    async fn rotate(&self, claim: RefreshClaim, now: Timestamp, visitor: &Visitor) -> Result<Rotation> {
        let (sessions, audit, visitor) = (self.parts.sessions.clone(), self.parts.audit.clone(), visitor.clone());
        let rotating = async move {
            let rotation = sessions.rotate(claim, now).await?;
            if let Some(event) = event(rotation, claim.session) {
                audit.note(event, &visitor);
            }
            Ok(rotation)
        };
        unstoppable(rotating).await
    }
}

/// What there is to note: of a session that a reused token has ended, the first time alone.
fn event(rotation: Rotation, session: SessionId) -> Option<Event> {
    match rotation {
        Rotation::Current { account, .. } => Some(Event::Refreshed { account, session }),
        Rotation::Reused {
            account,
            is_first: true,
        } => Some(Event::RefreshTokenReused { account, session }),
        Rotation::Reused { is_first: false, .. } | Rotation::Over => None,
    }
}
