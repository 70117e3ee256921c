//! Keys derived from `AUTH_SECRET`, one for each purpose, so that no purpose can be played against another.

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

/// HKDF-SHA-256 (RFC 5869) with the purpose as its info.
pub(super) fn derive(secret: &SecretBytes, purpose: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let info = [purpose.as_bytes()];
    Salt::new(HKDF_SHA256, b"auth-gateway")
        .extract(secret.expose())
        .expand(&info, Length)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .map_err(|_| Error::internal("key derivation failed"))?;
    Ok(key)
}
