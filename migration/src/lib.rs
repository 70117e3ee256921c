//! The migrations of the database schema, one file each, oldest first.
//!
//! A migration defines the names of tables and columns itself and never imports the gateway. What
//! it does must not change when other code changes. Every `*_at` column holds milliseconds since
//! the Unix epoch, so that SQLite, PostgreSQL and Redis compare the same integers.

use sea_orm_migration::prelude::*;
pub use sea_orm_migration::{Migration, MigratorTrait, seaql_migrations};

mod m20261122_000001_accounts;
mod m20261122_000002_sessions;
mod m20261122_000003_signing_keys;
mod m20261122_000004_audit_events;
mod m20261122_000005_changed_sessions;
mod m20261125_000006_noted_ends;
mod m20261125_000007_ended_index;
mod m20261201_000008_credentials_version;
mod m20261201_000009_one_time_tokens;
mod m20261201_000010_outbox;
mod statements;

/// Applies the migrations in their order.
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_accounts::Step),
            Box::new(m20261122_000002_sessions::Step),
            Box::new(m20261122_000003_signing_keys::Step),
            Box::new(m20261122_000004_audit_events::Step),
            Box::new(m20261122_000005_changed_sessions::Step),
            Box::new(m20261125_000006_noted_ends::Step),
            Box::new(m20261125_000007_ended_index::Step),
            Box::new(m20261201_000008_credentials_version::Step),
            Box::new(m20261201_000009_one_time_tokens::Step),
            Box::new(m20261201_000010_outbox::Step),
        ]
    }
}
