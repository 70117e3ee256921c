//! Sessions in SQL: the truth, and on a node without Redis the hot state too.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, UpdateMany};
use uuid::Uuid;

use crate::domain::account::{AccountId, CredentialsUpdate, PasswordChange, PasswordHash};
use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::Limit;
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::session::{
    EndReason, Generation, Lifetimes, LiveSession, NewSession, Renewal, Rotation, Session, SessionEnd, SessionId,
    SessionRecord, TokenStatus,
};
use crate::domain::{Error, Result};
use crate::store::batch::Batcher;
use crate::store::limits::{Limits, LimitsInProcess};
use crate::store::outage::Outage;
use crate::store::sessions::SessionStore;
use crate::store::sessions::sql::lookup;
use crate::store::sessions::sql::remembered::Remembered;
use crate::store::sessions::sql::rotation::Renewals;
use crate::store::sql::database::{Database, Sweep};
use crate::store::sql::entity::sessions::{Column, Entity, Model, session_end};

/// How long a session that is over can still be looked up by an operator.
const RETENTION: Duration = Duration::from_hours(7 * 24);
/// Most sessions that one sweep forgets.
const SWEEP_BATCH: u64 = 500;
/// Sessions that one statement ends.
const AT_ONCE: usize = 500;
/// Most sessions in a list: nobody has more devices, and a robot's need not be shown.
const LIST_LENGTH: u64 = 100;

/// The sessions of an account that are open now, but for one if it is named.
pub(crate) struct OpenSessions {
    pub(crate) account: AccountId,
    pub(crate) except: Option<SessionId>,
}

/// Sessions in SQL alone.
#[derive(Debug)]
pub struct SqlSessions {
    pub(crate) database: Database,
    lifetimes: Lifetimes,
    lookup: Batcher<SessionId, LiveSession>,
    remembered: Remembered,
    renewals: Renewals,
    charged: LimitsInProcess,
    outage: Outage,
}

impl SqlSessions {
    /// Sessions in this database that live by `lifetimes`.
    #[must_use]
    pub fn new(database: Database, lifetimes: Lifetimes) -> Self {
        Self {
            lookup: lookup::in_sql(&database),
            remembered: Remembered::nothing(),
            renewals: Renewals::in_sql(&database),
            charged: LimitsInProcess::default(),
            outage: Outage::new(lifetimes.grace),
            database,
            lifetimes,
        }
    }

    pub(crate) fn is_live(&self, session: &Session, now: Timestamp) -> bool {
        now < session.over_at(&self.lifetimes)
    }

    /// Lets the row catch up with hot state that has moved on: never back, and never out of its end.
    pub(crate) async fn catch_up(&self, id: SessionId, generation: Generation, rotated_at: Timestamp) -> Result<()> {
        self.database
            .answer(
                Entity::update_many()
                    .col_expr(Column::Generation, i64::from(generation.0).into())
                    .col_expr(Column::RotatedAt, rotated_at.millis().into())
                    .filter(Column::Id.eq(id.0))
                    .filter(Column::EndedAt.is_null())
                    .filter(Column::Generation.lt(i64::from(generation.0)))
                    .exec(&self.database.writer()),
            )
            .await?;
        Ok(())
    }

    /// The sessions of the account that were ended at `since` or later.
    pub(crate) async fn ended_since(&self, account: AccountId, since: Timestamp) -> Result<Vec<SessionId>> {
        let ids: Vec<Uuid> = self
            .database
            .answer(
                Entity::find()
                    .select_only()
                    .column(Column::Id)
                    .filter(Column::AccountId.eq(account.0))
                    .filter(Column::EndedAt.gte(since.millis()))
                    .into_tuple()
                    .all(&self.database.connection()),
            )
            .await?;
        Ok(ids.into_iter().map(SessionId).collect())
    }

    /// The account's sessions that have not been ended and may go on, the newest first. Their hot state may be elsewhere.
    pub(crate) async fn records(&self, account: AccountId, now: Timestamp) -> Result<Vec<SessionRecord>> {
        let rows = Entity::find()
            .filter(Column::AccountId.eq(account.0))
            .filter(Column::EndedAt.is_null())
            .filter(Column::ExpiresAt.gt(now.millis()))
            .order_by_desc(Column::Id)
            .limit(LIST_LENGTH);
        let rows = self.database.answer(rows.all(&self.database.connection())).await?;
        Ok(rows.into_iter().map(SessionRecord::from).collect())
    }

    pub(crate) async fn look_after(&self) -> Result<()> {
        self.database.look_after().await
    }

    pub(crate) fn lifetimes(&self) -> &Lifetimes {
        &self.lifetimes
    }

    /// The rotation table, row by row.
    async fn rotate_row(&self, claim: RefreshClaim, now: Timestamp) -> Result<Rotation> {
        // Without a look at it: nearly every token that comes is the current one.
        let over_since = now.minus(self.lifetimes.refresh_token);
        let stands = self.renewals.move_on(claim, now, over_since).await;
        let Some(LiveSession { session, account }) = self.outage.noted(stands, now)? else {
            return Ok(Rotation::Over);
        };
        let lifetimes = Lifetimes {
            grace: self.outage.grace(now),
            ..self.lifetimes
        };
        match session.token_status(claim.generation, now, &lifetimes) {
            // Also if this moved it: what was presented is its predecessor then.
            TokenStatus::InGrace => {
                let generation = session.generation;
                Ok(Rotation::Current { account, generation })
            }
            TokenStatus::Expired => Ok(Rotation::Over),
            TokenStatus::Reused => Ok(Rotation::Reused {
                ended: self.end(session.id, EndReason::Reuse, now).await?,
            }),
            TokenStatus::Current => Err(Error::internal(format!(
                "the row of session {} was not moved on",
                claim.session.0
            ))),
        }
    }

    /// Ends every session of the account that is open now, but for one if it is named; how many.
    pub(crate) async fn end_open(
        &self,
        connection: &impl ConnectionTrait,
        of: OpenSessions,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<u64> {
        // Named one by one: a statement that a server which hung carries out late must not end what was opened since, and the clocks of
        // the nodes that opened them may differ.
        let open = self.open_ids(connection, of).await?;
        let mut count = 0;
        for some in open.chunks(AT_ONCE) {
            let ended = Self::ending(reason, now).filter(Column::Id.is_in(some.iter().copied()));
            count += self.database.answer(ended.exec(connection)).await?.rows_affected;
        }
        Ok(count)
    }

    /// Which sessions those are.
    async fn open_ids(&self, connection: &impl ConnectionTrait, of: OpenSessions) -> Result<Vec<Uuid>> {
        let mut open = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::AccountId.eq(of.account.0))
            .filter(Column::EndedAt.is_null());
        if let Some(except) = of.except {
            open = open.filter(Column::Id.ne(except.0));
        }
        self.database.answer(open.into_tuple().all(connection)).await
    }

    /// The account's sessions that have not been ended.
    pub(crate) async fn unended(&self, account: AccountId) -> Result<Vec<SessionId>> {
        let all = OpenSessions { account, except: None };
        let ids = self.open_ids(&self.database.connection(), all).await?;
        Ok(ids.into_iter().map(SessionId).collect())
    }

    /// The end of whatever is not over yet.
    fn ending(reason: EndReason, now: Timestamp) -> UpdateMany<Entity> {
        Entity::update_many()
            .col_expr(Column::EndedAt, Expr::value(now.millis()))
            .col_expr(Column::EndReason, Expr::value(reason.as_str()))
            .filter(Column::EndedAt.is_null())
    }
}

#[async_trait]
impl SessionStore for SqlSessions {
    async fn check_ready(&self) -> Result<()> {
        // The next statement says so itself.
        Ok(())
    }

    async fn open(&self, session: &NewSession, compared: &PasswordHash) -> Result<CredentialsUpdate> {
        self.open_on_password(session, compared).await
    }

    async fn find(&self, id: SessionId, now: Timestamp) -> Result<Option<LiveSession>> {
        let is_live = |live: &LiveSession| self.is_live(&live.session, now);
        let found = self.remembered.find(id, is_live, &self.database, &self.lookup);
        Ok(found.await?.filter(is_live))
    }

    async fn find_renewed(&self, id: SessionId, now: Timestamp) -> Result<Option<LiveSession>> {
        let found = self.lookup.ask(id).await?;
        Ok(found.filter(|live| self.is_live(&live.session, now)))
    }

    async fn list(&self, account: AccountId, now: Timestamp) -> Result<Vec<SessionRecord>> {
        let mut records = self.records(account, now).await?;
        records.retain(|record| self.is_live(&record.session, now));
        Ok(records)
    }

    async fn find_owner(&self, id: SessionId) -> Result<Option<AccountId>> {
        let row = Entity::find_by_id(id.0);
        let row = self.database.answer(row.one(&self.database.connection())).await?;
        Ok(row.map(|row| AccountId(row.account_id)))
    }

    async fn rotate(&self, claim: RefreshClaim, now: Timestamp, limit: Option<Limit>) -> Result<Renewal> {
        let allowance = match limit {
            Some(limit) => Some(self.charged.charge(limit, &claim.session.0.to_string(), now).await?),
            None => None,
        };
        let rotation = match allowance.and_then(|allowance| allowance.refused_for) {
            Some(wait) => Rotation::Limited(wait),
            None => self.rotate_row(claim, now).await?,
        };
        Ok(Renewal { rotation, allowance })
    }

    async fn end(&self, id: SessionId, reason: EndReason, now: Timestamp) -> Result<Option<AccountId>> {
        let this = Self::ending(reason, now).filter(Column::Id.eq(id.0));
        let ended = self
            .database
            .answer(this.exec_with_returning(&self.database.writer()))
            .await?;
        Ok(ended.into_iter().next().map(|row| AccountId(row.account_id)))
    }

    async fn end_others(&self, account: AccountId, except: SessionId, reason: EndReason, now: Timestamp) -> Result<()> {
        let except = Some(except);
        let others = OpenSessions { account, except };
        self.end_open(&self.database.writer(), others, reason, now)
            .await
            .map(drop)
    }

    async fn end_all(&self, account: AccountId, reason: EndReason, now: Timestamp) -> Result<u64> {
        let all = OpenSessions { account, except: None };
        self.end_open(&self.database.writer(), all, reason, now).await
    }

    async fn change_password(&self, change: &PasswordChange, now: Timestamp) -> Result<CredentialsUpdate> {
        self.replace_password(change, now).await
    }

    async fn forget_account(&self, _account: AccountId) -> Result<()> {
        // It is read anew, or the file says that it has changed.
        Ok(())
    }

    async fn addresses(&self, account: AccountId) -> Result<Vec<String>> {
        let addresses = Entity::find()
            .select_only()
            .column(Column::Ip)
            .distinct()
            .filter(Column::AccountId.eq(account.0))
            .filter(Column::Ip.is_not_null())
            .limit(LIST_LENGTH);
        self.database
            .answer(addresses.into_tuple().all(&self.database.connection()))
            .await
    }

    async fn find_end(&self, id: SessionId) -> Result<Option<SessionEnd>> {
        let row = Entity::find_by_id(id.0);
        let row = self.database.answer(row.one(&self.database.connection())).await?;
        Ok(row.as_ref().and_then(Model::end))
    }

    async fn ends_since(&self, since: Timestamp) -> Result<Vec<SessionEnd>> {
        let ends = Entity::find()
            .select_only()
            .columns([Column::Id, Column::EndedAt, Column::EndReason])
            .filter(Column::EndedAt.gte(since.millis()));
        let ends: Vec<(Uuid, i64, Option<String>)> = self
            .database
            .answer(ends.into_tuple().all(&self.database.connection()))
            .await?;
        Ok(ends
            .into_iter()
            .map(|(id, at, reason)| session_end(id, at, reason.as_deref()))
            .collect())
    }

    async fn settle(&self, now: Timestamp) -> Result<()> {
        // One statement leaves nothing undone.
        self.outage.noted(self.look_after().await, now)
    }

    async fn follow(&self, _now: Timestamp) -> Result<()> {
        // It is read anew, or the file says that it has changed.
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        let Some(turn) = self.database.try_turn(Sweep::Sessions).await? else {
            return Ok(0);
        };
        let before = now.minus(RETENTION).millis();
        let is_old = Condition::any()
            .add(Column::EndedAt.lt(before))
            .add(Column::ExpiresAt.lt(before));
        let ids = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(is_old)
            .limit(SWEEP_BATCH);
        let ids: Vec<Uuid> = self.database.answer(ids.into_tuple().all(&turn)).await?;
        let removed = if ids.is_empty() {
            // SQLite would read all sessions to find none.
            0
        } else {
            let removed = Entity::delete_many().filter(Column::Id.is_in(ids));
            self.database.answer(removed.exec(&turn)).await?.rows_affected
        };
        self.sweep_notes(&turn, now).await?;
        self.database.answer(turn.commit()).await?;
        Ok(removed)
    }
}
