//! Audit events in SQL: inserted and swept, never updated.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::domain::Result;
use crate::domain::audit::AuditRecord;
use crate::domain::clock::Timestamp;
use crate::store::sql::database::{Database, Sweep};
use crate::store::sql::entity::audit_events::{ActiveModel, Column, Entity};

/// The most events that one sweep deletes.
const SWEEP_BATCH: u64 = 1000;

#[derive(Debug, Clone)]
pub struct AuditLog {
    database: Database,
}

impl AuditLog {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Inserts events, all or none. An event that is there already is skipped: the answer to an
    /// earlier attempt may have been lost.
    pub async fn append(&self, records: &[AuditRecord]) -> Result<()> {
        let rows = Entity::insert_many(records.iter().map(ActiveModel::from)).on_conflict_do_nothing();
        self.database
            .run(rows.exec_without_returning(&self.database.writer()))
            .await?;
        Ok(())
    }

    /// Deletes a small batch of the events before this time, and returns how many. One node sweeps
    /// at a time; the others return at once.
    pub async fn sweep(&self, before: Timestamp) -> Result<u64> {
        let Some(transaction) = self.database.try_lock_sweep(Sweep::Audit).await? else {
            return Ok(0);
        };
        let old = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::At.lt(before.millis()))
            .limit(SWEEP_BATCH);
        let ids: Vec<Uuid> = self.database.run(old.into_tuple().all(&transaction)).await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let removed = Entity::delete_many().filter(Column::Id.is_in(ids));
        let removed = self.database.run(removed.exec(&transaction)).await?.rows_affected;
        self.database.run(transaction.commit()).await?;
        Ok(removed)
    }
}
