//! Tags: HMAC-SHA-256, truncated to 128 bits (RFC 2104 section 5 requires at least half of it).

use aws_lc_rs::{constant_time, hmac};

use crate::domain::Result;
use crate::domain::secret::SecretBytes;
use crate::security::derived_key::Keys;

/// Length of a tag, in bytes.
pub(crate) const TAG_BYTES: usize = 16;

/// The keys for tags of one purpose.
pub(crate) type TagKeys = Keys<hmac::Key>;

impl TagKeys {
    /// Derives a key from each secret: the first one makes tags, all of them verify.
    ///
    /// # Errors
    /// When the list of secrets is empty.
    pub(crate) fn for_tags(secrets: &[SecretBytes], purpose: &str) -> Result<Self> {
        Self::derive(secrets, purpose, |bytes| Ok(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    pub(crate) fn tag(&self, message: &[u8]) -> [u8; TAG_BYTES] {
        tag(self.first(), message)
    }

    /// Whether one of the keys made this tag for this message.
    pub(crate) fn is_genuine(&self, message: &[u8], presented: &[u8]) -> bool {
        self.all()
            .any(|key| constant_time::verify_slices_are_equal(presented, &tag(key, message)).is_ok())
    }
}

fn tag(key: &hmac::Key, message: &[u8]) -> [u8; TAG_BYTES] {
    let mut tag = [0; TAG_BYTES];
    let full = hmac::sign(key, message);
    if let Some(cut) = full.as_ref().get(..TAG_BYTES) {
        tag.copy_from_slice(cut);
    }
    tag
}
