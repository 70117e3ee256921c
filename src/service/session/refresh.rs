//! Refresh: the next pair of tokens for a session.

use crate::domain::audit::Event;
use crate::domain::client::ClientInfo;
use crate::domain::clock::Timestamp;
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::secret::SecretString;
use crate::domain::session::{Renewal, Rotation, SessionId};
use crate::domain::{Error, Result};
use crate::service::detached::spawn_detached;
use crate::service::metrics::measured;
use crate::service::validation::required;
use crate::service::{Service, SignedIn};

impl Service {
    /// Renews the session of a refresh token. Asked again with the same token within the grace period, it answers with the same
    /// refresh token again.
    ///
    /// # Errors
    /// `RefreshTokenInvalid`; `RefreshTokenReused`, and then the session is over; `BadRequest` without a token; `RateLimited`;
    /// `Unavailable`.
    pub async fn refresh(&self, token: Option<SecretString>, client: &ClientInfo) -> Result<SignedIn> {
        measured("refresh", self.renew_session(token, client)).await
    }

    async fn renew_session(&self, token: Option<SecretString>, client: &ClientInfo) -> Result<SignedIn> {
        let token = required("refresh_token", token)?;
        let claim = self
            .parts
            .refresh_tokens
            .open(token.expose())
            .ok_or(Error::RefreshTokenInvalid)?;
        let now = self.parts.clock.now();
        let renewal = self.rotate(claim, now, client).await?;
        self.note_renewal(renewal.allowance, claim.session, client)?;
        match renewal.rotation {
            Rotation::Current { account, generation } => self.sign_in(account, claim.session, generation, now),
            Rotation::Reused { .. } => Err(Error::RefreshTokenReused),
            Rotation::Over => Err(Error::RefreshTokenInvalid),
            Rotation::Limited(wait) => Err(Error::RateLimited(wait)),
        }
    }

    async fn rotate(&self, claim: RefreshClaim, now: Timestamp, client: &ClientInfo) -> Result<Renewal> {
        let limit = self.renewal_limit();
        let (sessions, audit, client) = (self.parts.sessions.clone(), self.parts.audit.clone(), client.clone());
        let rotating = async move {
            let renewal = sessions.rotate(claim, now, limit).await?;
            if let Some(event) = event(&renewal.rotation, claim.session) {
                audit.note(event, &client);
            }
            Ok(renewal)
        };
        spawn_detached(rotating).await
    }
}

/// What there is to note: of a session that a reused token has ended, the first time alone.
fn event(rotation: &Rotation, session: SessionId) -> Option<Event> {
    match *rotation {
        Rotation::Current { ref account, .. } => Some(Event::Refreshed {
            account: account.id,
            session,
        }),
        Rotation::Reused { ended: Some(account) } => Some(Event::RefreshTokenReused { account, session }),
        Rotation::Reused { ended: None } | Rotation::Over | Rotation::Limited(_) => None,
    }
}
