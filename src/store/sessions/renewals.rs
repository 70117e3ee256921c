//! Moves sessions on in SQL. On SQLite those that are renewed at the same time are one statement, and so wait for the disk together.

use std::collections::HashMap;

use futures_util::FutureExt;
use sea_orm::sea_query::{Expr, ExprTrait, IntoValueTuple, Query, TableRef, ValueTuple};
use sea_orm::{ColumnTrait, ConnectionTrait};
use uuid::Uuid;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::session::Generation;
use crate::store::batch::{Batcher, Width, filled_up};
use crate::store::connect::POSTGRES_CONNECTIONS;
use crate::store::database::{Database, failure};
use crate::store::entity::sessions::{Column, Entity};

/// Moves sessions on.
#[derive(Debug)]
pub(super) struct Renewals {
    steps: Batcher<Step, Generation>,
}

/// One session, one step.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Step {
    session: Uuid,
    /// What was presented.
    from: Generation,
    at: Timestamp,
    /// A session that was last renewed at this time or before is over.
    over_since: Timestamp,
}

impl Renewals {
    pub(super) fn in_sql(database: &Database) -> Self {
        let width = if database.is_postgres() {
            // It gathers the commits of all connections itself. Nodes that took the same rows together, in an order of their own, could
            // wait for each other.
            Width::single(POSTGRES_CONNECTIONS as usize)
        } else {
            Width::IN_TURN
        };
        let database = database.clone();
        let steps = Batcher::new(width, database.patience(), move |steps| {
            let database = database.clone();
            async move { take_all(&database, steps).await }.boxed()
        });
        Self { steps }
    }

    /// Moves a live session on to the successor of the presented generation, unless it stands beyond it already; `None` if
    /// nothing was moved. Of two clients that present the same token, one is let through. A session that was not renewed after `over_since`
    /// is left where it is.
    pub(super) async fn move_on(
        &self,
        claim: RefreshClaim,
        now: Timestamp,
        over_since: Timestamp,
    ) -> Result<Option<Generation>> {
        let step = Step {
            session: claim.session.0,
            from: claim.generation,
            at: now,
            over_since,
        };
        self.steps.ask(step).await
    }
}

/// Those that were taken. Of several steps of one session the earliest is tried, as if the others had come after it.
async fn take_all(database: &Database, steps: Vec<Step>) -> Result<HashMap<Step, Generation>> {
    let mut first: HashMap<Uuid, Step> = HashMap::with_capacity(steps.len());
    for step in steps {
        let earliest = first.entry(step.session).or_insert(step);
        if step.at < earliest.at {
            *earliest = step;
        }
    }
    let rows = filled_up(first.values().copied().collect());
    let [session, from, to, at, over_since] =
        ["column1", "column2", "column3", "column4", "column5"].map(|column| Expr::col(("steps", column)));
    let update = Query::update()
        .table(Entity)
        .values([(Column::Generation, to), (Column::RotatedAt, at.clone())])
        .from(TableRef::ValuesList(
            rows.into_iter().map(ValueTuple::from).collect(),
            "steps".into(),
        ))
        .and_where(Column::Id.into_expr().eq(session))
        .and_where(Column::EndedAt.is_null())
        .and_where(Column::Generation.into_expr().lte(from))
        .and_where(Column::ExpiresAt.into_expr().gt(at))
        .and_where(Column::RotatedAt.into_expr().gt(over_since))
        .returning_col((Entity, Column::Id))
        .to_owned();
    let taken = database
        .answer(async { database.writer().query_all(&update).await })
        .await?;
    let ids = taken.iter().map(|row| row.try_get_by_index(0));
    let ids: Vec<Uuid> = ids.collect::<std::result::Result<_, _>>().map_err(failure)?;
    let moved = ids.iter().filter_map(|id| first.remove(id));
    Ok(moved.map(|step| (step, step.from.next())).collect())
}

impl From<Step> for ValueTuple {
    fn from(step: Step) -> Self {
        let [from, to] = [step.from, step.from.next()].map(|generation| i64::from(generation.0));
        (step.session, from, to, step.at.millis(), step.over_since.millis()).into_value_tuple()
    }
}
