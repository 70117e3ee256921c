//! The content of refresh tokens. `security::RefreshTokens` protects it; tokens are not stored.

use crate::domain::session::{Generation, SessionId};

/// The content of a refresh token whose tag was verified: this gateway issued it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshClaim {
    /// The session that the token renews.
    pub session: SessionId,
    /// The number of the token within its session.
    pub generation: Generation,
}
