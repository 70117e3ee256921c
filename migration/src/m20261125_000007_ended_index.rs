//! On SQLite, removes live sessions from the index on `ended_at`.
//!
//! Otherwise SQLite uses this index to find live sessions, which are nearly all, and reads all of
//! them although the query names a few ids. PostgreSQL has statistics on the number of rows, so its
//! index does not change.

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
