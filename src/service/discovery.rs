//! What other services need to verify our tokens.

use super::Service;
use crate::domain::signing_key::PublicKey;

/// The issuer and its public keys.
#[derive(Debug)]
pub struct Discovery {
    /// The issuer of every token.
    pub issuer: String,
    /// The keys that verify.
    pub keys: Vec<PublicKey>,
}

impl Service {
    /// The issuer and its public keys; needs no store, so that verifiers never wait for one.
    #[must_use]
    pub fn discovery(&self) -> Discovery {
        let tokens = &self.parts.access_tokens;
        Discovery {
            issuer: tokens.issuer().to_owned(),
            keys: tokens.keys().public_keys(self.parts.clock.now()),
        }
    }
}
