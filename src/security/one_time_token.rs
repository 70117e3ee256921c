//! Secrets of one-time tokens: how they are made, and what is stored of them.
//!
//! A secret has 256 random bits, so a plain SHA-256 protects it. A code has six digits, and a
//! plain digest would reveal it after a million guesses. Its digest is an HMAC under a key
//! derived from `AUTH_SECRET`, over the id of its token too: a leaked database reveals no code,
//! and equal codes have different digests.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::domain::one_time_token::{OneTimeToken, TokenDigest, TokenId, TokenPurpose};
use crate::domain::secret::{SecretBytes, SecretString};
use crate::domain::{Error, Result};
use crate::security::derived_key::Keys;

/// Length of a secret, in bytes.
const SECRET_BYTES: usize = 32;
/// The number of codes of six digits.
const CODES: u32 = 1_000_000;

/// Makes the secrets of one-time tokens, and their digests.
pub struct OneTimeTokens {
    code_keys: Keys<hmac::Key>,
}

impl OneTimeTokens {
    /// Derives the keys for codes.
    ///
    /// # Errors
    /// Without a secret.
    pub fn new(secrets: &[SecretBytes]) -> Result<Self> {
        let key = |bytes: &[u8]| Ok(hmac::Key::new(hmac::HMAC_SHA256, bytes));
        Ok(Self {
            code_keys: Keys::derive(secrets, "one-time codes", key)?,
        })
    }

    /// A fresh secret: 43 characters that need no escaping in a URL.
    ///
    /// # Errors
    /// `Internal`, when the system has no random numbers.
    pub fn generate(&self) -> Result<OneTimeToken> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        fill(bytes.as_mut_slice())?;
        Ok(OneTimeToken(SecretString::new(
            URL_SAFE_NO_PAD.encode(bytes.as_slice()),
        )))
    }

    /// A fresh code of six digits, each one as likely as every other.
    ///
    /// # Errors
    /// `Internal`, when the system has no random numbers.
    pub fn generate_code(&self) -> Result<SecretString> {
        let mut bytes = Zeroizing::new([0; size_of::<u32>()]);
        loop {
            fill(bytes.as_mut_slice())?;
            if let Some(code) = code_from(u32::from_be_bytes(*bytes)) {
                return Ok(code);
            }
        }
    }

    /// The digest of what was presented as a secret, whatever text it is.
    #[must_use]
    pub fn digest(&self, presented: &str) -> TokenDigest {
        digest_of(digest(&SHA256, presented.as_bytes()).as_ref())
    }

    /// The digest of a code that is about to be stored.
    #[must_use]
    pub fn code_digest(&self, purpose: TokenPurpose, id: TokenId, code: &str) -> TokenDigest {
        code_digest(self.code_keys.first(), purpose, id, code)
    }

    /// The digests under which a presented code may be stored: one for each `AUTH_SECRET`, so
    /// that a code outlives a change of the first one.
    #[must_use]
    pub fn code_digests(&self, purpose: TokenPurpose, id: TokenId, code: &str) -> Vec<TokenDigest> {
        let digests = self.code_keys.all().map(|key| code_digest(key, purpose, id, code));
        digests.collect()
    }
}

fn fill(bytes: &mut [u8]) -> Result<()> {
    rand::fill(bytes).map_err(|_| Error::internal("there are no random numbers"))
}

/// `None` for the numbers above the last whole multiple: without them no code is more likely.
fn code_from(random: u32) -> Option<SecretString> {
    let is_unbiased = random < u32::MAX - u32::MAX % CODES;
    is_unbiased.then(|| SecretString::new(format!("{:06}", random % CODES)))
}

/// The zero byte and the fixed length of the id keep two inputs from having the same bytes.
fn code_digest(key: &hmac::Key, purpose: TokenPurpose, id: TokenId, code: &str) -> TokenDigest {
    let mut context = hmac::Context::with_key(key);
    for part in [purpose.name().as_bytes(), &[0], id.0.as_bytes(), code.as_bytes()] {
        context.update(part);
    }
    digest_of(context.sign().as_ref())
}

fn digest_of(bytes: &[u8]) -> TokenDigest {
    let mut digest = TokenDigest([0; 32]);
    for (target, byte) in digest.0.iter_mut().zip(bytes) {
        *target = *byte;
    }
    digest
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const PURPOSE: TokenPurpose = TokenPurpose::EmailVerificationCode;

    fn tokens(secrets: &[u8]) -> OneTimeTokens {
        let secrets: Vec<_> = secrets.iter().map(|byte| SecretBytes::new(vec![*byte; 32])).collect();
        OneTimeTokens::new(&secrets).unwrap()
    }

    #[test]
    fn a_secret_has_256_bits_and_is_never_the_same() {
        let tokens = tokens(&[1]);
        let secrets: HashSet<String> = (0..100)
            .map(|_| tokens.generate().unwrap().0.expose().to_owned())
            .collect();
        assert_eq!(secrets.len(), 100);
        assert!(secrets.iter().all(|secret| secret.len() == 43));
    }

    /// FIPS 180-2 appendix B.1.
    #[test]
    fn the_digest_of_a_secret_is_its_sha_256() {
        let digest = tokens(&[1]).digest("abc").0;
        assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(digest[28..], [0xf2, 0x00, 0x15, 0xad]);
    }

    #[test]
    fn codes_have_six_digits_and_no_bias() {
        for _ in 0..100 {
            let code = tokens(&[1]).generate_code().unwrap();
            assert!(code.expose().len() == 6 && code.expose().bytes().all(|byte| byte.is_ascii_digit()));
        }
        assert_eq!(code_from(42).unwrap().expose(), "000042");
        assert_eq!(code_from(4_293_999_999).unwrap().expose(), "999999");
        assert!(
            code_from(4_294_000_000).is_none(),
            "000000 to 967295 would come once more"
        );
        assert!(code_from(u32::MAX).is_none());
    }

    #[test]
    fn a_code_digest_depends_on_secret_purpose_id_and_code() {
        let (id, other) = (TokenId::random(), TokenId::random());
        let digest = tokens(&[1]).code_digest(PURPOSE, id, "123456");
        assert_eq!(digest, tokens(&[1]).code_digest(PURPOSE, id, "123456"));
        let different = [
            tokens(&[2]).code_digest(PURPOSE, id, "123456"),
            tokens(&[1]).code_digest(TokenPurpose::LoginChallenge, id, "123456"),
            tokens(&[1]).code_digest(PURPOSE, other, "123456"),
            tokens(&[1]).code_digest(PURPOSE, id, "123457"),
            tokens(&[1]).digest("123456"),
        ];
        assert!(!different.contains(&digest));
    }

    #[test]
    fn a_code_outlives_a_change_of_the_first_secret() {
        let id = TokenId::random();
        let stored = tokens(&[1]).code_digest(PURPOSE, id, "123456");
        assert!(tokens(&[2, 1]).code_digests(PURPOSE, id, "123456").contains(&stored));
        assert!(!tokens(&[2]).code_digests(PURPOSE, id, "123456").contains(&stored));
        assert_eq!(
            tokens(&[2, 1]).code_digest(PURPOSE, id, "123456"),
            tokens(&[2]).code_digest(PURPOSE, id, "123456")
        );
    }
}
