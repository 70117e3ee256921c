//! The seal on what Redis holds of an account: whoever can write there must not name the roles of the next access token.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::derived_key::Keys;
use crate::domain::Result;
use crate::domain::seal::Seal;
use crate::domain::secret::SecretBytes;

/// As much of HMAC-SHA-256 as a refresh token has (RFC 2104 section 5 asks for half of it at least).
const BYTES: usize = 16;

/// Seals profiles: HMAC-SHA-256, cut to 128 bits.
pub struct ProfileSeal {
    keys: Keys<hmac::Key>,
}

impl ProfileSeal {
    /// Derives the keys: the first secret seals, and what any of them has sealed is genuine.
    ///
    /// # Errors
    /// Without a secret.
    pub fn new(secrets: &[SecretBytes]) -> Result<Self> {
        let key = |bytes: &[u8]| Ok(hmac::Key::new(hmac::HMAC_SHA256, bytes));
        Ok(Self {
            keys: Keys::derive(secrets, "session profiles", key)?,
        })
    }
}

impl Seal for ProfileSeal {
    fn tag(&self, message: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(cut(&hmac::sign(self.keys.first(), message)))
    }

    fn is_genuine(&self, message: &[u8], tag: &str) -> bool {
        let Ok(tag) = URL_SAFE_NO_PAD.decode(tag) else {
            return false;
        };
        self.keys
            .all()
            .any(|key| constant_time::verify_slices_are_equal(cut(&hmac::sign(key, message)), &tag).is_ok())
    }
}

fn cut(tag: &hmac::Tag) -> &[u8] {
    tag.as_ref().get(..BYTES).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(secrets: &[u8]) -> ProfileSeal {
        let secrets: Vec<_> = secrets.iter().map(|byte| SecretBytes::new(vec![*byte; 32])).collect();
        ProfileSeal::new(&secrets).unwrap()
    }

    #[test]
    fn a_tag_is_for_one_message_under_one_secret() {
        let tag = seal(&[1]).tag(b"message");
        assert_eq!(tag.len(), 22);
        assert!(seal(&[1]).is_genuine(b"message", &tag));
        assert!(seal(&[2, 1]).is_genuine(b"message", &tag), "an older secret");
        assert!(!seal(&[2]).is_genuine(b"message", &tag));
        assert!(!seal(&[1]).is_genuine(b"massage", &tag));
        for other in ["", "A", &tag[..20], &format!("{tag}A"), &format!("{tag}=")] {
            assert!(!seal(&[1]).is_genuine(b"message", other), "{other:?}");
        }
    }

    #[test]
    fn the_first_secret_seals() {
        assert_eq!(seal(&[2, 1]).tag(b"message"), seal(&[2]).tag(b"message"));
    }
}
