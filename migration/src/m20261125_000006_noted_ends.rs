//! Noted ends: on SQLite, where a node remembers sessions, triggers write down every change after which one is less alive than before,
//! also those that the gateway makes itself. Renewals, which are the most frequent change, are none of them.
//!
//! PostgreSQL stays as it is: a node that uses it remembers nothing, and tells Redis itself of what it ends.

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
