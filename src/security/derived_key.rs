//! Keys derived from `AUTH_SECRET`, one for each purpose. A value made for one purpose is useless
//! for another.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use crate::domain::secret::SecretBytes;
use crate::domain::{Error, Result};

/// Length of every derived key, in bytes.
const KEY_BYTES: usize = 32;

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

/// One key for each secret: the first one protects new data, all of them read.
pub(crate) struct Keys<K> {
    first: K,
    others: Vec<K>,
}

impl<K> Keys<K> {
    /// Derives the bytes of a key from each secret, and makes a key of them.
    ///
    /// # Errors
    /// When the list of secrets is empty, or `make` fails.
    pub(crate) fn derive(secrets: &[SecretBytes], purpose: &str, make: impl Fn(&[u8]) -> Result<K>) -> Result<Self> {
        let (first, others) = secrets
            .split_first()
            .ok_or_else(|| Error::internal("there is no AUTH_SECRET"))?;
        let key = |secret| make(derive(secret, purpose)?.as_slice());
        Ok(Self {
            first: key(first)?,
            others: others.iter().map(key).collect::<Result<_>>()?,
        })
    }

    /// The key for new data.
    pub(crate) fn first(&self) -> &K {
        &self.first
    }

    /// The keys that read.
    pub(crate) fn all(&self) -> impl Iterator<Item = &K> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// HKDF-SHA-256 (RFC 5869) with the purpose as its info.
fn derive(secret: &SecretBytes, purpose: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let info = [purpose.as_bytes()];
    Salt::new(HKDF_SHA256, b"auth-gateway")
        .extract(secret.expose())
        .expand(&info, Length)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .map_err(|_| Error::internal("key derivation failed"))?;
    Ok(key)
}
