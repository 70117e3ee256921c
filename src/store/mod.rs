//! Where state lives: the only folder that names SeaORM or Redis.
//!
//! A store method is one atomic step. No transaction, row or connection leaves this folder.

mod accounts;
mod audit;
mod batch;
pub mod limits;
pub mod one_time_tokens;
mod outage;
mod outbox;
mod redis;
pub mod sessions;
mod signing_keys;
mod sql;

pub use accounts::Accounts;
pub use audit::AuditLog;
pub use limits::Limits;
pub use one_time_tokens::OneTimeTokenStore;
pub use outbox::{Enqueued, Outbox};
pub use redis::Redis;
pub use sessions::SessionStore;
pub use signing_keys::SigningKeys;
pub use sql::{Database, MigrationState};
