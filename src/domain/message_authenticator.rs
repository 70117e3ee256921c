//! Authentication of data that is stored where an attacker may write.

/// Makes and verifies tags under a key that is in no store.
pub trait MessageAuthenticator: Send + Sync {
    /// The tag of this message: printable ASCII without a space or a dot.
    fn tag(&self, message: &[u8]) -> String;

    /// Whether the tag was made for exactly this message.
    fn is_genuine(&self, message: &[u8], tag: &str) -> bool;
}
