//! Reads sessions that have not been ended, with their accounts: one statement for all requests of
//! a moment.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, JoinType, QueryFilter, QueryResult, QuerySelect, QueryTrait,
    RelationTrait,
};

use crate::domain::Result;
use crate::domain::account::AccountId;
use crate::domain::clock::Timestamp;
use crate::domain::session::{LiveSession, Session, SessionId};
use crate::store::batch::{Batcher, pad_list};
use crate::store::sql::database::Database;
use crate::store::sql::entity::accounts::{self, public_account};
use crate::store::sql::entity::sessions::{Column, Entity, Relation, generation};
use crate::store::sql::error::failure;
use crate::store::sql::row::RowReader;

/// The columns of [`Session`]. Every statement that returns a live session selects these and
/// [`accounts::PUBLIC`].
pub(crate) const SESSION: [Column; 5] = [
    Column::Id,
    Column::AccountId,
    Column::Generation,
    Column::RotatedAt,
    Column::ExpiresAt,
];

/// Finds sessions in this database. A session that is found may have expired.
pub(crate) fn batched(database: &Database) -> Batcher<SessionId, LiveSession> {
    let database = database.clone();
    Batcher::new(database.statement_timeout(), move |ids| {
        let database = database.clone();
        async move { find_all(&database, ids).await }.boxed()
    })
}

async fn find_all(database: &Database, ids: Vec<SessionId>) -> Result<HashMap<SessionId, LiveSession>> {
    let select = Entity::find()
        .select_only()
        .columns(SESSION)
        .columns(accounts::PUBLIC)
        .join(JoinType::InnerJoin, Relation::Account.def())
        .filter(Column::Id.is_in(pad_list(ids).into_iter().map(|id| id.0)))
        .filter(Column::EndedAt.is_null());
    let (select, connection) = (select.into_query(), database.connection());
    let rows = database.run(async { connection.query_all(&select).await }).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        if let Some(live) = live_session(&row).map_err(failure)? {
            found.insert(live.session.id, live);
        }
    }
    Ok(found)
}

/// A row of [`SESSION`] and then [`accounts::PUBLIC`]; `None` if the account is gone.
pub(crate) fn live_session(row: &QueryResult) -> std::result::Result<Option<LiveSession>, DbErr> {
    let mut row = RowReader::new(row);
    let (id, account_id) = (row.read()?, row.read()?);
    let session = Session {
        id: SessionId(id),
        account: AccountId(account_id),
        generation: generation(row.read()?),
        rotated_at: Timestamp::from_millis(row.read()?),
        expires_at: Timestamp::from_millis(row.read()?),
    };
    let account = public_account(account_id, &mut row)?;
    Ok(account.map(Arc::new).map(|account| LiveSession { session, account }))
}
