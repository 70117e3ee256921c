//! Creates the table of accounts.
//!
//! `email_key` and `username_key` are case-folded, so that their unique indexes ignore case.
//! `email` and `username` keep the spelling of the user.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Step;

#[derive(DeriveIden)]
enum Accounts {
    Table,
    Id,
    Email,
    EmailKey,
    Username,
    UsernameKey,
    PasswordHash,
    ProfileImageUrl,
    Roles,
    CreatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Accounts::Table)
            .col(ColumnDef::new(Accounts::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Accounts::Email).text().not_null())
            .col(ColumnDef::new(Accounts::EmailKey).text().not_null())
            .col(ColumnDef::new(Accounts::Username).text().not_null())
            .col(ColumnDef::new(Accounts::UsernameKey).text().not_null())
            .col(ColumnDef::new(Accounts::PasswordHash).text().not_null())
            .col(ColumnDef::new(Accounts::ProfileImageUrl).text())
            .col(ColumnDef::new(Accounts::Roles).text().not_null())
            .col(ColumnDef::new(Accounts::CreatedAt).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        for (name, column) in [
            ("accounts_email_key", Accounts::EmailKey),
            ("accounts_username_key", Accounts::UsernameKey),
        ] {
            let index = Index::create()
                .name(name)
                .table(Accounts::Table)
                .col(column)
                .unique()
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Accounts::Table).to_owned())
            .await
    }
}
