//! Authenticates the account profiles that Redis stores. Without it, an attacker who can write to
//! Redis could choose the roles of the next access token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::Result;
use crate::domain::message_authenticator::MessageAuthenticator;
use crate::domain::secret::SecretBytes;
use crate::security::hmac_tag::TagKeys;

pub struct ProfileAuthenticator {
    keys: TagKeys,
}

impl ProfileAuthenticator {
    /// Derives a key from each secret: the first one makes tags, all of them verify.
    ///
    /// # Errors
    /// When the list is empty.
    pub fn new(secrets: &[SecretBytes]) -> Result<Self> {
        Ok(Self {
            keys: TagKeys::for_tags(secrets, "session profiles")?,
        })
    }
}

impl MessageAuthenticator for ProfileAuthenticator {
    fn tag(&self, message: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.keys.tag(message))
    }

    fn is_genuine(&self, message: &[u8], tag: &str) -> bool {
        let tag = URL_SAFE_NO_PAD.decode(tag);
        tag.is_ok_and(|tag| self.keys.is_genuine(message, &tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authenticator(secrets: &[u8]) -> ProfileAuthenticator {
        let secrets: Vec<_> = secrets.iter().map(|byte| SecretBytes::new(vec![*byte; 32])).collect();
        ProfileAuthenticator::new(&secrets).unwrap()
    }

    #[test]
    fn a_tag_is_for_one_message_under_one_secret() {
        let tag = authenticator(&[1]).tag(b"message");
        assert_eq!(tag.len(), 22);
        assert!(authenticator(&[1]).is_genuine(b"message", &tag));
        assert!(authenticator(&[2, 1]).is_genuine(b"message", &tag), "an older secret");
        assert!(!authenticator(&[2]).is_genuine(b"message", &tag));
        assert!(!authenticator(&[1]).is_genuine(b"massage", &tag));
        for other in ["", "A", &tag[..20], &format!("{tag}A"), &format!("{tag}=")] {
            assert!(!authenticator(&[1]).is_genuine(b"message", other), "{other:?}");
        }
    }

    #[test]
    fn the_first_secret_makes_the_tags() {
        assert_eq!(
            authenticator(&[2, 1]).tag(b"message"),
            authenticator(&[2]).tag(b"message")
        );
    }
}
