//! Refresh tokens: their content, and the rule that decides what a presented one may do.
//!
//! `security::RefreshTokens` protects the content; tokens are not stored.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::account::{Account, AccountId};
use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::Allowance;
use crate::domain::session::{Generation, Lifetimes, Session, SessionId};

/// The content of a refresh token whose tag was verified: this gateway issued it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshClaim {
    /// The session that the token renews.
    pub session: SessionId,
    /// The number of the token within its session.
    pub generation: Generation,
}

/// The result of a rotation, and of the charge against its rate limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    pub rotation: Rotation,
    /// `None` if no limit was charged.
    pub allowance: Option<Allowance>,
}

/// The result of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The session is at this generation: a new one, or the same one as before for a lost answer, a
    /// second tab or a retry.
    Current {
        account: Arc<Account>,
        /// The generation of the refresh token to return.
        generation: Generation,
    },
    /// A used token was presented. The session has been ended; other sessions stay open.
    Reused {
        /// The account whose session this call ended; `None` if another call ended it.
        ended: Option<AccountId>,
    },
    /// The session has ended or expired, or never existed.
    Ended,
    /// The rate limit refused the rotation for this long. Nothing has changed.
    Limited(Duration),
}

/// How a presented refresh token relates to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStatus {
    /// The current token, or a newer one than the store knows: the session may rotate.
    Current,
    /// The previous token within its grace period: the current token is returned again.
    InGrace,
    /// An older token, or the previous one after its grace period.
    Reused,
    /// The session has expired.
    Expired,
}

impl Session {
    /// The status of a presented generation, by the rotation table in ARCHITECTURE.md.
    #[must_use]
    pub fn token_status(&self, presented: Generation, now: Timestamp, lifetimes: &Lifetimes) -> TokenStatus {
        if now >= self.expiry(lifetimes) {
            TokenStatus::Expired
        } else if presented >= self.generation {
            TokenStatus::Current
        } else if presented.next() == self.generation && now <= self.rotated_at.plus(lifetimes.grace) {
            TokenStatus::InGrace
        } else {
            TokenStatus::Reused
        }
    }
}
