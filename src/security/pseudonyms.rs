//! Names for what is counted but need not be known: whoever reads the counters learns no address and no account.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::derived_key::Keys;
use crate::domain::Result;
use crate::domain::secret::SecretBytes;

/// Long enough that no two subjects share one by accident.
const BYTES: usize = 16;

/// Makes pseudonyms: HMAC-SHA-256, cut to 128 bits.
pub struct Pseudonyms {
    keys: Keys<hmac::Key>,
}

impl Pseudonyms {
    /// Derives the key from the first secret. When that changes, so do the pseudonyms, and counting begins anew.
    ///
    /// # Errors
    /// Without a secret.
    pub fn new(secrets: &[SecretBytes]) -> Result<Self> {
        let key = |bytes: &[u8]| Ok(hmac::Key::new(hmac::HMAC_SHA256, bytes));
        Ok(Self {
            keys: Keys::derive(secrets, "pseudonyms", key)?,
        })
    }

    /// The pseudonym of a name, always the same one.
    #[must_use]
    pub fn of(&self, name: &str) -> String {
        let tag = hmac::sign(self.keys.first(), name.as_bytes());
        URL_SAFE_NO_PAD.encode(tag.as_ref().get(..BYTES).unwrap_or_default())
    }
}
