//! Creates the table of audit events. A trigger rejects updates. Old rows are deleted.
//!
//! `account_id` and `session_id` are not foreign keys: an event outlives its account and its
//! session.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(super) struct Step;

#[derive(DeriveIden)]
enum AuditEvents {
    Table,
    Id,
    At,
    Event,
    RequestId,
    AccountId,
    SessionId,
    Address,
    UserAgent,
    Detail,
}

const SQLITE_TRIGGER: &str = "CREATE TRIGGER audit_events_are_final BEFORE UPDATE ON audit_events \
    BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END";

const POSTGRES_FUNCTION: &str = "CREATE FUNCTION audit_events_are_final() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN RAISE EXCEPTION 'audit events are never changed'; END $$";

const POSTGRES_TRIGGER: &str = "CREATE TRIGGER audit_events_are_final BEFORE UPDATE ON audit_events \
    FOR EACH ROW EXECUTE FUNCTION audit_events_are_final()";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(AuditEvents::Table)
            .col(ColumnDef::new(AuditEvents::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(AuditEvents::At).big_integer().not_null())
            .col(ColumnDef::new(AuditEvents::Event).text().not_null())
            .col(ColumnDef::new(AuditEvents::RequestId).text())
            .col(ColumnDef::new(AuditEvents::AccountId).uuid())
            .col(ColumnDef::new(AuditEvents::SessionId).uuid())
            .col(ColumnDef::new(AuditEvents::Address).text())
            .col(ColumnDef::new(AuditEvents::UserAgent).text())
            .col(ColumnDef::new(AuditEvents::Detail).text())
            .to_owned();
        manager.create_table(table).await?;
        // One index serves the history of an account, the other the deletion of old events.
        let by_account = Index::create()
            .name("audit_events_account_id_at")
            .table(AuditEvents::Table)
            .col(AuditEvents::AccountId)
            .col(AuditEvents::At)
            .to_owned();
        manager.create_index(by_account).await?;
        let by_time = Index::create()
            .name("audit_events_at")
            .table(AuditEvents::Table)
            .col(AuditEvents::At)
            .to_owned();
        manager.create_index(by_time).await?;
        forbid_updates(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(AuditEvents::Table).to_owned())
            .await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            execute(manager, "DROP FUNCTION audit_events_are_final()").await?;
        }
        Ok(())
    }
}

async fn forbid_updates(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Postgres {
        execute(manager, POSTGRES_FUNCTION).await?;
        return execute(manager, POSTGRES_TRIGGER).await;
    }
    execute(manager, SQLITE_TRIGGER).await
}

async fn execute(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    manager.get_connection().execute_unprepared(statement).await.map(drop)
}
