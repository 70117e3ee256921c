//! The change log `changed_sessions`: on PostgreSQL triggers record the sessions whose account, or
//! whose end, another program than the gateway has changed.

use std::time::Duration;

use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};
use uuid::Uuid;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::session::SessionId;
use crate::store::sessions::sql::store::SqlSessions;
use crate::store::sql::entity::changed_sessions::{Column, Entity};

/// How long an entry is kept. A node that was down for less than that applies it when it starts.
const RETENTION: Duration = Duration::from_hours(24);
/// Most entries that one sweep removes.
const SWEEP_BATCH: u64 = 5_000;
/// Most entries in one page: few enough to be read within the statement timeout.
const PAGE_LENGTH: u64 = 1_000;

impl SqlSessions {
    /// The entries with these numbers, in order, at most one page.
    pub(crate) async fn change_log(&self, first: i64, last: i64) -> Result<Vec<(i64, SessionId)>> {
        let page = Entity::find()
            .select_only()
            .columns([Column::Id, Column::SessionId])
            .filter(Column::Id.between(first, last))
            .order_by_asc(Column::Id)
            .limit(PAGE_LENGTH)
            .into_tuple::<(i64, Uuid)>();
        let page = self.database.run(page.all(&self.database.connection())).await?;
        Ok(page.into_iter().map(|(number, id)| (number, SessionId(id))).collect())
    }

    /// Removes entries that every node has applied long ago.
    pub(crate) async fn sweep_change_log(&self, transaction: &DatabaseTransaction, now: Timestamp) -> Result<()> {
        let old = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::ChangedAt.lt(now.minus(RETENTION).millis()))
            .limit(SWEEP_BATCH)
            .into_query();
        let removed = Entity::delete_many().filter(Column::Id.in_subquery(old));
        self.database.run(removed.exec(transaction)).await?;
        Ok(())
    }
}
