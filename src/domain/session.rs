//! Sessions: one sign-in on one device, from login to logout, and the rules of its refresh tokens.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::account::{Account, AccountId};
use crate::domain::clock::Timestamp;

/// Identifies a session; the `sid` of its access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub Uuid);

impl SessionId {
    /// A new id, ordered by time (UUID version 7, RFC 9562 section 5.7), so that new rows are
    /// neighbours in the index.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}

/// Counts the refresh tokens of a session, beginning with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

impl Generation {
    /// The generation of the refresh token that a login returns.
    pub const FIRST: Self = Self(1);

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A session that is about to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub id: SessionId,
    pub account: AccountId,
    pub created_at: Timestamp,
    /// When it ends at the latest, however often it is refreshed.
    pub expires_at: Timestamp,
    pub device: Device,
}

/// The device behind a request, as its headers and address describe it. Shown to the account's
/// owner, never trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// The `User-Agent` header, cut to 512 characters.
    pub user_agent: Option<String>,
    pub ip: Option<String>,
}

/// A session that has not been ended. It may have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub account: AccountId,
    /// The generation of its current refresh token.
    pub generation: Generation,
    /// When that token was issued.
    pub rotated_at: Timestamp,
    /// When the session ends at the latest, however often it is refreshed.
    pub expires_at: Timestamp,
}

/// A live session together with its account, read in one step. Every request with an access token
/// needs both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    pub session: Session,
    pub account: Arc<Account>,
}

/// A live session as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    pub id: SessionId,
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub last_used_at: Timestamp,
    /// When it expires unless it is refreshed before.
    pub expires_at: Timestamp,
    pub device: Device,
    /// Whether it is the session that sent the request.
    pub is_current: bool,
}

/// A session that has not been ended, with the columns that only SQL has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    pub session: Session,
    pub created_at: Timestamp,
    pub device: Device,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionEnd {
    pub session: SessionId,
    pub reason: EndReason,
    pub at: Timestamp,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Its own logout.
    Logout,
    /// Another session of the account logged it out.
    EndedElsewhere,
    /// A refresh token was presented after it had been used.
    Reuse,
    /// Another session of the account changed the password.
    PasswordChanged,
    /// An operator ended all sessions of the account.
    Operator,
    /// It expired. Derived from the times, never stored.
    Expired,
}

impl EndReason {
    /// The name in SQL and in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::EndedElsewhere => "ended_elsewhere",
            Self::Reuse => "reuse",
            Self::PasswordChanged => "password_changed",
            Self::Operator => "operator",
            Self::Expired => "expired",
        }
    }

    /// The reason with this name; `None` for a name that only a newer version knows.
    #[must_use]
    pub fn parse(stored: &str) -> Option<Self> {
        let all = [
            Self::Logout,
            Self::EndedElsewhere,
            Self::Reuse,
            Self::PasswordChanged,
            Self::Operator,
            Self::Expired,
        ];
        all.into_iter().find(|reason| reason.as_str() == stored)
    }
}

/// How long sessions and their refresh tokens last. A change of `refresh_token` or `grace` applies
/// to open sessions too; `session` is fixed when a session opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Lifetime of an unused refresh token.
    pub refresh_token: Duration,
    /// Greatest age of a session, however often it is refreshed.
    pub session: Duration,
    /// How long after a rotation the previous refresh token still returns the current one.
    pub grace: Duration,
}

impl Session {
    /// When it expires unless it is refreshed before.
    #[must_use]
    pub fn expiry(&self, lifetimes: &Lifetimes) -> Timestamp {
        self.expires_at.min(self.rotated_at.plus(lifetimes.refresh_token))
    }
}
