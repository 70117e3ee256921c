//! Messages that wait for their delivery. Their contents are encrypted, and deleted with the
//! delivery.
//!
//! `account_id` is no foreign key: a message may tell of the end of its account.

use sea_orm_migration::prelude::*;

use crate::statements::execute;

#[derive(DeriveMigrationName)]
pub(super) struct Step;

#[derive(DeriveIden)]
enum Outbox {
    Table,
    Id,
    Kind,
    SealedContents,
    AccountId,
    CreatedAt,
    NextAttemptAt,
    ExpiresAt,
    Attempts,
    LastError,
    DeliveredAt,
    FailedAt,
}

const INDEXES: [&str; 2] = [
    "CREATE INDEX outbox_pending ON outbox (next_attempt_at) WHERE delivered_at IS NULL AND failed_at IS NULL",
    "CREATE INDEX outbox_created_at ON outbox (created_at)",
];

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Outbox::Table)
            .col(ColumnDef::new(Outbox::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Outbox::Kind).text().not_null())
            .col(ColumnDef::new(Outbox::SealedContents).binary())
            .col(ColumnDef::new(Outbox::AccountId).uuid())
            .col(ColumnDef::new(Outbox::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(Outbox::NextAttemptAt).big_integer().not_null())
            .col(ColumnDef::new(Outbox::ExpiresAt).big_integer().not_null())
            .col(ColumnDef::new(Outbox::Attempts).integer().not_null())
            .col(ColumnDef::new(Outbox::LastError).text())
            .col(ColumnDef::new(Outbox::DeliveredAt).big_integer())
            .col(ColumnDef::new(Outbox::FailedAt).big_integer())
            .to_owned();
        manager.create_table(table).await?;
        execute(manager, &INDEXES, &INDEXES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Outbox::Table).to_owned()).await
    }
}
