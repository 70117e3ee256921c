//! Authenticated encryption at rest: AES-256-GCM under keys that are derived from `AUTH_SECRET`,
//! one for each purpose.
//!
//! A sealed text is nonce ‖ ciphertext ‖ tag. The nonce is random, 96 bits long: NIST SP 800-38D
//! section 8.3 allows 2³² texts under one key.
//!
//! To seal one more kind of row, make a [`PayloadEncryption`] for a purpose of its own and give
//! it to the store as `Arc<dyn Encryption>`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::domain::encryption::{Encryption, EncryptionContext};
use crate::domain::secret::SecretBytes;
use crate::domain::{Error, Result};
use crate::security::derived_key::Keys;

/// Length of a nonce, in bytes.
const NONCE_BYTES: usize = 12;

/// The keys of one purpose: the first secret seals, all of them open.
pub(crate) struct SealingKeys {
    keys: Keys<RandomizedNonceKey>,
}

impl SealingKeys {
    /// # Errors
    /// Without a secret.
    pub(crate) fn derive(secrets: &[SecretBytes], purpose: &str) -> Result<Self> {
        let key = |bytes: &[u8]| {
            RandomizedNonceKey::new(&AES_256_GCM, bytes)
                .map_err(|_| Error::internal("a key for encryption at rest cannot be made"))
        };
        Ok(Self {
            keys: Keys::derive(secrets, purpose, key)?,
        })
    }

    /// Encrypts the plaintext, and authenticates the associated data together with it.
    pub(crate) fn seal(&self, plaintext: &[u8], associated: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = Zeroizing::new(Vec::with_capacity(plaintext.len() + AES_256_GCM.tag_len()));
        sealed.extend_from_slice(plaintext);
        let nonce = self
            .keys
            .first()
            .seal_in_place_append_tag(Aad::from(associated), &mut *sealed)
            .map_err(|_| Error::internal("a payload could not be encrypted"))?;
        Ok([nonce.as_ref().as_slice(), sealed.as_slice()].concat())
    }

    /// The plaintext; `None` if no key sealed it together with this associated data.
    pub(crate) fn open(&self, sealed: &[u8], associated: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.keys.all().find_map(|key| open_with(key, sealed, associated))
    }
}

fn open_with(key: &RandomizedNonceKey, sealed: &[u8], associated: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_BYTES)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut opened = Zeroizing::new(rest.to_vec());
    let length = key
        .open_in_place(nonce, Aad::from(associated), opened.as_mut_slice())
        .ok()?
        .len();
    opened.truncate(length);
    Some(opened)
}

/// Encrypts the payloads of one table.
pub struct PayloadEncryption {
    keys: SealingKeys,
}

impl PayloadEncryption {
    /// Derives the keys for a table, which is named by `purpose`. Another name makes another key:
    /// rows that were sealed before do not open any more.
    ///
    /// # Errors
    /// Without a secret.
    pub fn new(secrets: &[SecretBytes], purpose: &str) -> Result<Self> {
        Ok(Self {
            keys: SealingKeys::derive(secrets, purpose)?,
        })
    }
}

impl Encryption for PayloadEncryption {
    fn seal(&self, payload: &[u8], context: EncryptionContext<'_>) -> Result<Vec<u8>> {
        self.keys.seal(payload, &associated_data(context))
    }

    fn open(&self, sealed: &[u8], context: EncryptionContext<'_>) -> Option<SecretBytes> {
        let mut opened = self.keys.open(sealed, &associated_data(context))?;
        Some(SecretBytes::new(std::mem::take(&mut *opened)))
    }
}

/// The zero byte ends the purpose, and the id has a fixed length. So no two contexts have the same
/// bytes.
fn associated_data(context: EncryptionContext<'_>) -> Vec<u8> {
    [context.purpose.as_bytes(), &[0], context.id.as_bytes(), context.columns].concat()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use uuid::Uuid;

    use super::*;

    const ID: Uuid = Uuid::from_u128(7);

    fn encryption(secrets: &[u8], purpose: &str) -> PayloadEncryption {
        let secrets: Vec<_> = secrets.iter().map(|byte| SecretBytes::new(vec![*byte; 32])).collect();
        PayloadEncryption::new(&secrets, purpose).unwrap()
    }

    fn context(purpose: &str, id: Uuid) -> EncryptionContext<'_> {
        EncryptionContext {
            purpose,
            id,
            columns: b"columns",
        }
    }

    fn opens(encryption: &PayloadEncryption, sealed: &[u8], context: EncryptionContext<'_>) -> bool {
        let opened = encryption.open(sealed, context);
        opened.is_some_and(|opened| opened.expose() == b"payload")
    }

    #[test]
    fn a_payload_opens_under_its_own_secret_and_for_its_own_row_only() {
        let own = encryption(&[1], "tokens");
        let sealed = own.seal(b"payload", context("reset", ID)).unwrap();
        assert!(opens(&own, &sealed, context("reset", ID)));
        assert!(!opens(&own, &sealed, context("reset", Uuid::from_u128(8))));
        assert!(!opens(&own, &sealed, context("rese", ID)));
        for columns in [b"".as_slice(), b"column", b"columns2"] {
            let changed = EncryptionContext {
                columns,
                ..context("reset", ID)
            };
            assert!(!opens(&own, &sealed, changed), "{columns:?}");
        }
        assert!(!opens(&encryption(&[2], "tokens"), &sealed, context("reset", ID)));
        assert!(!opens(&encryption(&[1], "outbox"), &sealed, context("reset", ID)));
    }

    #[test]
    fn a_changed_payload_does_not_open() {
        let own = encryption(&[1], "tokens");
        let sealed = own.seal(b"payload", context("reset", ID)).unwrap();
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(own.open(&changed, context("reset", ID)).is_none(), "byte {position}");
            assert!(own.open(&sealed[..position], context("reset", ID)).is_none());
        }
    }

    #[test]
    fn of_several_secrets_the_first_seals_and_all_open() {
        let both = encryption(&[2, 1], "tokens");
        for secret in [1, 2] {
            let sealed = encryption(&[secret], "tokens")
                .seal(b"payload", context("reset", ID))
                .unwrap();
            assert!(opens(&both, &sealed, context("reset", ID)));
        }
        let sealed = both.seal(b"payload", context("reset", ID)).unwrap();
        assert!(opens(&encryption(&[2], "tokens"), &sealed, context("reset", ID)));
        assert!(!opens(&encryption(&[1], "tokens"), &sealed, context("reset", ID)));
    }

    #[test]
    fn the_same_payload_is_sealed_differently_each_time_and_is_not_readable() {
        let own = encryption(&[1], "tokens");
        let [one, other] = [(); 2].map(|()| own.seal(b"payload", context("reset", ID)).unwrap());
        assert_ne!(one, other);
        assert!(!one.windows(3).any(|bytes| bytes == b"pay"));
        assert!(PayloadEncryption::new(&[], "tokens").is_err());
    }

    /// Made with Node.js: HKDF-SHA-256, then AES-256-GCM. Signing keys are stored in this form.
    #[test]
    fn the_stored_form_is_nonce_ciphertext_and_tag() {
        let sealed = URL_SAFE_NO_PAD
            .decode("AAECAwQFBgcICQoLdr9fkghdOWSY371Lw3LUjmmlcx5yj6pmOc0h")
            .unwrap();
        let keys = SealingKeys::derive(&[SecretBytes::new(vec![1; 32])], "signing keys at rest").unwrap();
        assert_eq!(keys.open(&sealed, b"kid").unwrap().as_slice(), b"private key");
    }
}
