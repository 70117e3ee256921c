//! The notes of `changed_sessions`, which triggers write when others than the gateway change something in SQL.

use std::time::Duration;

use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::SqlSessions;
use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::session::SessionId;
use crate::store::entity::changed_sessions::{Column, Entity};

/// How long a note is kept: a node that was down for less learns of the change when it starts.
const RETENTION: Duration = Duration::from_hours(24);
/// Most notes that one sweep removes.
const SWEEP_BATCH: u64 = 5_000;

impl SqlSessions {
    /// The sessions that were changed, each with the number of its note, from the note after `number` on.
    pub(super) async fn changes_after(&self, number: i64) -> Result<Vec<(i64, SessionId)>> {
        let notes = Entity::find()
            .select_only()
            .columns([Column::Id, Column::SessionId])
            .filter(Column::Id.gt(number));
        let notes: Vec<(i64, Uuid)> = self
            .database
            .answer(notes.into_tuple().all(&self.database.connection()))
            .await?;
        Ok(notes.into_iter().map(|(number, id)| (number, SessionId(id))).collect())
    }

    /// Removes notes that every node has read long ago.
    pub(super) async fn sweep_notes(&self, turn: &DatabaseTransaction, now: Timestamp) -> Result<()> {
        let old = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::ChangedAt.lt(now.minus(RETENTION).millis()))
            .limit(SWEEP_BATCH)
            .into_query();
        let removed = Entity::delete_many().filter(Column::Id.in_subquery(old));
        self.database.answer(removed.exec(turn)).await?;
        Ok(())
    }
}
