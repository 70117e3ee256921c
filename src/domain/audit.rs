//! Audit events: who signed in, who failed to, which sessions ended.
//!
//! No event has room for a secret: not for a password, not for a token, and not for the name that
//! was typed at a failed login, which may be a password in the wrong field (OWASP Logging Cheat
//! Sheet, "Data to exclude").
//!
//! A new kind of event gets a variant in [`EventKind`] and a row in [`EVENTS`], at the same place.

use std::fmt;

use uuid::Uuid;

use crate::domain::account::AccountId;
use crate::domain::client::ClientInfo;
use crate::domain::clock::Timestamp;
use crate::domain::session::{Device, SessionId};

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// An account was created, and signed in.
    Registered,
    /// A session was opened.
    LoggedIn,
    /// A password was wrong, or there is no such account. Then the event has no account.
    LoginFailed,
    /// A session was renewed.
    Refreshed,
    /// A used refresh token was presented, and its session was ended.
    RefreshTokenReused,
    /// A session logged itself out.
    LoggedOut,
    /// A session was ended by its id. The detail is the session that asked.
    SessionEnded,
    /// All sessions of an account were ended but one. The detail is the one, which asked.
    OtherSessionsEnded,
    /// A password was changed, and all sessions of the account were ended but the one that asked.
    PasswordChanged,
    /// A session asked for a change of password with a wrong current one. Its access token may be
    /// stolen.
    PasswordChangeFailed,
    /// An operator ended all sessions of an account.
    AllSessionsEnded,
    /// A rate limit refused an attempt. The detail is the limit.
    Limited,
    /// A signing key was published. The detail is its algorithm and its `kid`.
    SigningKeyPublished,
}

/// Everything there is to say about a kind of event.
#[derive(Debug)]
pub struct EventRow {
    pub kind: EventKind,
    /// The name in SQL, in the log and in `AUDIT_EVENTS`.
    pub name: &'static str,
    pub severity: Severity,
    /// Whether a client without an account can cause any number of them.
    pub is_open_to_strangers: bool,
    /// Whether the default of `AUDIT_EVENTS` includes it.
    pub is_stored_by_default: bool,
}

/// The level of an event's log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Info,
    Warn,
}

/// One row for each kind of event, in the order of [`EventKind`].
#[rustfmt::skip]
pub static EVENTS: [EventRow; 13] = [
    row(EventKind::Registered, "registered"),
    row(EventKind::LoggedIn, "logged_in"),
    EventRow { is_open_to_strangers: true, ..row(EventKind::LoginFailed, "login_failed") },
    // At a million users, renewals are a hundred million rows a day.
    EventRow { is_stored_by_default: false, ..row(EventKind::Refreshed, "refreshed") },
    EventRow { severity: Severity::Warn, ..row(EventKind::RefreshTokenReused, "refresh_token_reused") },
    row(EventKind::LoggedOut, "logged_out"),
    row(EventKind::SessionEnded, "session_ended"),
    row(EventKind::OtherSessionsEnded, "other_sessions_ended"),
    row(EventKind::PasswordChanged, "password_changed"),
    EventRow { is_open_to_strangers: true, ..row(EventKind::PasswordChangeFailed, "password_change_failed") },
    row(EventKind::AllSessionsEnded, "all_sessions_ended"),
    EventRow { is_open_to_strangers: true, ..row(EventKind::Limited, "limited") },
    row(EventKind::SigningKeyPublished, "signing_key_published"),
];

/// The row of most kinds.
const fn row(kind: EventKind, name: &'static str) -> EventRow {
    EventRow {
        kind,
        name,
        severity: Severity::Info,
        is_open_to_strangers: false,
        is_stored_by_default: true,
    }
}

impl EventKind {
    /// Its row in [`EVENTS`].
    #[must_use]
    pub fn row(self) -> &'static EventRow {
        &EVENTS[self as usize]
    }
}

/// Something that an operator may want to look up later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    pub kind: EventKind,
    pub account: Option<AccountId>,
    pub session: Option<SessionId>,
    /// What else there is to say; [`EventKind`] states what.
    pub detail: Option<String>,
}

impl AuditEvent {
    #[must_use]
    pub fn new(kind: EventKind) -> Self {
        Self {
            kind,
            account: None,
            session: None,
            detail: None,
        }
    }

    #[must_use]
    pub fn account(self, account: impl Into<Option<AccountId>>) -> Self {
        let account = account.into();
        Self { account, ..self }
    }

    #[must_use]
    pub fn session(self, session: impl Into<Option<SessionId>>) -> Self {
        let session = session.into();
        Self { session, ..self }
    }

    #[must_use]
    pub fn detail(self, detail: impl fmt::Display) -> Self {
        let detail = Some(detail.to_string());
        Self { detail, ..self }
    }
}

/// An event, with its time and its origin.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    /// Makes a repeated write of the record harmless.
    pub id: Uuid,
    pub at: Timestamp,
    pub event: AuditEvent,
    /// The request that caused it; `None` for the gateway's own work.
    pub request_id: Option<String>,
    /// The device behind that request.
    pub device: Device,
}

impl AuditRecord {
    /// A record of what a client's request has just done.
    #[must_use]
    pub fn new(event: AuditEvent, client: &ClientInfo, at: Timestamp) -> Self {
        Self {
            id: Uuid::now_v7(),
            at,
            event,
            request_id: client.request_id.clone(),
            device: client.device.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_at_the_place_of_its_kind_and_has_its_own_name() {
        for (place, row) in EVENTS.iter().enumerate() {
            assert_eq!(row.kind as usize, place, "{}", row.name);
            assert_eq!(EVENTS.iter().filter(|other| other.name == row.name).count(), 1);
        }
    }
}
