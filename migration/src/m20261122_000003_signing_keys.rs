//! Creates the table of the keys that sign access tokens. The gateway encrypts private keys under
//! `AUTH_SECRET` before it stores them.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Step;

#[derive(DeriveIden)]
enum SigningKeys {
    Table,
    Kid,
    Algorithm,
    PublicKey,
    SealedPrivateKey,
    CreatedAt,
    SignsFrom,
    VerifiesUntil,
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(SigningKeys::Table)
            .col(ColumnDef::new(SigningKeys::Kid).text().not_null().primary_key())
            .col(ColumnDef::new(SigningKeys::Algorithm).text().not_null())
            .col(ColumnDef::new(SigningKeys::PublicKey).binary().not_null())
            .col(ColumnDef::new(SigningKeys::SealedPrivateKey).binary().not_null())
            .col(ColumnDef::new(SigningKeys::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(SigningKeys::SignsFrom).big_integer().not_null())
            .col(ColumnDef::new(SigningKeys::VerifiesUntil).big_integer())
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(SigningKeys::Table).to_owned())
            .await
    }
}
