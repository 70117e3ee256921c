//! Keyed hashes of the subjects of rate limits, so that stored counters contain neither addresses
//! nor accounts.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::Result;
use crate::domain::secret::SecretBytes;
use crate::security::hmac_tag::TagKeys;

/// Hashes short texts under a key derived from `AUTH_SECRET`.
pub struct KeyedHash {
    keys: TagKeys,
}

impl KeyedHash {
    /// Derives the key from the first secret. A new first secret resets all counters.
    ///
    /// # Errors
    /// When the list is empty.
    pub fn new(secrets: &[SecretBytes]) -> Result<Self> {
        Ok(Self {
            // The purpose is part of the key: another text would reset the counters in Redis.
            keys: TagKeys::for_tags(secrets, "pseudonyms")?,
        })
    }

    /// The hash of a text: deterministic, and long enough that two subjects do not collide.
    #[must_use]
    pub fn of(&self, subject: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.keys.tag(subject.as_bytes()))
    }
}
