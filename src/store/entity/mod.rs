//! One table a file. Relations point from child to parent only.

pub(super) mod accounts;
pub(super) mod audit_events;
pub(super) mod changed_sessions;
pub(super) mod sessions;
pub(super) mod signing_keys;
