//! Ended index: on SQLite the index of ends leaves out the sessions that have none.
//!
//! With them in it, SQLite takes it for a good way to the sessions that live, which are nearly all, and reads every one of them where
//! it is asked for a few by their ids. PostgreSQL knows how many there are, and stays as it is.

use sea_orm_migration::prelude::*;

use crate::statements::execute;

#[derive(DeriveMigrationName)]
pub(super) struct Step;

const UP: [&str; 2] = [
    "DROP INDEX sessions_ended_at",
    "CREATE INDEX sessions_ended_at ON sessions (ended_at) WHERE ended_at IS NOT NULL",
];

const DOWN: [&str; 2] = [
    "DROP INDEX sessions_ended_at",
    "CREATE INDEX sessions_ended_at ON sessions (ended_at)",
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
