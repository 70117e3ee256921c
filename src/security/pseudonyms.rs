//! Names for what is counted but need not be known: whoever reads the counters learns no address and no account.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::tag::TagKeys;
use crate::domain::Result;
use crate::domain::secret::SecretBytes;

/// Makes pseudonyms: tags, long enough that no two subjects share one by accident.
pub struct Pseudonyms {
    keys: TagKeys,
}

impl Pseudonyms {
    /// Derives the key from the first secret. When that changes, so do the pseudonyms, and counting begins anew.
    ///
    /// # Errors
    /// Without a secret.
    pub fn new(secrets: &[SecretBytes]) -> Result<Self> {
        Ok(Self {
            keys: TagKeys::for_tags(secrets, "pseudonyms")?,
        })
    }

    /// The pseudonym of a name, always the same one.
    #[must_use]
    pub fn of(&self, name: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.keys.tag(name.as_bytes()))
    }
}
