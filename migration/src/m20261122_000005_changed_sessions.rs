//! Creates a change log of sessions that SQL from outside the gateway has changed.
//!
//! Triggers log three kinds of changes: the open sessions of an account whose public fields change,
//! sessions deleted before their expiry (usually with their account), and sessions ended without a
//! reason (the gateway always gives one). Each node reads the log from the last number that it has
//! seen.
//!
//! PostgreSQL's triggers run at commit, so that numbers become visible in their order, except for
//! the duration of a commit. They run with the rights of their owner: a role that may update
//! accounts needs no rights on this table.

use sea_orm_migration::prelude::*;

use crate::statements::execute;

#[derive(DeriveMigrationName)]
pub(super) struct Step;

#[derive(DeriveIden)]
enum ChangedSessions {
    Table,
    Id,
    SessionId,
    ChangedAt,
}

const POSTGRES_UP: [&str; 5] = [
    "CREATE FUNCTION note_changed_account() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS \
        $$ BEGIN INSERT INTO changed_sessions (session_id, changed_at) \
        SELECT id, (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM sessions \
        WHERE account_id = NEW.id AND ended_at IS NULL; RETURN NULL; END $$",
    "CREATE FUNCTION note_changed_session() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS \
        $$ DECLARE now_ms bigint := (extract(epoch FROM clock_timestamp()) * 1000)::bigint; \
        BEGIN IF OLD.expires_at > now_ms THEN \
        INSERT INTO changed_sessions (session_id, changed_at) VALUES (OLD.id, now_ms); END IF; RETURN NULL; END $$",
    "CREATE CONSTRAINT TRIGGER accounts_note_change \
        AFTER UPDATE OF email, username, profile_image_url, roles ON accounts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
        WHEN ((OLD.email, OLD.username, OLD.profile_image_url, OLD.roles) \
        IS DISTINCT FROM (NEW.email, NEW.username, NEW.profile_image_url, NEW.roles)) \
        EXECUTE FUNCTION note_changed_account()",
    "CREATE CONSTRAINT TRIGGER sessions_note_end \
        AFTER UPDATE OF ended_at ON sessions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
        WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.end_reason IS NULL) \
        EXECUTE FUNCTION note_changed_session()",
    "CREATE CONSTRAINT TRIGGER sessions_note_removal \
        AFTER DELETE ON sessions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.ended_at IS NULL) \
        EXECUTE FUNCTION note_changed_session()",
];

const POSTGRES_DOWN: [&str; 5] = [
    "DROP TRIGGER sessions_note_removal ON sessions",
    "DROP TRIGGER sessions_note_end ON sessions",
    "DROP TRIGGER accounts_note_change ON accounts",
    "DROP FUNCTION note_changed_session()",
    "DROP FUNCTION note_changed_account()",
];

/// SQLite also needs a trigger on the deletion of accounts: a connection without `PRAGMA
/// foreign_keys` does not delete their sessions.
const SQLITE_UP: [&str; 4] = [
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
    "CREATE TRIGGER sessions_note_end AFTER UPDATE OF ended_at ON sessions \
        WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.end_reason IS NULL \
        BEGIN INSERT INTO changed_sessions (session_id, changed_at) \
        VALUES (OLD.id, CAST(strftime('%s', 'now') AS INTEGER) * 1000); END",
    "CREATE TRIGGER sessions_note_removal AFTER DELETE ON sessions \
        WHEN OLD.ended_at IS NULL AND OLD.expires_at > CAST(strftime('%s', 'now') AS INTEGER) * 1000 \
        BEGIN INSERT INTO changed_sessions (session_id, changed_at) \
        VALUES (OLD.id, CAST(strftime('%s', 'now') AS INTEGER) * 1000); END",
];

const SQLITE_DOWN: [&str; 4] = [
    "DROP TRIGGER sessions_note_removal",
    "DROP TRIGGER sessions_note_end",
    "DROP TRIGGER accounts_note_removal",
    "DROP TRIGGER accounts_note_change",
];

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(ChangedSessions::Table)
            .col(
                ColumnDef::new(ChangedSessions::Id)
                    .big_integer()
                    .not_null()
                    .auto_increment()
                    .primary_key(),
            )
            .col(ColumnDef::new(ChangedSessions::SessionId).uuid().not_null())
            .col(ColumnDef::new(ChangedSessions::ChangedAt).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        // For the deletion of old rows.
        let by_time = Index::create()
            .name("changed_sessions_changed_at")
            .table(ChangedSessions::Table)
            .col(ChangedSessions::ChangedAt)
            .to_owned();
        manager.create_index(by_time).await?;
        execute(manager, &POSTGRES_UP, &SQLITE_UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, &POSTGRES_DOWN, &SQLITE_DOWN).await?;
        manager
            .drop_table(Table::drop().table(ChangedSessions::Table).to_owned())
            .await
    }
}
