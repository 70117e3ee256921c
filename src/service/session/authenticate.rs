//! From the access token of a request to its caller.

use std::sync::Arc;

use crate::domain::client::{AccessClaim, Caller, Credentials};
use crate::domain::clock::Clock;
use crate::domain::error::Refusal;
use crate::domain::{Error, Result};
use crate::security::Verification;
use crate::service::signing_key::SigningKeyService;
use crate::store::SessionStore;

/// Verifies access tokens and finds their sessions.
pub struct Authenticator {
    pub(crate) signing_keys: Arc<SigningKeyService>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// The caller that presents these credentials. Beyond what any verifier checks, the session
    /// must be live, so that a logout takes effect at once and at every node.
    ///
    /// # Errors
    /// `Unauthenticated` with the reason; `Unavailable`: while a store is down, it is unknown
    /// whether the session is live.
    pub(crate) async fn authenticate(&self, credentials: &Credentials) -> Result<Caller> {
        let claim = self.verify_unexpired(credentials).await?;
        let now = self.clock.now();
        let revoked = || Error::Unauthenticated(Refusal::Revoked);
        let live = self.sessions.find(claim.session, now).await?.ok_or_else(revoked)?;
        if live.account.id != claim.account {
            return Err(Error::Unauthenticated(Refusal::Invalid));
        }
        Ok(Caller {
            account: live.account,
            session: claim.session,
        })
    }

    /// The claim of a genuine token that has not expired. Its session may have ended.
    pub(crate) async fn verify_unexpired(&self, credentials: &Credentials) -> Result<AccessClaim> {
        let claim = self.verify(credentials).await?;
        if self.clock.now() >= claim.expires_at {
            return Err(Error::Unauthenticated(Refusal::Expired));
        }
        Ok(claim)
    }

    /// The claim of a genuine token, expired or not.
    pub(crate) async fn verify(&self, credentials: &Credentials) -> Result<AccessClaim> {
        let token = match credentials {
            Credentials::Missing => return Err(Error::Unauthenticated(Refusal::Missing)),
            Credentials::Malformed => return Err(Error::Unauthenticated(Refusal::Invalid)),
            Credentials::Bearer(token) => token.expose(),
        };
        let now = self.clock.now();
        let access_tokens = &self.signing_keys.access_tokens;
        let mut verification = access_tokens.verify(token, now);
        // Another node may have signed with a key that this one has not seen yet.
        if verification == Verification::UnknownKey {
            // Boxed, because it is rare: otherwise the future of every request would hold it.
            Box::pin(self.signing_keys.reload_for_unknown_key()).await?;
            verification = access_tokens.verify(token, now);
        }
        match verification {
            Verification::Genuine(claim) => Ok(claim),
            Verification::UnknownKey | Verification::Forged => Err(Error::Unauthenticated(Refusal::Invalid)),
        }
    }
}
