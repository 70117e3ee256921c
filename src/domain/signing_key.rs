//! Signing keys as they are stored: the public half in the clear, the private half sealed.

use super::clock::Timestamp;

/// A signing key at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSigningKey {
    /// Its id in token headers and in the JWKS: the thumbprint of its public half (RFC 7638).
    pub kid: String,
    /// Its JOSE algorithm, such as `EdDSA`.
    pub algorithm: String,
    /// The raw public key.
    pub public_key: Vec<u8>,
    /// Nonce, ciphertext and tag of the private key.
    pub sealed_private_key: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The public half of a key, as the JWKS shows it (RFC 8037 section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The key's id.
    pub kid: String,
    /// The key's JOSE algorithm.
    pub algorithm: String,
    /// The public key, base64url.
    pub x: String,
}
