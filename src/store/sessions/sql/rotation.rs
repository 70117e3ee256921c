//! Moves sessions on in SQL, and says where they stand then and whose they are. On SQLite those that are renewed at the same time are one
//! statement, and so wait for the disk together.

use std::collections::HashMap;

use futures_util::FutureExt;
use sea_orm::sea_query::{
    CaseStatement, Expr, ExprTrait, IntoValueTuple, Query, TableRef, UpdateStatement, ValueTuple,
};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryResult};
use uuid::Uuid;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::session::{Generation, LiveSession};
use crate::store::batch::{BatchOptions, Batcher, filled_up};
use crate::store::sessions::sql::lookup::{self, live_session};
use crate::store::sql::database::{Database, failure};
use crate::store::sql::entity::accounts;
use crate::store::sql::entity::sessions::{Column, Entity};

/// As a lookup has it, but of an account that somebody took from under its sessions nothing is there.
type Row = (
    Uuid,
    Uuid,
    i64,
    i64,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// Moves sessions on.
#[derive(Debug)]
pub(crate) struct Renewals {
    database: Database,
    /// On SQLite. PostgreSQL gathers the commits of all its connections itself; and nodes that took many rows at once, each in an order of
    /// its own, could wait for each other there.
    together: Option<Batcher<Step, LiveSession>>,
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
    pub(crate) fn in_sql(database: &Database) -> Self {
        let batcher = || {
            let own = database.clone();
            Batcher::new(BatchOptions::IN_TURN, database.statement_timeout(), move |steps| {
                let database = own.clone();
                async move { take_all(&database, steps).await }.boxed()
            })
        };
        Self {
            database: database.clone(),
            together: (!database.is_postgres()).then(batcher),
        }
    }

    /// Moves a live session on to the successor of the presented generation, unless it stands beyond that one already, and says where it
    /// stands in the same moment: whoever came first is judged by nothing that came later. `None` of a session that is over, as is one
    /// that was not renewed after `over_since`.
    pub(crate) async fn move_on(
        &self,
        claim: RefreshClaim,
        now: Timestamp,
        over_since: Timestamp,
    ) -> Result<Option<LiveSession>> {
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

/// Where each session stands after its step; one that is over is left out. Of several steps of one session that of the oldest token goes
/// first, which may be the predecessor in its grace period, and would be too old after the current one; and of several with that one the
/// earliest.
async fn take_all(database: &Database, mut steps: Vec<Step>) -> Result<HashMap<Step, LiveSession>> {
    steps.sort_unstable_by_key(|step| (step.session, step.from, step.at));
    let mut taken = HashMap::with_capacity(steps.len());
    // In each round at least one step is taken.
    for _ in 0..steps.len() {
        let mut first = steps.clone();
        first.dedup_by_key(|step| step.session);
        let stand = take(database, first).await?;
        steps.retain(|step| {
            let stands = stand.get(&step.session);
            taken.extend(stands.map(|live| (*step, live.clone())));
            stands.is_some_and(|live| live.session.generation <= step.from)
        });
        if steps.is_empty() {
            break;
        }
    }
    Ok(taken)
}

/// One step of each session.
async fn take(database: &Database, steps: Vec<Step>) -> Result<HashMap<Uuid, LiveSession>> {
    let update = statement(filled_up(steps));
    let rows = database
        .answer(async { database.writer().query_all(&update).await })
        .await?;
    let rows = rows.iter().map(QueryResult::try_get_many_by_index);
    let rows: Vec<Row> = rows.collect::<std::result::Result<_, _>>().map_err(failure)?;
    let live = rows.into_iter().filter_map(with_account);
    Ok(live.map(|live| (live.session.id.0, live)).collect())
}

fn with_account(row: Row) -> Option<LiveSession> {
    let (id, owner, generation, rotated_at, expires_at, email, username, picture, roles) = row;
    Some(live_session((
        id, owner, generation, rotated_at, expires_at, email?, username?, picture, roles?,
    )))
}

/// Answers with the sessions that live as it leaves them, and their accounts. One that stands beyond its step stays as it is.
fn statement(steps: Vec<Step>) -> UpdateStatement {
    let [session, from, to, at, over_since] =
        ["column1", "column2", "column3", "column4", "column5"].map(|column| Expr::col(("steps", column)));
    let moved = |column: Column, new: &Expr| {
        let is_due = Column::Generation.into_expr().lte(from.clone());
        CaseStatement::new()
            .case(is_due, new.clone())
            .finally(column.into_expr())
    };
    let values = [
        (Column::Generation, moved(Column::Generation, &to).into()),
        (Column::RotatedAt, moved(Column::RotatedAt, &at).into()),
    ];
    let own = lookup::OWN.map(ColumnTrait::into_expr);
    let answer = own.into_iter().chain(accounts::PUBLIC.map(of_account));
    Query::update()
        .table(Entity)
        .values(values)
        .from(TableRef::ValuesList(
            steps.into_iter().map(ValueTuple::from).collect(),
            "steps".into(),
        ))
        .and_where(Column::Id.into_expr().eq(session))
        .and_where(Column::EndedAt.is_null())
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

    /// Where the session of each of these steps stands after it; nothing of one that is over.
    async fn stand(database: &Database, steps: &[Step]) -> Vec<Option<u32>> {
        let mut taken = take_all(database, steps.to_vec()).await.unwrap();
        let mut generation = |step: &Step| {
            let LiveSession { session, account } = taken.remove(step)?;
            assert_eq!(
                (session.id.0, session.account.0, account.id.0),
                (step.session, step.session, step.session)
            );
            assert_eq!(account.email, step.session.simple().to_string());
            assert_eq!(account.roles, ["user"]);
            Some(session.generation.0)
        };
        steps.iter().map(&mut generation).collect()
    }

    #[tokio::test]
    async fn of_several_steps_of_one_session_each_is_judged_by_what_came_before_it() {
        let folder = TempDir::new().unwrap();
        let database = database(&folder).await;
        let ids = sessions(&database, 2).await;
        let [predecessor, current, later, newer] =
            [(1, 9), (2, 7), (2, 8), (3, 9)].map(|(from, at)| step(ids[0], from, at));
        let other = step(ids[1], 1, 6);
        let first = stand(&database, &[current, predecessor, other]).await;
        assert_eq!(
            first,
            [Some(3), Some(2), Some(2)],
            "the older token has seen nothing of the newer one"
        );
        let second = stand(&database, &[newer, later, predecessor, other]).await;
        assert_eq!(
            second,
            [Some(4), Some(3), Some(3), Some(2)],
            "each of them has gone, but the newest"
        );
        assert_eq!(
            stand(&database, &[later]).await,
            [Some(4)],
            "and whoever comes now learns of that"
        );
    }

    #[tokio::test]
    async fn a_session_that_stands_beyond_a_step_keeps_the_time_of_its_last_one() {
        let folder = TempDir::new().unwrap();
        let database = database(&folder).await;
        let ids = sessions(&database, 1).await;
        for (from, at) in [(1, 5), (1, 6)] {
            let one = step(ids[0], from, at);
            let stands = take_all(&database, vec![one]).await.unwrap().remove(&one).unwrap();
            assert_eq!(stands.session.rotated_at.millis(), 5);
            assert_eq!(stands.session.expires_at.millis(), 9_000_000_000_000);
        }
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
        assert_eq!(stand(&database, &steps).await, [None, Some(2)]);
    }
}
