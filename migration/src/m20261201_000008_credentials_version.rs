//! Credentials version: a counter that every change of an account's credentials raises.
//!
//! A session is opened only if the version is still the one that was verified. The password hash
//! becomes nullable, for accounts that sign in without a password.
//!
//! SQLite no longer keeps a change log of sessions: a gateway on SQLite reads every session from
//! the file, so nothing reads the log there. The table `changed_sessions` stays, empty, so that
//! both databases have the same tables.

use sea_orm_migration::prelude::*;

use crate::statements::execute;

#[derive(DeriveMigrationName)]
pub(super) struct Step;

const POSTGRES_UP: [&str; 2] = [
    "ALTER TABLE accounts ADD COLUMN credentials_version bigint NOT NULL DEFAULT 1",
    "ALTER TABLE accounts ALTER COLUMN password_hash DROP NOT NULL",
];

/// An account without a password cannot exist in the older schema. An empty hash matches no
/// password.
const POSTGRES_DOWN: [&str; 3] = [
    "UPDATE accounts SET password_hash = '' WHERE password_hash IS NULL",
    "ALTER TABLE accounts ALTER COLUMN password_hash SET NOT NULL",
    "ALTER TABLE accounts DROP COLUMN credentials_version",
];

/// SQLite cannot drop a `NOT NULL` in place, so the column is replaced by a new one.
const SQLITE_UP: [&str; 10] = [
    "DROP TRIGGER accounts_note_change",
    "DROP TRIGGER accounts_note_removal",
    "DROP TRIGGER sessions_note_end",
    "DROP TRIGGER sessions_note_removal",
    "DELETE FROM changed_sessions",
    "ALTER TABLE accounts ADD COLUMN credentials_version bigint NOT NULL DEFAULT 1",
    "ALTER TABLE accounts ADD COLUMN nullable_password_hash text",
    "UPDATE accounts SET nullable_password_hash = password_hash",
    "ALTER TABLE accounts DROP COLUMN password_hash",
    "ALTER TABLE accounts RENAME COLUMN nullable_password_hash TO password_hash",
];

const SQLITE_DOWN: [&str; 9] = [
    "ALTER TABLE accounts ADD COLUMN required_password_hash text NOT NULL DEFAULT ''",
    "UPDATE accounts SET required_password_hash = coalesce(password_hash, '')",
    "ALTER TABLE accounts DROP COLUMN password_hash",
    "ALTER TABLE accounts RENAME COLUMN required_password_hash TO password_hash",
    "ALTER TABLE accounts DROP COLUMN credentials_version",
    "CREATE TRIGGER accounts_note_change AFTER UPDATE OF email, username, profile_image_url, roles ON accounts \
        WHEN (OLD.email, OLD.username, OLD.profile_image_url, OLD.roles) \
        IS NOT (NEW.email, NEW.username, NEW.profile_image_url, NEW.roles) \
        BEGIN INSERT INTO changed_sessions (session_id, changed_at) \
        SELECT id, CAST(strftime('%s', 'now') AS INTEGER) * 1000 FROM sessions \
        WHERE account_id = NEW.id AND ended_at IS NULL; END",
    "CREATE TRIGGER accounts_note_removal BEFORE DELETE ON accounts \
        BEGIN INSERT INTO changed_sessions (session_id, changed_at) \
        SELECT id, CAST(strftime('%s', 'now') AS INTEGER) * 1000 FROM sessions \
        WHERE account_id = OLD.id AND ended_at IS NULL; END",
    "CREATE TRIGGER sessions_note_end AFTER UPDATE OF account_id, rotated_at, expires_at, ended_at ON sessions \
        WHEN OLD.ended_at IS NULL AND (NEW.rotated_at < OLD.rotated_at \
        OR (OLD.account_id, OLD.expires_at, OLD.ended_at) IS NOT (NEW.account_id, NEW.expires_at, NEW.ended_at)) \
        BEGIN INSERT INTO changed_sessions (session_id, changed_at) \
        VALUES (OLD.id, CAST(strftime('%s', 'now') AS INTEGER) * 1000); END",
    "CREATE TRIGGER sessions_note_removal AFTER DELETE ON sessions \
        WHEN OLD.ended_at IS NULL AND OLD.expires_at > CAST(strftime('%s', 'now') AS INTEGER) * 1000 \
        BEGIN INSERT INTO changed_sessions (session_id, changed_at) \
        VALUES (OLD.id, CAST(strftime('%s', 'now') AS INTEGER) * 1000); END",
];

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &POSTGRES_UP, &SQLITE_UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &POSTGRES_DOWN, &SQLITE_DOWN).await
    }
}
