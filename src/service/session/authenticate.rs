//! From the access token of a request to the caller behind it.

use crate::domain::client::{AccessClaim, Caller, Credentials};
use crate::domain::error::Refusal;
use crate::domain::{Error, Result};
use crate::security::Verification;
use crate::service::Service;

impl Service {
    /// Who presents these credentials. Beyond what any verifier checks, the session must live, so that a logout takes effect at
    /// once and everywhere.
    ///
    /// # Errors
    /// `Unauthenticated` with the reason; `Unavailable`, since a store that is down says nothing about the token.
    pub async fn authenticate(&self, credentials: &Credentials) -> Result<Caller> {
        let claim = self.verify_unexpired(credentials).await?;
        let now = self.parts.clock.now();
        let revoked = || Error::Unauthenticated(Refusal::Revoked);
        let live = self
            .parts
            .sessions
            .find(claim.session, now)
            .await?
            .ok_or_else(revoked)?;
        if live.account.id != claim.account {
            return Err(Error::Unauthenticated(Refusal::Invalid));
        }
        Ok(Caller {
            account: live.account,
            session: claim.session,
        })
    }

    /// What a token of ours says that has not expired; its session may be over.
    pub(crate) async fn verify_unexpired(&self, credentials: &Credentials) -> Result<AccessClaim> {
        let claim = self.verify(credentials).await?;
        if self.parts.clock.now() >= claim.expires_at {
            return Err(Error::Unauthenticated(Refusal::Expired));
        }
        Ok(claim)
    }

    /// What a token of ours says, expired or not.
    pub(crate) async fn verify(&self, credentials: &Credentials) -> Result<AccessClaim> {
        let token = match credentials {
            Credentials::Missing => return Err(Error::Unauthenticated(Refusal::Missing)),
            Credentials::Malformed => return Err(Error::Unauthenticated(Refusal::Invalid)),
            Credentials::Bearer(token) => token.expose(),
        };
        let now = self.parts.clock.now();
        let mut verification = self.parts.access_tokens.verify(token, now);
        // Another node may have signed with a key that this one has not seen yet.
        if verification == Verification::UnknownKey {
            // Boxed, as it seldom happens: every request would carry its size about.
            Box::pin(self.look_for_unknown_key()).await?;
            verification = self.parts.access_tokens.verify(token, now);
        }
        match verification {
            Verification::Genuine(claim) => Ok(claim),
            Verification::UnknownKey | Verification::Forged => Err(Error::Unauthenticated(Refusal::Invalid)),
        }
    }
}
