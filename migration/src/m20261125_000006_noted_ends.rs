//! On SQLite, where nodes cache sessions, the triggers log every change that ends or shortens a
//! session, including the gateway's own changes. Refreshes, the most frequent change, are not
//! logged.
//!
//! PostgreSQL does not change: with it, nodes cache no sessions and report ends to Redis
//! themselves.

use sea_orm_migration::prelude::*;

use crate::statements::execute;

#[derive(DeriveMigrationName)]
pub(super) struct Step;

const UP: [&str; 2] = [
    "DROP TRIGGER sessions_note_end",
    "CREATE TRIGGER sessions_note_end AFTER UPDATE OF account_id, rotated_at, expires_at, ended_at ON sessions \
        WHEN OLD.ended_at IS NULL AND (NEW.rotated_at < OLD.rotated_at \
        OR (OLD.account_id, OLD.expires_at, OLD.ended_at) IS NOT (NEW.account_id, NEW.expires_at, NEW.ended_at)) \
        BEGIN INSERT INTO changed_sessions (session_id, changed_at) \
        VALUES (OLD.id, CAST(strftime('%s', 'now') AS INTEGER) * 1000); END",
];

const DOWN: [&str; 2] = [
    "DROP TRIGGER sessions_note_end",
    "CREATE TRIGGER sessions_note_end AFTER UPDATE OF ended_at ON sessions \
        WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.end_reason IS NULL \
        BEGIN INSERT INTO changed_sessions (session_id, changed_at) \
        VALUES (OLD.id, CAST(strftime('%s', 'now') AS INTEGER) * 1000); END",
];

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &[], &UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &[], &DOWN).await
    }
}
