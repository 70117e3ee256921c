//! What is kept of who came in, who did not, and what was ended.
//!
//! No event has room for a secret: not for a password, not for a token, and not for the name that was typed at a failed login, which
//! may be a password that slipped into the wrong field (OWASP Logging Cheat Sheet, "Data to exclude").

use uuid::Uuid;

use crate::domain::account::AccountId;
use crate::domain::client::ClientInfo;
use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::Limit;
use crate::domain::session::{Device, SessionId};
use crate::domain::signing_key::SigningAlgorithm;

/// Something that somebody may want to look up later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An account was made, and signed in.
    Registered {
        /// The account.
        account: AccountId,
        /// Its first session.
        session: SessionId,
    },
    /// A password opened a session.
    LoggedIn {
        /// Whose.
        account: AccountId,
        /// The session.
        session: SessionId,
    },
    /// A password was wrong, or there is no such account.
    LoginFailed {
        /// Whose password it was to be; `None` for a name that is no account's.
        account: Option<AccountId>,
    },
    /// A session was renewed.
    Refreshed {
        /// Whose.
        account: AccountId,
        /// The session.
        session: SessionId,
    },
    /// An old refresh token came back and ended its session.
    RefreshTokenReused {
        /// Whose.
        account: AccountId,
        /// The session.
        session: SessionId,
    },
    /// A session signed out.
    LoggedOut {
        /// Whose.
        account: AccountId,
        /// The session.
        session: SessionId,
    },
    /// A session was ended by name.
    SessionEnded {
        /// Whose.
        account: AccountId,
        /// The session that is over.
        session: SessionId,
        /// The session that asked.
        by: SessionId,
    },
    /// All sessions of an account were ended but the one that asked.
    OtherSessionsEnded {
        /// Whose.
        account: AccountId,
        /// The session that asked.
        by: SessionId,
    },
    /// A password was changed, and all sessions of the account were ended but the one that asked.
    PasswordChanged {
        /// Whose.
        account: AccountId,
        /// The session that asked.
        session: SessionId,
    },
    /// A session asked for another password and did not know the current one: somebody else may have its access token.
    PasswordChangeFailed {
        /// Whose.
        account: AccountId,
        /// The session that asked.
        session: SessionId,
    },
    /// An operator ended all sessions of an account.
    AllSessionsEnded {
        /// Whose.
        account: AccountId,
    },
    /// A limit refused an attempt.
    Limited {
        /// The limit.
        limit: Limit,
        /// The account that was tried, where there is one.
        account: Option<AccountId>,
        /// The session that was to be renewed.
        session: Option<SessionId>,
    },
    /// A signing key was published.
    SigningKeyPublished {
        /// Its name in the JWKS.
        kid: String,
        /// Its algorithm.
        algorithm: SigningAlgorithm,
    },
}

/// An event, with when and whence it came.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    /// Names the record; written twice, it is still one.
    pub id: Uuid,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
    /// The request that it happened in; `None` for the gateway's own work.
    pub request_id: Option<String>,
    /// The device behind that request.
    pub device: Device,
}

impl AuditRecord {
    /// A record of what a client's request has done just now.
    #[must_use]
    pub fn new(event: Event, client: &ClientInfo, at: Timestamp) -> Self {
        Self {
            id: Uuid::now_v7(),
            at,
            event,
            request_id: client.request_id.clone(),
            device: client.device.clone(),
        }
    }
}

impl Event {
    /// How the event is stored and logged.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Registered { .. } => "registered",
            Self::LoggedIn { .. } => "logged_in",
            Self::LoginFailed { .. } => "login_failed",
            Self::Refreshed { .. } => "refreshed",
            Self::RefreshTokenReused { .. } => "refresh_token_reused",
            Self::LoggedOut { .. } => "logged_out",
            Self::SessionEnded { .. } => "session_ended",
            Self::OtherSessionsEnded { .. } => "other_sessions_ended",
            Self::PasswordChanged { .. } => "password_changed",
            Self::PasswordChangeFailed { .. } => "password_change_failed",
            Self::AllSessionsEnded { .. } => "all_sessions_ended",
            Self::Limited { .. } => "limited",
            Self::SigningKeyPublished { .. } => "signing_key_published",
        }
    }

    /// The account that it is about.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Registered { account, .. }
            | Self::LoggedIn { account, .. }
            | Self::Refreshed { account, .. }
            | Self::RefreshTokenReused { account, .. }
            | Self::LoggedOut { account, .. }
            | Self::SessionEnded { account, .. }
            | Self::OtherSessionsEnded { account, .. }
            | Self::PasswordChanged { account, .. }
            | Self::PasswordChangeFailed { account, .. }
            | Self::AllSessionsEnded { account } => Some(*account),
            Self::LoginFailed { account } | Self::Limited { account, .. } => *account,
            Self::SigningKeyPublished { .. } => None,
        }
    }

    /// The session that it is about.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::Registered { session, .. }
            | Self::LoggedIn { session, .. }
            | Self::Refreshed { session, .. }
            | Self::RefreshTokenReused { session, .. }
            | Self::LoggedOut { session, .. }
            | Self::SessionEnded { session, .. }
            | Self::PasswordChanged { session, .. }
            | Self::PasswordChangeFailed { session, .. } => Some(*session),
            Self::Limited { session, .. } => *session,
            Self::LoginFailed { .. }
            | Self::OtherSessionsEnded { .. }
            | Self::AllSessionsEnded { .. }
            | Self::SigningKeyPublished { .. } => None,
        }
    }

    /// What else there is to say: the session that asked, the limit's name, or the key's algorithm and name.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::SessionEnded { by, .. } | Self::OtherSessionsEnded { by, .. } => Some(by.0.to_string()),
            Self::Limited { limit, .. } => Some(limit.name().to_owned()),
            Self::SigningKeyPublished { kid, algorithm } => Some(format!("{} {kid}", algorithm.as_str())),
            Self::Registered { .. }
            | Self::LoggedIn { .. }
            | Self::LoginFailed { .. }
            | Self::Refreshed { .. }
            | Self::RefreshTokenReused { .. }
            | Self::LoggedOut { .. }
            | Self::PasswordChanged { .. }
            | Self::PasswordChangeFailed { .. }
            | Self::AllSessionsEnded { .. } => None,
        }
    }

    /// Whether a stranger can cause as many as they like.
    #[must_use]
    pub fn is_strangers(&self) -> bool {
        matches!(
            self,
            Self::LoginFailed { .. } | Self::PasswordChangeFailed { .. } | Self::Limited { .. }
        )
    }
}
