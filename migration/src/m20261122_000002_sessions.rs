//! Creates the table of sessions, which is the source of truth.
//!
//! With Redis, `generation` and `rotated_at` may lag behind the values in Redis. `ended_at` never
//! does.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Step;

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
    AccountId,
    Generation,
    CreatedAt,
    RotatedAt,
    ExpiresAt,
    EndedAt,
    EndReason,
    UserAgent,
    Ip,
}

#[derive(DeriveIden)]
enum Accounts {
    Table,
    Id,
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Sessions::Table)
            .col(ColumnDef::new(Sessions::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Sessions::AccountId).uuid().not_null())
            .col(ColumnDef::new(Sessions::Generation).big_integer().not_null())
            .col(ColumnDef::new(Sessions::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(Sessions::RotatedAt).big_integer().not_null())
            .col(ColumnDef::new(Sessions::ExpiresAt).big_integer().not_null())
            .col(ColumnDef::new(Sessions::EndedAt).big_integer())
            .col(ColumnDef::new(Sessions::EndReason).text())
            .col(ColumnDef::new(Sessions::UserAgent).text())
            .col(ColumnDef::new(Sessions::Ip).text())
            .foreign_key(
                ForeignKey::create()
                    .name("sessions_account_id")
                    .from(Sessions::Table, Sessions::AccountId)
                    .to(Accounts::Table, Accounts::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        // The account index serves lists and logouts. The other two serve the deletion of old
        // sessions.
        for (name, column) in [
            ("sessions_account_id", Sessions::AccountId),
            ("sessions_expires_at", Sessions::ExpiresAt),
            ("sessions_ended_at", Sessions::EndedAt),
        ] {
            let index = Index::create().name(name).table(Sessions::Table).col(column).to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Sessions::Table).to_owned())
            .await
    }
}
