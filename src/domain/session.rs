//! Sessions: one sign-in on one device, from login to logout, and the rules of its refresh tokens.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::account::{Account, AccountId};
use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::Allowance;

/// Names a session; the `sid` of its access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub Uuid);

impl SessionId {
    /// A fresh id, roughly ordered by time, so that new rows land together in the index (RFC 9562 section 5.7).
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}

/// Counts the refresh tokens of a session: the first one is generation 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

impl Generation {
    /// The generation of the token that a login hands out.
    pub const FIRST: Self = Self(1);

    /// The generation that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A session that is about to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// When it is opened.
    pub created_at: Timestamp,
    /// When it ends at the latest, however often it is refreshed.
    pub expires_at: Timestamp,
    /// The device that opened it.
    pub device: Device,
}

/// What is known of the device behind a request; shown to the account's owner, never trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// The `User-Agent` header, cut to 512 characters.
    pub user_agent: Option<String>,
    /// The client's address.
    pub ip: Option<String>,
}

/// A session that has not been ended, as a store knows it; its time may be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// The generation of its current refresh token.
    pub generation: Generation,
    /// When that token was issued.
    pub rotated_at: Timestamp,
    /// When the session ends at the latest.
    pub expires_at: Timestamp,
}

/// A live session together with its account, read in one step: what every request with an access token needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub account: Arc<Account>,
}

/// A live session as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last renewed.
    pub last_used_at: Timestamp,
    /// When its time is over, unless it is renewed before.
    pub expires_at: Timestamp,
    /// The device that opened it.
    pub device: Device,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// A session that has not been ended, with what only SQL knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// What every store knows.
    pub session: Session,
    /// When it was opened.
    pub created_at: Timestamp,
    /// The device that opened it.
    pub device: Device,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionEnd {
    /// Which session.
    pub session: SessionId,
    /// Why.
    pub reason: EndReason,
    /// When.
    pub at: Timestamp,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Its own logout.
    Logout,
    /// A logout of other sessions, at another session of the account.
    EndedElsewhere,
    /// A refresh token came back that had been used before.
    Reuse,
    /// The account's password was changed, at another session.
    PasswordChanged,
    /// An operator ended all sessions of the account.
    Operator,
    /// Its time was over. Stored nowhere: the time tells.
    Expired,
}

impl EndReason {
    /// How the reason is stored and logged.
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

    /// The reason that is stored so; `None` for what this version does not know.
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

/// How long things last. A change applies to open sessions too, except for `max_age`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of a refresh token that is not used.
    pub refresh_token: Duration,
    /// Of a session, however often it is refreshed.
    pub session: Duration,
    /// How long the predecessor of the current refresh token still yields that same current token.
    pub grace: Duration,
}

/// What came of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// What became of the token.
    pub rotation: Rotation,
    /// What is left of the limit that was charged; `None` where none was.
    pub allowance: Option<Allowance>,
}

/// What became of a refresh token that was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The session stands at this generation now: a new one, or for a lost answer, a second tab or a retry the
    /// same one as before.
    Current {
        /// Whose session it is.
        account: Arc<Account>,
        /// The generation of the token to hand out.
        generation: Generation,
    },
    /// An old token came back: the session has been ended, its siblings live on.
    Reused {
        /// Whose session this presentation has ended; `None` where another one had.
        ended: Option<AccountId>,
    },
    /// The session has ended or expired, or never was.
    Over,
    /// The limit is used up for so long; nothing has moved.
    Limited(Duration),
}

/// Where a presented generation stands, for a session that could not simply be moved on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStatus {
    /// The current token or a newer one: the session may move on.
    Current,
    /// The predecessor, within its grace period: hand out the current token again.
    InGrace,
    /// Older, or after the grace period.
    Reused,
    /// The session's time is over.
    Expired,
}

impl Session {
    /// When its time is over, unless it is renewed before.
    #[must_use]
    pub fn over_at(&self, lifetimes: &Lifetimes) -> Timestamp {
        self.expires_at.min(self.rotated_at.plus(lifetimes.refresh_token))
    }

    /// Judges a presented generation: the rotation table in ARCHITECTURE.md, row by row.
    #[must_use]
    pub fn token_status(&self, presented: Generation, now: Timestamp, lifetimes: &Lifetimes) -> TokenStatus {
        if now >= self.over_at(lifetimes) {
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
