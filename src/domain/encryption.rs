//! Encryption of payloads that are stored: what a store may ask for without knowing a key.

use uuid::Uuid;

use crate::domain::Result;
use crate::domain::secret::SecretBytes;

/// The row that a payload belongs to. It is authenticated together with the payload, so that a
/// payload that was copied to another row, or to another purpose, does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptionContext<'a> {
    /// What the row is for. Without a zero byte.
    pub purpose: &'a str,
    /// The id of the row.
    pub id: Uuid,
    /// The other columns of the row that must not change, in an encoding that is unambiguous.
    pub columns: &'a [u8],
}

/// Seals payloads under a key that no store has.
pub trait Encryption: Send + Sync {
    /// Encrypts and authenticates a payload.
    ///
    /// # Errors
    /// `Internal`, when the system has no random numbers.
    fn seal(&self, payload: &[u8], context: EncryptionContext<'_>) -> Result<Vec<u8>>;

    /// The payload that was sealed for this context; `None` if it was sealed under another secret
    /// or for another context, or was changed.
    fn open(&self, sealed: &[u8], context: EncryptionContext<'_>) -> Option<SecretBytes>;
}
