//! What a successful sign-in or renewal hands out.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Result;
use crate::domain::account::{Account, AccountId};
use crate::domain::clock::Timestamp;
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::secret::SecretString;
use crate::domain::session::{Device, Generation, NewSession, SessionId};
use crate::service::Service;

/// An account and the tokens of one of its sessions.
#[derive(Debug)]
pub struct SignedIn {
    /// Who signed in.
    pub account: Arc<Account>,
    /// The session's tokens.
    pub tokens: Tokens,
}

/// A pair of tokens.
#[derive(Debug)]
pub struct Tokens {
    /// The access token, a JWT.
    pub access: SecretString,
    /// The refresh token, opaque to clients.
    pub refresh: SecretString,
    /// How long the access token is good for.
    pub expires_in: Duration,
}

impl Service {
    /// A session that begins now.
    pub(crate) fn new_session(&self, account: AccountId, device: Device, now: Timestamp) -> NewSession {
        let expires_at = now.plus(self.parts.lifetimes.session);
        NewSession {
            id: SessionId::fresh(),
            account,
            created_at: now,
            expires_at,
            device,
        }
    }

    /// The tokens of a session that stands at `generation`.
    pub(crate) fn sign_in(
        &self,
        account: Arc<Account>,
        session: SessionId,
        generation: Generation,
        now: Timestamp,
    ) -> Result<SignedIn> {
        let tokens = Tokens {
            access: self.parts.access_tokens.issue(&account, session, now)?,
            refresh: self.parts.refresh_tokens.seal(RefreshClaim { session, generation }),
            expires_in: self.parts.access_tokens.lifetime(),
        };
        Ok(SignedIn { account, tokens })
    }
}
