//! Where state lives: the only folder that names SeaORM or Redis.
//!
//! A store method is one atomic step that returns what came of it; no transaction, row or connection leaves this folder.

mod accounts;
mod audit;
mod batch;
mod connect;
mod database;
mod entity;
pub mod limits;
mod line;
mod outage;
mod redis;
mod schema;
pub mod sessions;
mod signing_keys;
mod witness;

pub use accounts::Accounts;
pub use audit::AuditLog;
pub use database::Database;
pub use limits::Limits;
pub use redis::Redis;
pub use schema::MigrationState;
pub use sessions::SessionStore;
pub use signing_keys::SigningKeys;
