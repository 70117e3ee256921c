//! Rotates a session in SQL: one statement moves it on and returns where it stands.

use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait, Query, UpdateStatement};
use sea_orm::{ColumnTrait, ConnectionTrait};

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::session::LiveSession;
use crate::store::sessions::sql::lookup::{SESSION, live_session};
use crate::store::sql::database::Database;
use crate::store::sql::entity::accounts;
use crate::store::sql::entity::sessions::{Column, Entity};
use crate::store::sql::error::failure;

/// Moves a live session on to the successor of the presented generation, unless it is beyond that
/// already, and returns the session as the statement leaves it. `None` for a session that has ended
/// or expired; one that was last rotated at `expired_since` or earlier has expired.
///
/// The row is moved on without a look at it first: nearly every token is the current one. The
/// statement returns the state of the same moment, so a token is never judged by a later change.
pub(crate) async fn rotate(
    database: &Database,
    claim: RefreshClaim,
    now: Timestamp,
    expired_since: Timestamp,
) -> Result<Option<LiveSession>> {
    let (update, connection) = (statement(claim, now, expired_since), database.writer());
    let row = database.run(async { connection.query_one(&update).await }).await?;
    match row {
        Some(row) => live_session(&row).map_err(failure),
        None => Ok(None),
    }
}

fn statement(claim: RefreshClaim, now: Timestamp, expired_since: Timestamp) -> UpdateStatement {
    let [presented, next] = [claim.generation, claim.generation.next()].map(|generation| i64::from(generation.0));
    let if_current = |column: Column, new: i64| {
        let is_current = Column::Generation.into_expr().lte(presented);
        CaseStatement::new().case(is_current, new).finally(column.into_expr())
    };
    let session = SESSION.map(ColumnTrait::into_expr);
    let returned = session.into_iter().chain(accounts::PUBLIC.map(account_column));
    Query::update()
        .table(Entity)
        .value(Column::Generation, if_current(Column::Generation, next))
        .value(Column::RotatedAt, if_current(Column::RotatedAt, now.millis()))
        .and_where(Column::Id.eq(claim.session.0))
        .and_where(Column::EndedAt.is_null())
        .and_where(Column::ExpiresAt.gt(now.millis()))
        .and_where(Column::RotatedAt.gt(expired_since.millis()))
        .returning(Query::returning().exprs(returned))
        .to_owned()
}

/// A column of the session's account. On SQLite `RETURNING` names no other table than the updated
/// one, so it is a subquery.
fn account_column(column: accounts::Column) -> Expr {
    Query::select()
        .column(column)
        .from(accounts::Entity)
        .and_where(accounts::Column::Id.into_expr().eq(Column::AccountId.into_expr()))
        .to_owned()
        .into()
}
