//! The tables, one a file. Relations point from child to parent only.

pub(crate) mod accounts;
pub(crate) mod audit_events;
pub(crate) mod changed_sessions;
pub(crate) mod one_time_tokens;
pub(crate) mod outbox;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
