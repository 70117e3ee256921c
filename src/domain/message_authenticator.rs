//! Seals: what is kept where others may write, and has to be told from what they wrote.

/// Makes and checks tags under a key that no store has.
pub trait MessageAuthenticator: Send + Sync {
    /// The tag of this message: printable ASCII without a space or a dot.
    fn tag(&self, message: &[u8]) -> String;

    /// Whether the tag was made for just this message.
    fn is_genuine(&self, message: &[u8], tag: &str) -> bool;
}
