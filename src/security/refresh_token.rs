//! Refresh tokens: `base64url(version ‖ session ‖ generation ‖ tag)`.
//!
//! The tag is HMAC-SHA-256 over the bytes before it, truncated to 128 bits (RFC 2104 section 5).
//! Tokens are not stored: a stolen database contains none, and a forged token is refused before any
//! I/O. One generation always has the same token, so a client may retry a refresh.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::domain::Result;
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::secret::{SecretBytes, SecretString};
use crate::domain::session::{Generation, SessionId};
use crate::security::hmac_tag::{TAG_BYTES, TagKeys};

const VERSION: u8 = 1;
const CLAIM_BYTES: usize = 1 + 16 + 4;
const TOKEN_BYTES: usize = CLAIM_BYTES + TAG_BYTES;
/// Length of every token, in characters: 37 bytes in base64 without padding.
const TOKEN_CHARS: usize = 50;

/// Issues refresh tokens and reads them.
pub struct RefreshTokens {
    keys: TagKeys,
}

impl RefreshTokens {
    /// Derives a key from each secret: the first one issues tokens, all of them read.
    ///
    /// # Errors
    /// When the list is empty.
    pub fn new(secrets: &[SecretBytes]) -> Result<Self> {
        Ok(Self {
            keys: TagKeys::for_tags(secrets, "refresh token")?,
        })
    }

    /// A token of any bytes with the right tag.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn seal_bytes(&self, claim: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([claim, &self.keys.tag(claim)].concat())
    }

    /// The only token of this claim.
    #[must_use]
    pub fn seal(&self, claim: RefreshClaim) -> SecretString {
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(claim.session.0.as_bytes());
        bytes.extend_from_slice(&claim.generation.0.to_be_bytes());
        let tag = self.keys.tag(&bytes);
        bytes.extend_from_slice(&tag);
        SecretString::new(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a token; `None` unless this gateway issued exactly this text.
    #[must_use]
    pub fn open(&self, token: &str) -> Option<RefreshClaim> {
        if token.len() != TOKEN_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (claim, presented) = bytes.split_at_checked(CLAIM_BYTES)?;
        if !self.keys.is_genuine(claim, presented) {
            return None;
        }
        let (version, rest) = claim.split_first()?;
        let (session, generation) = rest.split_at_checked(16)?;
        if *version != VERSION {
            return None;
        }
        Some(RefreshClaim {
            session: SessionId(Uuid::from_slice(session).ok()?),
            generation: Generation(u32::from_be_bytes(generation.try_into().ok()?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(byte: u8) -> RefreshTokens {
        RefreshTokens::new(&[SecretBytes::new(vec![byte; 32])]).unwrap()
    }

    fn claim() -> RefreshClaim {
        RefreshClaim {
            session: SessionId::fresh(),
            generation: Generation(7),
        }
    }

    #[test]
    fn a_generation_always_has_the_same_token() {
        let (tokens, claim) = (tokens(1), claim());
        let token = tokens.seal(claim);
        assert_eq!(token.expose().len(), TOKEN_CHARS);
        assert_eq!(tokens.open(token.expose()), Some(claim));
        assert_eq!(tokens.seal(claim).expose(), token.expose());
    }

    #[test]
    fn any_other_text_is_refused() {
        let tokens = tokens(1);
        let token = tokens.seal(claim()).expose().to_owned();
        for position in 0..token.len() {
            for replacement in ["A", "B", "_", "=", "!"] {
                let mut forged = token.clone();
                forged.replace_range(position..=position, replacement);
                assert!(
                    forged == token || tokens.open(&forged).is_none(),
                    "{forged} was accepted"
                );
            }
        }
        for forged in [
            String::new(),
            token[1..].to_owned(),
            format!("{token}A"),
            format!("{token}="),
            "é".repeat(25),
        ] {
            assert!(tokens.open(&forged).is_none(), "{forged} was accepted");
        }
    }

    #[test]
    fn the_first_secret_issues_tokens_and_all_secrets_read_them() {
        let both = RefreshTokens::new(&[SecretBytes::new(vec![2; 32]), SecretBytes::new(vec![1; 32])]).unwrap();
        let claim = claim();
        assert_eq!(both.open(tokens(1).seal(claim).expose()), Some(claim));
        assert_eq!(both.open(tokens(2).seal(claim).expose()), Some(claim));
        assert_eq!(both.seal(claim).expose(), tokens(2).seal(claim).expose());
        assert_eq!(both.open(tokens(3).seal(claim).expose()), None);
    }

    #[test]
    fn a_token_under_another_secret_is_refused() {
        assert!(tokens(2).open(tokens(1).seal(claim()).expose()).is_none());
    }
}
