//! What a refresh token says. How it is protected is `security`'s business, and nothing stores it.

use crate::domain::session::{Generation, SessionId};

/// The content of a refresh token whose tag has been verified: we issued it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshClaim {
    /// The session that the token renews.
    pub session: SessionId,
    /// Which of the session's tokens it is.
    pub generation: Generation,
}
