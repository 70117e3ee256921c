//! Reads sessions that have not been ended, with their accounts, from SQL: for everybody who asks at the same time, one statement.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait};
use uuid::Uuid;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::session::{LiveSession, Session, SessionId};
use crate::store::batch::{BatchOptions, Batcher, filled_up};
use crate::store::sql::database::Database;
use crate::store::sql::entity::accounts::{self, account};
use crate::store::sql::entity::sessions::{Column, Entity, Relation, generation};

/// What is read of a session itself.
pub(crate) const OWN: [Column; 5] = [
    Column::Id,
    Column::AccountId,
    Column::Generation,
    Column::RotatedAt,
    Column::ExpiresAt,
];

/// These, and what is public of the account.
type Row = (Uuid, Uuid, i64, i64, i64, String, String, Option<String>, String);

/// Finds sessions in this database; the time of one that is found may be over.
pub(crate) fn in_sql(database: &Database) -> Batcher<SessionId, LiveSession> {
    let database = database.clone();
    Batcher::new(BatchOptions::QUESTIONS, database.statement_timeout(), move |ids| {
        let database = database.clone();
        async move { find_all(&database, ids).await }.boxed()
    })
}

async fn find_all(database: &Database, ids: Vec<SessionId>) -> Result<HashMap<SessionId, LiveSession>> {
    let rows = Entity::find()
        .select_only()
        .columns(OWN)
        .columns(accounts::PUBLIC)
        .join(JoinType::InnerJoin, Relation::Account.def())
        .filter(Column::Id.is_in(filled_up(ids).into_iter().map(|id| id.0)))
        .filter(Column::EndedAt.is_null());
    let rows: Vec<Row> = database.answer(rows.into_tuple().all(&database.connection())).await?;
    let live = rows.into_iter().map(live_session);
    Ok(live.map(|live| (live.session.id, live)).collect())
}

pub(crate) fn live_session(row: Row) -> LiveSession {
    let (id, owner, stands_at, rotated_at, expires_at, email, username, profile_image_url, stored_roles) = row;
    let account = account(owner, (email, username, profile_image_url, stored_roles));
    let session = Session {
        id: SessionId(id),
        account: account.id,
        generation: generation(stands_at),
        rotated_at: Timestamp::from_millis(rotated_at),
        expires_at: Timestamp::from_millis(expires_at),
    };
    let account = Arc::new(account);
    LiveSession { session, account }
}
