//! One-time tokens: mailed links and codes, challenges, ceremonies, exchange codes.
//!
//! `subject` is no foreign key, because a token may be about an address that has no account.
//! `exclusive_subject` is the subject of a token that replaces earlier ones, and null for others;
//! its unique index makes the replacement one statement.

use sea_orm_migration::prelude::*;

use crate::statements::execute;

#[derive(DeriveMigrationName)]
pub(super) struct Step;

#[derive(DeriveIden)]
enum OneTimeTokens {
    Table,
    Id,
    Purpose,
    Subject,
    ExclusiveSubject,
    Digest,
    SealedPayload,
    Tries,
    MaxTries,
    CreatedAt,
    ExpiresAt,
    ConsumedAt,
}

const INDEXES: [&str; 5] = [
    "CREATE UNIQUE INDEX one_time_tokens_digest ON one_time_tokens (digest, purpose)",
    "CREATE UNIQUE INDEX one_time_tokens_exclusive_subject ON one_time_tokens (exclusive_subject, purpose)",
    "CREATE INDEX one_time_tokens_subject ON one_time_tokens (subject)",
    "CREATE INDEX one_time_tokens_expires_at ON one_time_tokens (expires_at)",
    "CREATE INDEX one_time_tokens_consumed_at ON one_time_tokens (consumed_at) WHERE consumed_at IS NOT NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(OneTimeTokens::Table)
            .col(ColumnDef::new(OneTimeTokens::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(OneTimeTokens::Purpose).text().not_null())
            .col(ColumnDef::new(OneTimeTokens::Subject).text())
            .col(ColumnDef::new(OneTimeTokens::ExclusiveSubject).text())
            .col(ColumnDef::new(OneTimeTokens::Digest).binary().not_null())
            .col(ColumnDef::new(OneTimeTokens::SealedPayload).binary().not_null())
            .col(ColumnDef::new(OneTimeTokens::Tries).integer().not_null())
            .col(ColumnDef::new(OneTimeTokens::MaxTries).integer().not_null())
            .col(ColumnDef::new(OneTimeTokens::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(OneTimeTokens::ExpiresAt).big_integer().not_null())
            .col(ColumnDef::new(OneTimeTokens::ConsumedAt).big_integer())
            .to_owned();
        manager.create_table(table).await?;
        execute(manager, &INDEXES, &INDEXES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(OneTimeTokens::Table).to_owned())
            .await
    }
}
