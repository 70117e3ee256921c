//! What other services need to verify access tokens.

use std::time::Duration;

use crate::domain::signing_key::PublicKey;
use crate::service::signing_key::SigningKeyService;

/// The issuer and its public keys.
#[derive(Debug)]
pub struct Discovery {
    pub issuer: String,
    /// The keys that verify tokens now.
    pub keys: Vec<PublicKey>,
    /// How long a verifier may cache the answer.
    pub max_age: Duration,
}

impl SigningKeyService {
    /// The issuer and its public keys. It reads no store, so that verifiers never wait for one.
    #[must_use]
    pub fn discovery(&self) -> Discovery {
        Discovery {
            issuer: self.access_tokens.issuer().to_owned(),
            keys: self.access_tokens.keys().public_keys(self.clock.now()),
            max_age: self.rotation.lead.jwks_max_age(),
        }
    }
}
