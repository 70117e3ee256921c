//! What other services need to verify our tokens.

use std::time::Duration;

use crate::domain::signing_key::PublicKey;
use crate::service::Service;

/// The issuer and its public keys.
#[derive(Debug)]
pub struct Discovery {
    /// The issuer of every token.
    pub issuer: String,
    /// The keys that verify.
    pub keys: Vec<PublicKey>,
    /// How long all of it may be kept.
    pub max_age: Duration,
}

impl Service {
    /// The issuer and its public keys; needs no store, so that verifiers never wait for one.
    #[must_use]
    pub fn discovery(&self) -> Discovery {
        let tokens = &self.parts.access_tokens;
        Discovery {
            issuer: tokens.issuer().to_owned(),
            keys: tokens.keys().public_keys(self.parts.clock.now()),
            max_age: self.parts.key_rotation.lead.jwks_max_age(),
        }
    }
}
