//! The tokens of a session.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::account::Account;
use crate::domain::clock::Timestamp;
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::secret::SecretString;
use crate::domain::session::{Generation, SessionId};
use crate::domain::{Error, Result};
use crate::security::{AccessTokens, RefreshTokens};

/// An account and the tokens of one of its sessions.
#[derive(Debug)]
pub struct SignedIn {
    pub account: Arc<Account>,
    pub tokens: Tokens,
}

#[derive(Debug)]
pub struct Tokens {
    /// A JWT.
    pub access: SecretString,
    /// Opaque to clients.
    pub refresh: SecretString,
    /// Lifetime of the access token.
    pub expires_in: Duration,
}

/// Issues the tokens of sessions and reads refresh tokens.
pub struct TokenIssuer {
    pub(crate) access_tokens: Arc<AccessTokens>,
    pub(crate) refresh_tokens: RefreshTokens,
}

impl TokenIssuer {
    /// The tokens of a session at this generation.
    pub(crate) fn issue(
        &self,
        account: Arc<Account>,
        session: SessionId,
        generation: Generation,
        now: Timestamp,
    ) -> Result<SignedIn> {
        let tokens = Tokens {
            access: self.access_tokens.issue(&account, session, now)?,
            refresh: self.refresh_tokens.seal(RefreshClaim { session, generation }),
            expires_in: self.access_tokens.lifetime(),
        };
        Ok(SignedIn { account, tokens })
    }

    /// The claim of a genuine refresh token. Its session may have ended.
    ///
    /// # Errors
    /// `RefreshTokenInvalid`.
    pub(crate) fn open_refresh_token(&self, token: &SecretString) -> Result<RefreshClaim> {
        self.refresh_tokens
            .open(token.expose())
            .ok_or(Error::RefreshTokenInvalid)
    }
}
