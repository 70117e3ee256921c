//! The notes of `changed_sessions`, which triggers write: on PostgreSQL when others than the gateway change something in SQL, on SQLite
//! also when the gateway ends a session.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Statement,
};
use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::session::SessionId;
use crate::domain::{Error, Result};
use crate::store::sessions::SqlSessions;
use crate::store::sql::database::Database;
use crate::store::sql::entity::changed_sessions::{Column, Entity};

/// How long a note is kept: a node that was down for less learns of the change when it starts.
const RETENTION: Duration = Duration::from_hours(24);
/// Most notes that one sweep removes.
const SWEEP_BATCH: u64 = 5_000;

/// Most notes that one node of a SQLite file reads at once; of more it only learns that they are.
const MOST_NEWS: u64 = 1_000;
/// Most notes that a node with Redis reads at once: few enough to be read in time however many there are.
const NOTES_OF_A_PAGE: u64 = 1_000;

/// What has changed in a SQLite file.
pub(crate) struct News {
    /// SQLite's count of the changes of its schema, a restored backup included.
    pub(crate) schema: i64,
    /// Whether there is a trigger that notes every end. An older schema has none.
    pub(crate) has_ends: bool,
    /// The number of the latest note that was ever written.
    pub(crate) number: i64,
    /// The sessions of the notes that are still there, the oldest first.
    pub(crate) sessions: Vec<SessionId>,
}

/// What the notes after `number` say, of a SQLite file: in one statement, so of one moment.
pub(crate) async fn news_after(database: &Database, number: i64) -> Result<News> {
    let question = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        "SELECT s.schema_version, \
            EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sessions_note_end' AND sql LIKE '%rotated_at%'), \
            coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changed_sessions'), 0), n.session_id \
            FROM pragma_schema_version AS s LEFT JOIN changed_sessions AS n ON n.id > ? ORDER BY n.id LIMIT ?",
        [number.into(), MOST_NEWS.into()],
    );
    let rows = database.answer(database.connection().query_all_raw(question)).await?;
    let mut news = News {
        schema: 0,
        has_ends: false,
        number: 0,
        sessions: Vec::new(),
    };
    for row in rows {
        news.schema = row.try_get_by_index(0).map_err(Error::unavailable)?;
        news.has_ends = row.try_get_by_index(1).map_err(Error::unavailable)?;
        news.number = row.try_get_by_index(2).map_err(Error::unavailable)?;
        // One that cannot be read, of a row that somebody else has written, is missed by its number.
        let named: Option<Uuid> = row.try_get_by_index(3).unwrap_or_default();
        news.sessions.extend(named.map(SessionId));
    }
    Ok(news)
}

impl SqlSessions {
    /// The sessions that were changed, by the notes from the first number to the last, each with that of its note: at most a page full.
    pub(crate) async fn notes_between(&self, first: i64, last: i64) -> Result<Vec<(i64, SessionId)>> {
        let notes = Entity::find()
            .select_only()
            .columns([Column::Id, Column::SessionId])
            .filter(Column::Id.between(first, last))
            .order_by_asc(Column::Id)
            .limit(NOTES_OF_A_PAGE);
        let notes: Vec<(i64, Uuid)> = self
            .database
            .answer(notes.into_tuple().all(&self.database.connection()))
            .await?;
        Ok(notes.into_iter().map(|(number, id)| (number, SessionId(id))).collect())
    }

    /// Removes notes that every node has read long ago.
    pub(crate) async fn sweep_notes(&self, turn: &DatabaseTransaction, now: Timestamp) -> Result<()> {
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
