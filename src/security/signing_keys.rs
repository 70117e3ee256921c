//! The keys that sign access tokens: made, sealed for storage, opened, and shown to verifiers.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use zeroize::Zeroizing;

use super::derived_key::Keys;
use crate::domain::clock::Timestamp;
use crate::domain::secret::SecretBytes;
use crate::domain::signing_key::{PublicKey, StoredSigningKey, signing_key};
use crate::domain::{Error, Result};

const ED_DSA: &str = "EdDSA";
const NONCE_BYTES: usize = 12;

/// Makes and opens stored signing keys; holds the key under which their private halves are sealed.
pub struct KeyVault {
    keys: Keys<RandomizedNonceKey>,
}

/// The opened keys: all that verify now or will sign soon.
pub struct KeyRing {
    keys: Vec<OpenKey>,
    stored: Vec<StoredSigningKey>,
}

/// A key that can sign and verify.
pub(super) struct OpenKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) private: EncodingKey,
    pub(super) public: DecodingKey,
}

impl KeyVault {
    /// Derives a key from each secret: the first one seals, all of them open.
    pub fn new(secrets: &[SecretBytes]) -> Result<Self> {
        let key = |bytes: &[u8]| {
            RandomizedNonceKey::new(&AES_256_GCM, bytes)
                .map_err(|_| Error::internal("the key for stored signing keys cannot be made"))
        };
        Ok(Self {
            keys: Keys::derive(secrets, "signing keys at rest", key)?,
        })
    }

    /// The same key, sealed with the first secret.
    pub fn reseal(&self, stored: &StoredSigningKey) -> Result<StoredSigningKey> {
        let private = self.unseal(&stored.sealed_private_key, &stored.kid)?;
        let sealed_private_key = self.seal(&private, &stored.kid)?;
        Ok(StoredSigningKey {
            sealed_private_key,
            ..stored.clone()
        })
    }

    /// Makes a fresh Ed25519 key, sealed, that may sign from `signs_from` on.
    pub fn generate(&self, now: Timestamp, signs_from: Timestamp) -> Result<StoredSigningKey> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| Error::internal("no signing key could be generated"))?;
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(Error::internal)?;
        let public_key = pair.public_key().as_ref().to_vec();
        let kid = thumbprint(&public_key);
        let sealed_private_key = self.seal(document.as_ref(), &kid)?;
        Ok(StoredSigningKey {
            kid,
            algorithm: ED_DSA.to_owned(),
            public_key,
            sealed_private_key,
            created_at: now,
            signs_from,
            verifies_until: None,
        })
    }

    /// Opens stored keys.
    ///
    /// # Errors
    /// When there is none, or one was sealed under another `AUTH_SECRET`.
    pub fn open(&self, stored: Vec<StoredSigningKey>) -> Result<KeyRing> {
        if stored.is_empty() {
            return Err(Error::internal("there is no signing key"));
        }
        let keys = stored.iter().map(|key| self.open_one(key)).collect::<Result<_>>()?;
        Ok(KeyRing { keys, stored })
    }

    fn open_one(&self, stored: &StoredSigningKey) -> Result<OpenKey> {
        if stored.algorithm != ED_DSA {
            return Err(Error::internal(format!(
                "a stored signing key has the unknown algorithm {}",
                stored.algorithm
            )));
        }
        let private = self.unseal(&stored.sealed_private_key, &stored.kid)?;
        Ok(OpenKey {
            kid: stored.kid.clone(),
            algorithm: Algorithm::EdDSA,
            private: EncodingKey::from_ed_der(&private),
            public: DecodingKey::from_ed_der(&stored.public_key),
        })
    }

    /// Nonce, ciphertext and tag; the key id is authenticated too, so that no row can pose as another.
    fn seal(&self, private: &[u8], kid: &str) -> Result<Vec<u8>> {
        let mut sealed = Zeroizing::new(private.to_vec());
        let nonce = self
            .keys
            .first()
            .seal_in_place_append_tag(Aad::from(kid.as_bytes()), &mut *sealed)
            .map_err(|_| Error::internal("a signing key could not be sealed"))?;
        Ok([nonce.as_ref().as_slice(), sealed.as_slice()].concat())
    }

    fn unseal(&self, sealed: &[u8], kid: &str) -> Result<Zeroizing<Vec<u8>>> {
        self.keys.all().find_map(|key| unseal_with(key, sealed, kid)).ok_or_else(|| {
            Error::internal(
                "the stored signing key cannot be opened with this AUTH_SECRET; set the one that it was stored under",
            )
        })
    }
}

fn unseal_with(key: &RandomizedNonceKey, sealed: &[u8], kid: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_BYTES)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut opened = Zeroizing::new(rest.to_vec());
    let length = key
        .open_in_place(nonce, Aad::from(kid.as_bytes()), opened.as_mut_slice())
        .ok()?
        .len();
    opened.truncate(length);
    Some(opened)
}

impl KeyRing {
    /// The newest key.
    #[must_use]
    pub fn newest(&self) -> Option<&StoredSigningKey> {
        self.stored.iter().max_by_key(|key| key.signs_from)
    }

    /// The public halves of all keys that verify at this time, and of those that will sign.
    #[must_use]
    pub fn public_keys(&self, now: Timestamp) -> Vec<PublicKey> {
        let is_shown = |key: &&StoredSigningKey| key.verifies_until.is_none_or(|until| now < until);
        let shown = self.stored.iter().filter(is_shown).map(|key| PublicKey {
            kid: key.kid.clone(),
            algorithm: key.algorithm.clone(),
            x: URL_SAFE_NO_PAD.encode(&key.public_key),
        });
        shown.collect()
    }

    pub(super) fn signing(&self, now: Timestamp) -> Option<&OpenKey> {
        self.find(&signing_key(&self.stored, now)?.kid)
    }

    /// The key of this id. One whose end is past is found too: its tokens have expired, and say so themselves.
    pub(super) fn find(&self, kid: &str) -> Option<&OpenKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }
}

/// The JWK thumbprint of an Ed25519 key (RFC 7638 section 3, RFC 8037 section 2): members in this order, no blanks.
fn thumbprint(public_key: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public_key);
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(0);

    fn vault(byte: u8) -> KeyVault {
        KeyVault::new(&[SecretBytes::new(vec![byte; 32])]).unwrap()
    }

    #[test]
    fn the_thumbprint_is_the_one_of_rfc_8037_appendix_a_3() {
        let x = URL_SAFE_NO_PAD
            .decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
            .unwrap();
        assert_eq!(thumbprint(&x), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_opens_under_its_own_secret_and_id_only() {
        let stored = vault(1).generate(START, START).unwrap();
        assert!(vault(1).open(vec![stored.clone()]).is_ok());
        assert!(vault(2).open(vec![stored.clone()]).is_err());
        let renamed = StoredSigningKey {
            kid: "another".to_owned(),
            ..stored
        };
        assert!(vault(1).open(vec![renamed]).is_err());
    }

    #[test]
    fn a_resealed_key_opens_under_the_first_secret_alone() {
        let stored = vault(1).generate(START, START).unwrap();
        let both = KeyVault::new(&[SecretBytes::new(vec![2; 32]), SecretBytes::new(vec![1; 32])]).unwrap();
        assert!(both.open(vec![stored.clone()]).is_ok());
        let resealed = both.reseal(&stored).unwrap();
        assert!(vault(2).open(vec![resealed.clone()]).is_ok());
        assert!(vault(1).open(vec![resealed]).is_err());
    }

    #[test]
    fn the_private_half_does_not_stand_in_what_is_stored() {
        let vault = vault(1);
        let stored = vault.generate(START, START).unwrap();
        let private = vault.unseal(&stored.sealed_private_key, &stored.kid).unwrap();
        let seed = &private[16..32];
        assert!(
            !stored
                .sealed_private_key
                .windows(seed.len())
                .any(|window| window == seed)
        );
    }
}
