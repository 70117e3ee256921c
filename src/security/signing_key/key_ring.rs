//! The keys that sign access tokens: generated, encrypted for storage, opened and published.

use jsonwebtoken::DecodingKey;
use zeroize::Zeroizing;

use crate::domain::clock::Timestamp;
use crate::domain::secret::SecretBytes;
use crate::domain::signing_key::{PublicKey, SigningAlgorithm, StoredSigningKey, signing_key};
use crate::domain::{Error, Result};
use crate::security::encryption::SealingKeys;
use crate::security::signing_key::key_pair::{KeyPair, decoding_key, jwk_members, thumbprint};

/// A generated key that is not stored yet.
pub struct FreshKey {
    algorithm: SigningAlgorithm,
    pair: KeyPair,
}

/// Encrypts private keys for storage, and decrypts stored ones.
pub struct KeyVault {
    keys: SealingKeys,
}

/// The opened keys: those that verify now, and those that will sign soon.
pub struct KeyRing {
    keys: Vec<OpenKey>,
    stored: Vec<StoredSigningKey>,
}

/// A key that can sign and verify.
pub(crate) struct OpenKey {
    pub(crate) shown: PublicKey,
    pub(crate) private: KeyPair,
    pub(crate) public: DecodingKey,
}

impl FreshKey {
    /// For RSA this takes from tenths of a second to seconds, so it must not run on an async
    /// thread.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self> {
        let pair = KeyPair::generate(algorithm)?;
        Ok(Self { algorithm, pair })
    }
}

impl KeyVault {
    /// Derives a key from each secret: the first one encrypts, all of them decrypt.
    pub fn new(secrets: &[SecretBytes]) -> Result<Self> {
        Ok(Self {
            keys: SealingKeys::derive(secrets, "signing keys at rest")?,
        })
    }

    /// The same signing key, encrypted under the first secret.
    pub fn reseal(&self, stored: &StoredSigningKey) -> Result<StoredSigningKey> {
        let private = self.unseal(&stored.sealed_private_key, &stored.kid)?;
        let sealed_private_key = self.seal(&private, &stored.kid)?;
        Ok(StoredSigningKey {
            sealed_private_key,
            ..stored.clone()
        })
    }

    /// Encrypts a new key, which may sign from `signs_from` on.
    pub fn seal_fresh(&self, key: &FreshKey, now: Timestamp, signs_from: Timestamp) -> Result<StoredSigningKey> {
        let public_key = key.pair.public_key().to_vec();
        let kid = thumbprint(&jwk_members(key.algorithm, &public_key)?);
        let sealed_private_key = self.seal(&key.pair.to_pkcs8()?, &kid)?;
        Ok(StoredSigningKey {
            kid,
            algorithm: key.algorithm,
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
    /// When there is none, or a key was changed or encrypted under another `AUTH_SECRET`.
    pub fn open(&self, stored: Vec<StoredSigningKey>) -> Result<KeyRing> {
        if stored.is_empty() {
            return Err(Error::internal("there is no signing key"));
        }
        let keys = stored.iter().map(|key| self.open_one(key)).collect::<Result<_>>()?;
        Ok(KeyRing { keys, stored })
    }

    fn open_one(&self, stored: &StoredSigningKey) -> Result<OpenKey> {
        let document = self.unseal(&stored.sealed_private_key, &stored.kid)?;
        let private = KeyPair::from_pkcs8(stored.algorithm, &document)?;
        // Only the private key is encrypted and authenticated: the public key in the row may have
        // been changed.
        if private.public_key() != stored.public_key {
            return Err(Error::internal("the public key of a stored signing key was changed"));
        }
        let shown = PublicKey {
            kid: stored.kid.clone(),
            algorithm: stored.algorithm,
            members: jwk_members(stored.algorithm, &stored.public_key)?,
        };
        let public = decoding_key(stored.algorithm, &stored.public_key);
        Ok(OpenKey { shown, private, public })
    }

    /// The key id is authenticated too, so that the private key of one row does not open in
    /// another.
    fn seal(&self, private: &[u8], kid: &str) -> Result<Vec<u8>> {
        self.keys.seal(private, kid.as_bytes())
    }

    pub(crate) fn unseal(&self, sealed: &[u8], kid: &str) -> Result<Zeroizing<Vec<u8>>> {
        self.keys.open(sealed, kid.as_bytes()).ok_or_else(|| {
            Error::internal(
                "the stored signing key cannot be opened with this AUTH_SECRET; set the one that it was stored under",
            )
        })
    }
}

impl KeyRing {
    #[must_use]
    pub fn newest(&self) -> Option<&StoredSigningKey> {
        self.stored.iter().max_by_key(|key| key.signs_from)
    }

    /// The public keys of all keys that verify at this time or will sign later.
    #[must_use]
    pub fn public_keys(&self, now: Timestamp) -> Vec<PublicKey> {
        let is_published = |key: &StoredSigningKey| key.verifies_until.is_none_or(|until| now < until);
        let keys = self.keys.iter().zip(&self.stored);
        keys.filter(|(_, stored)| is_published(stored))
            .map(|(key, _)| key.shown.clone())
            .collect()
    }

    pub(crate) fn signing(&self, now: Timestamp) -> Option<&OpenKey> {
        self.find(&signing_key(&self.stored, now)?.kid)
    }

    /// The key with this id. A key past its end is found too: all its tokens have expired by then.
    pub(crate) fn find(&self, kid: &str) -> Option<&OpenKey> {
        self.keys.iter().find(|key| key.shown.kid == kid)
    }

    /// Whether both rings verify the same tokens. When their keys sign, and how they are encrypted,
    /// makes no difference.
    pub(crate) fn verifies_like(&self, other: &Self) -> bool {
        let is_same_key = |one: &StoredSigningKey, other: &StoredSigningKey| {
            one.kid == other.kid && one.algorithm == other.algorithm && one.public_key == other.public_key
        };
        self.stored.len() == other.stored.len()
            && std::iter::zip(&self.stored, &other.stored).all(|(one, other)| is_same_key(one, other))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(0);

    fn vault(byte: u8) -> KeyVault {
        KeyVault::new(&[SecretBytes::new(vec![byte; 32])]).unwrap()
    }

    fn stored(byte: u8, algorithm: SigningAlgorithm) -> StoredSigningKey {
        let key = FreshKey::generate(algorithm).unwrap();
        vault(byte).seal_fresh(&key, START, START).unwrap()
    }

    #[test]
    fn a_key_opens_only_under_its_own_secret_and_id() {
        let stored = stored(1, SigningAlgorithm::EdDsa);
        assert!(vault(1).open(vec![stored.clone()]).is_ok());
        assert!(vault(2).open(vec![stored.clone()]).is_err());
        let renamed = StoredSigningKey {
            kid: "another".to_owned(),
            ..stored
        };
        assert!(vault(1).open(vec![renamed]).is_err());
    }

    #[test]
    fn a_key_with_a_changed_public_key_or_algorithm_does_not_open() {
        for algorithm in SigningAlgorithm::ALL {
            let key = stored(1, algorithm);
            assert!(vault(1).open(vec![key.clone()]).is_ok());
            let public_key = stored(1, algorithm).public_key;
            let another = StoredSigningKey {
                public_key,
                ..key.clone()
            };
            assert!(vault(1).open(vec![another]).is_err(), "{algorithm:?}");
            for other in SigningAlgorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                let changed = StoredSigningKey {
                    algorithm: other,
                    ..key.clone()
                };
                assert!(vault(1).open(vec![changed]).is_err(), "{algorithm:?} as {other:?}");
            }
        }
    }

    #[test]
    fn a_resealed_key_opens_only_under_the_first_secret() {
        let stored = stored(1, SigningAlgorithm::Rs256);
        let both = KeyVault::new(&[SecretBytes::new(vec![2; 32]), SecretBytes::new(vec![1; 32])]).unwrap();
        assert!(both.open(vec![stored.clone()]).is_ok());
        let resealed = both.reseal(&stored).unwrap();
        assert!(vault(2).open(vec![resealed.clone()]).is_ok());
        assert!(vault(1).open(vec![resealed]).is_err());
    }

    #[test]
    fn the_private_key_is_stored_encrypted() {
        for algorithm in SigningAlgorithm::ALL {
            let stored = stored(1, algorithm);
            let private = vault(1).unseal(&stored.sealed_private_key, &stored.kid).unwrap();
            let pieces: HashSet<&[u8]> = private.windows(16).collect();
            let mut sealed = stored.sealed_private_key.windows(16);
            assert!(!sealed.any(|piece| pieces.contains(piece)), "{algorithm:?}");
        }
    }
}
