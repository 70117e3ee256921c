//! The session store over SQL alone.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, UpdateMany};
use uuid::Uuid;

use crate::domain::account::AccountId;
use crate::domain::clock::Timestamp;
use crate::domain::credential::{CredentialsUpdate, CredentialsVersion, PasswordChange};
use crate::domain::rate_limit::Limit;
use crate::domain::refresh_token::{RefreshClaim, Renewal, Rotation, TokenStatus};
use crate::domain::session::{
    EndReason, Generation, Lifetimes, LiveSession, NewSession, Session, SessionEnd, SessionId, SessionRecord,
};
use crate::domain::{Error, Result};
use crate::store::batch::Batcher;
use crate::store::limits::{Limits, LimitsInProcess};
use crate::store::outage::Outage;
use crate::store::sessions::contract::SessionStore;
use crate::store::sessions::sql::{lookup, rotation};
use crate::store::sql::database::{Database, Sweep};
use crate::store::sql::entity::sessions::{Column, Entity, Model, session_end};

/// How long an ended or expired session stays in the table.
const RETENTION: Duration = Duration::from_hours(7 * 24);
/// Most sessions that one sweep removes.
const SWEEP_BATCH: u64 = 500;
/// Most sessions that one statement ends.
const END_BATCH: usize = 500;
/// Most sessions in a list.
const LIST_LENGTH: u64 = 100;

/// The open sessions of an account, except one.
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
    limits: LimitsInProcess,
    outage: Outage,
}

impl SqlSessions {
    #[must_use]
    pub fn new(database: Database, lifetimes: Lifetimes) -> Self {
        Self {
            lookup: lookup::batched(&database),
            limits: LimitsInProcess::default(),
            outage: Outage::new(lifetimes.grace),
            database,
            lifetimes,
        }
    }

    pub(crate) fn is_live(&self, session: &Session, now: Timestamp) -> bool {
        now < session.expiry(&self.lifetimes)
    }

    /// Brings the row up to a generation that Redis has reached: never back, and never out of its
    /// end.
    pub(crate) async fn catch_up(&self, id: SessionId, generation: Generation, rotated_at: Timestamp) -> Result<()> {
        self.database
            .run(
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
            .run(
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

    /// The account's sessions that have not ended, newest first. In Redis they may have moved on.
    pub(crate) async fn records(&self, account: AccountId, now: Timestamp) -> Result<Vec<SessionRecord>> {
        let rows = Entity::find()
            .filter(Column::AccountId.eq(account.0))
            .filter(Column::EndedAt.is_null())
            .filter(Column::ExpiresAt.gt(now.millis()))
            .order_by_desc(Column::Id)
            .limit(LIST_LENGTH);
        let rows = self.database.run(rows.all(&self.database.connection())).await?;
        Ok(rows.into_iter().map(SessionRecord::from).collect())
    }

    pub(crate) async fn check_connections(&self) -> Result<()> {
        self.database.check_connections().await
    }

    pub(crate) fn lifetimes(&self) -> &Lifetimes {
        &self.lifetimes
    }

    /// Applies the rotation table in ARCHITECTURE.md.
    async fn rotate_row(&self, claim: RefreshClaim, now: Timestamp) -> Result<Rotation> {
        let expired_since = now.minus(self.lifetimes.refresh_token);
        let rotated = rotation::rotate(&self.database, claim, now, expired_since).await;
        let Some(LiveSession { session, account }) = self.outage.record(rotated, now)? else {
            return Ok(Rotation::Ended);
        };
        let lifetimes = self.lifetimes_at(now);
        match session.token_status(claim.generation, now, &lifetimes) {
            // The usual case: the statement moved the session on, so that the presented generation
            // is the previous one now.
            TokenStatus::InGrace => {
                let generation = session.generation;
                Ok(Rotation::Current { account, generation })
            }
            TokenStatus::Expired => Ok(Rotation::Ended),
            TokenStatus::Reused => Ok(Rotation::Reused {
                ended: self.end(session.id, EndReason::Reuse, now).await?,
            }),
            TokenStatus::Current => Err(Error::internal(format!(
                "the row of session {} was not rotated",
                claim.session.0
            ))),
        }
    }

    /// Ends these sessions and returns how many.
    pub(crate) async fn end_open(
        &self,
        connection: &impl ConnectionTrait,
        of: OpenSessions,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<u64> {
        // By id: a statement that a hanging server runs late must not end sessions opened since,
        // and the clocks of the nodes that opened them may differ.
        let open = self.open_ids(connection, of).await?;
        let mut count = 0;
        for batch in open.chunks(END_BATCH) {
            let ended = Self::end_statement(reason, now).filter(Column::Id.is_in(batch.iter().copied()));
            count += self.database.run(ended.exec(connection)).await?.rows_affected;
        }
        Ok(count)
    }

    async fn open_ids(&self, connection: &impl ConnectionTrait, of: OpenSessions) -> Result<Vec<Uuid>> {
        let mut open = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::AccountId.eq(of.account.0))
            .filter(Column::EndedAt.is_null());
        if let Some(except) = of.except {
            open = open.filter(Column::Id.ne(except.0));
        }
        self.database.run(open.into_tuple().all(connection)).await
    }

    /// The account's open sessions.
    pub(crate) async fn open_sessions(&self, account: AccountId) -> Result<Vec<SessionId>> {
        let all = OpenSessions { account, except: None };
        let ids = self.open_ids(&self.database.connection(), all).await?;
        Ok(ids.into_iter().map(SessionId).collect())
    }

    /// The update that ends open sessions.
    fn end_statement(reason: EndReason, now: Timestamp) -> UpdateMany<Entity> {
        Entity::update_many()
            .col_expr(Column::EndedAt, Expr::value(now.millis()))
            .col_expr(Column::EndReason, Expr::value(reason.as_str()))
            .filter(Column::EndedAt.is_null())
    }
}

#[async_trait]
impl SessionStore for SqlSessions {
    async fn check_ready(&self) -> Result<()> {
        // Without Redis there is nothing to check before: a statement on a database that is down
        // fails, and changes nothing.
        Ok(())
    }

    async fn open(&self, session: &NewSession, verified: CredentialsVersion) -> Result<CredentialsUpdate> {
        self.open_guarded(session, verified).await
    }

    async fn find(&self, id: SessionId, now: Timestamp) -> Result<Option<LiveSession>> {
        let found = self.lookup.get(id).await?;
        Ok(found.filter(|live| self.is_live(&live.session, now)))
    }

    async fn list(&self, account: AccountId, now: Timestamp) -> Result<Vec<SessionRecord>> {
        let mut records = self.records(account, now).await?;
        records.retain(|record| self.is_live(&record.session, now));
        Ok(records)
    }

    async fn find_owner(&self, id: SessionId) -> Result<Option<AccountId>> {
        let row = Entity::find_by_id(id.0);
        let row = self.database.run(row.one(&self.database.connection())).await?;
        Ok(row.map(|row| AccountId(row.account_id)))
    }

    async fn rotate(&self, claim: RefreshClaim, now: Timestamp, limit: Option<Limit>) -> Result<Renewal> {
        let allowance = match limit {
            Some(limit) => Some(self.limits.charge(limit, &claim.session.0.to_string(), now).await?),
            None => None,
        };
        let rotation = match allowance.and_then(|allowance| allowance.refused_for) {
            Some(wait) => Rotation::Limited(wait),
            None => self.rotate_row(claim, now).await?,
        };
        Ok(Renewal { rotation, allowance })
    }

    fn lifetimes_at(&self, now: Timestamp) -> Lifetimes {
        Lifetimes {
            grace: self.outage.grace(now),
            ..self.lifetimes
        }
    }

    async fn end(&self, id: SessionId, reason: EndReason, now: Timestamp) -> Result<Option<AccountId>> {
        let end = Self::end_statement(reason, now).filter(Column::Id.eq(id.0));
        let ended = self
            .database
            .run(end.exec_with_returning(&self.database.writer()))
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

    async fn invalidate_account(&self, _account: AccountId) -> Result<()> {
        // Nothing is cached.
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
            .run(addresses.into_tuple().all(&self.database.connection()))
            .await
    }

    async fn find_end(&self, id: SessionId) -> Result<Option<SessionEnd>> {
        let row = Entity::find_by_id(id.0);
        let row = self.database.run(row.one(&self.database.connection())).await?;
        Ok(row.as_ref().and_then(Model::end))
    }

    async fn ends_since(&self, since: Timestamp) -> Result<Vec<SessionEnd>> {
        let ends = Entity::find()
            .select_only()
            .columns([Column::Id, Column::EndedAt, Column::EndReason])
            .filter(Column::EndedAt.gte(since.millis()));
        let ends: Vec<(Uuid, i64, Option<String>)> = self
            .database
            .run(ends.into_tuple().all(&self.database.connection()))
            .await?;
        Ok(ends
            .into_iter()
            .map(|(id, at, reason)| session_end(id, at, reason.as_deref()))
            .collect())
    }

    async fn flush_pending(&self, now: Timestamp) -> Result<()> {
        // Every step is one statement or transaction, so nothing is left to complete.
        self.outage.record(self.check_connections().await, now)
    }

    async fn apply_external_changes(&self, _now: Timestamp) -> Result<()> {
        // Nothing is cached.
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        let Some(transaction) = self.database.try_lock_sweep(Sweep::Sessions).await? else {
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
        let ids: Vec<Uuid> = self.database.run(ids.into_tuple().all(&transaction)).await?;
        let removed = if ids.is_empty() {
            // SQLite would read all sessions for an empty list.
            0
        } else {
            let removed = Entity::delete_many().filter(Column::Id.is_in(ids));
            self.database.run(removed.exec(&transaction)).await?.rows_affected
        };
        self.sweep_change_log(&transaction, now).await?;
        self.database.run(transaction.commit()).await?;
        Ok(removed)
    }
}
