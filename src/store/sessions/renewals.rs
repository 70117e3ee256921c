//! Moves sessions on in SQL, and says whose they are. On SQLite those that are renewed at the same time are one statement, and so wait
//! for the disk together.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;
use sea_orm::sea_query::{Expr, ExprTrait, IntoValueTuple, Query, TableRef, UpdateStatement, ValueTuple};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryResult};
use uuid::Uuid;

use crate::domain::Result;
use crate::domain::account::Account;
use crate::domain::clock::Timestamp;
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::session::Generation;
use crate::store::batch::{Batcher, Width, filled_up};
use crate::store::database::{Database, failure};
use crate::store::entity::accounts::{self, account};
use crate::store::entity::sessions::{Column, Entity};

/// Session: id; account: id, e-mail, username, picture, roles. Of an account that somebody took from under its sessions nothing is there.
type Row = (
    Uuid,
    Uuid,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// Moves sessions on.
#[derive(Debug)]
pub(super) struct Renewals {
    database: Database,
    /// On SQLite. PostgreSQL gathers the commits of all its connections itself; and nodes that took many rows at once, each in an order of
    /// its own, could wait for each other there.
    together: Option<Batcher<Step, Arc<Account>>>,
}

/// One session, one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
        let batcher = || {
            let own = database.clone();
            Batcher::new(Width::IN_TURN, database.patience(), move |steps| {
                let database = own.clone();
                async move { take_all(&database, steps).await }.boxed()
            })
        };
        Self {
            database: database.clone(),
            together: (!database.is_postgres()).then(batcher),
        }
    }

    /// Moves a live session on to the successor of the presented generation, unless it stands beyond it already, and says whose it is;
    /// `None` if nothing was moved. Of two clients that present the same token at different times, one is let through. A session that was
    /// not renewed after `over_since` is left where it is.
    pub(super) async fn move_on(
        &self,
        claim: RefreshClaim,
        now: Timestamp,
        over_since: Timestamp,
    ) -> Result<Option<Arc<Account>>> {
        let step = Step {
            session: claim.session.0,
            from: claim.generation,
            at: now,
            over_since,
        };
        match &self.together {
            Some(together) => together.ask(step).await,
            None => Ok(take_all(&self.database, vec![step]).await?.remove(&step)),
        }
    }
}

/// Those that were taken. Of several steps of one session one is tried, and the others come after it: that of the oldest token, which
/// may be the predecessor in its grace period, and would be too old if the current one went first; and of several with that one the
/// earliest.
async fn take_all(database: &Database, steps: Vec<Step>) -> Result<HashMap<Step, Arc<Account>>> {
    let mut tried: HashMap<Uuid, Step> = HashMap::with_capacity(steps.len());
    for step in steps {
        let first = tried.entry(step.session).or_insert(step);
        if (step.from, step.at) < (first.from, first.at) {
            *first = step;
        }
    }
    let update = statement(filled_up(tried.values().copied().collect()));
    let taken = database
        .answer(async { database.writer().query_all(&update).await })
        .await?;
    let rows = taken.iter().map(QueryResult::try_get_many_by_index);
    let rows: Vec<Row> = rows.collect::<std::result::Result<_, _>>().map_err(failure)?;
    let moved = rows.into_iter().filter_map(whose);
    Ok(moved
        .filter_map(|(id, account)| Some((tried.remove(&id)?, account)))
        .collect())
}

fn whose((id, owner, email, username, picture, roles): Row) -> Option<(Uuid, Arc<Account>)> {
    let account = account(owner, (email?, username?, picture, roles?));
    Some((id, Arc::new(account)))
}

/// Answers with the sessions that it has moved, and their accounts.
fn statement(steps: Vec<Step>) -> UpdateStatement {
    let [session, from, to, at, over_since] =
        ["column1", "column2", "column3", "column4", "column5"].map(|column| Expr::col(("steps", column)));
    let own = [Column::Id, Column::AccountId].map(ColumnTrait::into_expr);
    let answer = own.into_iter().chain(accounts::PUBLIC.map(of_account));
    Query::update()
        .table(Entity)
        .values([(Column::Generation, to), (Column::RotatedAt, at.clone())])
        .from(TableRef::ValuesList(
            steps.into_iter().map(ValueTuple::from).collect(),
            "steps".into(),
        ))
        .and_where(Column::Id.into_expr().eq(session))
        .and_where(Column::EndedAt.is_null())
        .and_where(Column::Generation.into_expr().lte(from))
        .and_where(Column::ExpiresAt.into_expr().gt(at))
        .and_where(Column::RotatedAt.into_expr().gt(over_since))
        .returning(Query::returning().exprs(answer))
        .to_owned()
}

/// A column of the session's account. `RETURNING` names no other table than the one that is changed, but may ask one.
fn of_account(column: accounts::Column) -> Expr {
    Query::select()
        .column(column)
        .from(accounts::Entity)
        .and_where(accounts::Column::Id.into_expr().eq(Column::AccountId.into_expr()))
        .to_owned()
        .into()
}

impl From<Step> for ValueTuple {
    fn from(step: Step) -> Self {
        let [from, to] = [step.from, step.from.next()].map(|generation| i64::from(generation.0));
        (step.session, from, to, step.at.millis(), step.over_since.millis()).into_value_tuple()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fmt::Write;

    use sea_orm::{DbBackend, StatementBuilder};
    use tempfile::TempDir;

    use super::*;
    use crate::config::DatabaseUrl;
    use crate::domain::session::SessionId;

    fn step(session: Uuid, from: u32, at: i64) -> Step {
        Step {
            session,
            from: Generation(from),
            at: Timestamp::from_millis(at),
            over_since: Timestamp::from_millis(0),
        }
    }

    async fn database(folder: &TempDir) -> Database {
        let file = folder.path().join("test.db");
        let database = Database::connect(&DatabaseUrl::Sqlite(file)).await.unwrap();
        database.migrate_up().await.unwrap();
        database
    }

    /// So many sessions, each of an account of its own that has the session's id.
    async fn sessions(database: &Database, count: usize) -> Vec<Uuid> {
        let ids: Vec<Uuid> = (0..count).map(|_| SessionId::fresh().0).collect();
        let (mut accounts, mut rows) = (String::new(), String::new());
        for id in &ids {
            let id = id.simple();
            write!(accounts, ",(x'{id}','{id}','{id}','{id}','{id}','',NULL,'user',1)").unwrap();
            write!(rows, ",(x'{id}',x'{id}',1,1,1,9000000000000)").unwrap();
        }
        let columns = "id, account_id, generation, created_at, rotated_at, expires_at";
        for insert in [
            format!("INSERT INTO accounts VALUES {}", &accounts[1..]),
            format!("INSERT INTO sessions ({columns}) VALUES {}", &rows[1..]),
        ] {
            database.writer().execute_unprepared(&insert).await.unwrap();
        }
        ids
    }

    /// It takes a list of any length to be a million rows long, and could rather read all sessions than look up as many.
    #[tokio::test]
    async fn sqlite_goes_by_the_ids_also_when_it_knows_how_many_sessions_there_are() {
        let folder = TempDir::new().unwrap();
        let database = database(&folder).await;
        let ids = sessions(&database, 1_000).await;
        for analysed in [false, true] {
            for count in [1, 8, 128] {
                let steps = ids.iter().take(count).map(|id| step(*id, 1, 5)).collect();
                let mut question = StatementBuilder::build(&statement(steps), &DbBackend::Sqlite);
                question.sql = format!("EXPLAIN QUERY PLAN {}", question.sql);
                let rows = database.writer().query_all_raw(question).await.unwrap();
                let plan: Vec<String> = rows.iter().map(|row| row.try_get("", "detail").unwrap()).collect();
                for table in ["sessions", "accounts"] {
                    let start = format!("SEARCH {table} ");
                    assert!(
                        plan.iter()
                            .any(|line| line.starts_with(&start) && line.ends_with("(id=?)")),
                        "{count} of 1000, analysed: {analysed}: {plan:?}"
                    );
                }
            }
            database.writer().execute_unprepared("ANALYZE").await.unwrap();
        }
    }

    /// The steps that are taken of these, each with the account of its own session.
    async fn taken(database: &Database, steps: &[Step]) -> HashSet<Step> {
        let taken = take_all(database, steps.to_vec()).await.unwrap();
        for (step, account) in &taken {
            assert_eq!(account.id.0, step.session);
            assert_eq!(account.email, step.session.simple().to_string());
            assert_eq!(account.roles, ["user"]);
        }
        taken.into_keys().collect()
    }

    #[tokio::test]
    async fn of_several_steps_of_one_session_that_of_the_oldest_token_is_tried_and_of_those_the_earliest() {
        let folder = TempDir::new().unwrap();
        let database = database(&folder).await;
        let ids = sessions(&database, 2).await;
        let [predecessor, current, later] = [step(ids[0], 1, 9), step(ids[0], 2, 7), step(ids[0], 2, 8)];
        let other = step(ids[1], 1, 6);
        let (both, nobody) = (HashSet::from([predecessor, other]), HashSet::new());
        assert_eq!(taken(&database, &[current, predecessor, other]).await, both);
        assert_eq!(taken(&database, &[current, predecessor]).await, nobody, "it is past");
        assert_eq!(taken(&database, &[later, current]).await, HashSet::from([current]));
        assert_eq!(taken(&database, &[later, other]).await, nobody, "each of them has gone");
    }

    /// A shell that minds no foreign keys has removed an account.
    #[tokio::test]
    async fn a_session_without_an_account_takes_nothing_from_the_others() {
        let folder = TempDir::new().unwrap();
        let database = database(&folder).await;
        let ids = sessions(&database, 2).await;
        let remove = format!("DELETE FROM accounts WHERE id = x'{}'", ids[0].simple());
        for statement in ["PRAGMA foreign_keys = OFF", &remove] {
            database.writer().execute_unprepared(statement).await.unwrap();
        }
        let steps = [step(ids[0], 1, 5), step(ids[1], 1, 5)];
        assert_eq!(taken(&database, &steps).await, HashSet::from([steps[1]]));
    }
}
