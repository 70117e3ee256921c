//! Refresh: the next pair of tokens of a session.

use crate::domain::audit::{AuditEvent, EventKind};
use crate::domain::client::ClientInfo;
use crate::domain::clock::Timestamp;
use crate::domain::refresh_token::{RefreshClaim, Renewal, Rotation};
use crate::domain::secret::SecretString;
use crate::domain::session::SessionId;
use crate::domain::{Error, Result};
use crate::service::detached::spawn_detached;
use crate::service::metrics::measured;
use crate::service::session::{SessionService, SignedIn};
use crate::service::validation::required;

impl SessionService {
    /// Renews the session of a refresh token. The same token within the grace period returns the
    /// same next refresh token again.
    ///
    /// # Errors
    /// `RefreshTokenInvalid`; `RefreshTokenReused`, and then the session has ended; `BadRequest`
    /// without a token; `RateLimited`; `Unavailable`.
    pub async fn refresh(&self, token: Option<SecretString>, client: &ClientInfo) -> Result<SignedIn> {
        measured("refresh", self.renew(token, client)).await
    }

    async fn renew(&self, token: Option<SecretString>, client: &ClientInfo) -> Result<SignedIn> {
        let token = required("refresh_token", token)?;
        let claim = self.tokens.open_refresh_token(&token)?;
        let now = self.clock.now();
        let renewal = self.rotate(claim, now, client).await?;
        self.limiter.record_renewal(renewal.allowance, claim.session, client)?;
        match renewal.rotation {
            Rotation::Current { account, generation } => self.tokens.issue(account, claim.session, generation, now),
            Rotation::Reused { .. } => Err(Error::RefreshTokenReused),
            Rotation::Ended => Err(Error::RefreshTokenInvalid),
            Rotation::Limited(wait) => Err(Error::RateLimited(wait)),
        }
    }

    async fn rotate(&self, claim: RefreshClaim, now: Timestamp, client: &ClientInfo) -> Result<Renewal> {
        let limit = self.limiter.renewal_limit();
        let (sessions, audit, client) = (self.sessions.clone(), self.audit.clone(), client.clone());
        let rotating = async move {
            let renewal = sessions.rotate(claim, now, limit).await?;
            if let Some(event) = event(&renewal.rotation, claim.session) {
                audit.record(event, &client);
            }
            Ok(renewal)
        };
        spawn_detached(rotating).await
    }
}

/// The event of a rotation. Only the first use of a reused token ends the session and is recorded.
fn event(rotation: &Rotation, session: SessionId) -> Option<AuditEvent> {
    let (kind, account) = match *rotation {
        Rotation::Current { ref account, .. } => (EventKind::Refreshed, account.id),
        Rotation::Reused { ended: Some(account) } => (EventKind::RefreshTokenReused, account),
        Rotation::Reused { ended: None } | Rotation::Ended | Rotation::Limited(_) => return None,
    };
    Some(AuditEvent::new(kind).account(account).session(session))
}
