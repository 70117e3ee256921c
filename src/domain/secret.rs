//! Secret text and bytes: redacted in `Debug`, wiped on drop.
//!
//! They have no `==`. It stops at the first difference, and its time reveals how much of a guess is
//! right. `security` compares tags and hashes in constant time; nothing else needs a comparison.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// A secret text: a password, a token, a URL that contains a password.
#[derive(Clone)]
pub struct SecretString(String);

impl SecretString {
    /// The caller must keep no copy of the text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself. Every call is a place where it could leak, so there should be few.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for SecretString {
    fn drop(&mut self) {
        // Wiped as one slice: byte by byte it would take longer than verifying a cached token.
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.resize(bytes.capacity(), 0);
        bytes.as_mut_slice().zeroize();
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Secret bytes: a key, or what keys are derived from.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// The caller must keep no copy of the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
