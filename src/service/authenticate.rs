//! From the access token of a request to the caller behind it.

use super::Service;
use crate::domain::caller::{AccessClaim, Caller, Credentials};
use crate::domain::error::Refusal;
use crate::domain::{Error, Result};

impl Service {
    /// Who presents these credentials. Beyond what any verifier checks, the session must live, so that a logout takes effect at
    /// once and everywhere.
    ///
    /// # Errors
    /// `Unauthenticated` with the reason; `Unavailable`, since a store that is down says nothing about the token.
    pub async fn authenticate(&self, credentials: &Credentials) -> Result<Caller> {
        let claim = self.verify(credentials)?;
        let now = self.parts.clock.now();
        if now >= claim.expires_at {
            return Err(Error::Unauthenticated(Refusal::Expired));
        }
        let revoked = || Error::Unauthenticated(Refusal::Revoked);
        let session = self
            .parts
            .sessions
            .find(claim.session, now)
            .await?
            .ok_or_else(revoked)?;
        if session.account != claim.account {
            return Err(Error::Unauthenticated(Refusal::Invalid));
        }
        let account = self.parts.accounts.find(claim.account).await?.ok_or_else(revoked)?;
        Ok(Caller {
            account,
            session: claim.session,
        })
    }

    /// What a token of ours says, expired or not.
    pub(super) fn verify(&self, credentials: &Credentials) -> Result<AccessClaim> {
        match credentials {
            Credentials::Missing => Err(Error::Unauthenticated(Refusal::Missing)),
            Credentials::Malformed => Err(Error::Unauthenticated(Refusal::Invalid)),
            Credentials::Bearer(token) => self
                .parts
                .access_tokens
                .verify(token.expose())
                .ok_or(Error::Unauthenticated(Refusal::Invalid)),
        }
    }
}
