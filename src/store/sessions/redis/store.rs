//! Sessions whose hot state is in Redis, over the truth in SQL.
//!
//! One key a session, one script a step: every script touches one slot, so a cluster works. A key that Redis lost is rebuilt from
//! its row, and so is one from another history of writes: a replica that took over, or a server that started from an old file, may
//! have missed what came after it. The row may lag behind in generation: a newer token proves itself by its tag, and is adopted. Until it is, a token between the
//! row's generation and the newest one is taken for current; that is the price of not writing SQL at each renewal. An end is written to
//! SQL first and to Redis second, so whatever Redis loses, an ended session stays ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use redis::{FromRedisValue, Script};
use uuid::Uuid;

use crate::domain::account::{AccountId, CredentialsUpdate, PasswordChange, PasswordHash};
use crate::domain::clock::{Timestamp, millis};
use crate::domain::message_authenticator::MessageAuthenticator;
use crate::domain::rate_limit::Limit;
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::session::{EndReason, LiveSession, NewSession, Renewal, SessionEnd, SessionId, SessionRecord};
use crate::domain::{Error, Result};
use crate::store::Redis;
use crate::store::batch::Batcher;
use crate::store::outage::Outage;
use crate::store::sessions::redis::external_changes::Changes;
use crate::store::sessions::redis::lookup::{self, Known};
use crate::store::sessions::redis::profile::Profiles;
use crate::store::sessions::redis::script::{key, script};
use crate::store::sessions::redis::script_reply::Answer;
use crate::store::sessions::redis::tombstones::{MARK_LIFETIME, Marks};
use crate::store::sessions::{SessionStore, SqlSessions};
use crate::threads::PerThread;

/// How much longer than the session lives Redis keeps its key. The scripts compare the times themselves; a key must not go between
/// two of them, nor because Redis counts time a little differently.
pub(crate) const MARGIN: Duration = Duration::from_mins(1);

/// How long a client may take to repeat the end of several sessions, and find those marked that an earlier try has ended.
const RETRY_WINDOW: Duration = Duration::from_hours(24);
/// How often a session is brought back to a Redis that loses it while it is asked.
pub(crate) const ATTEMPTS: usize = 5;

/// Sessions in Redis over SQL.
pub struct RedisSessions {
    redis: Redis,
    pub(crate) sql: SqlSessions,
    pub(crate) scripts: Scripts,
    pub(crate) outage: Outage,
    pub(crate) marks: Marks,
    pub(crate) changes: Changes,
    pub(crate) profiles: Profiles,
    lookup: Option<PerThread<Batcher<SessionId, Known>>>,
    has_taken_over: AtomicBool,
}

pub(crate) struct Scripts {
    load: Script,
    find: Script,
    pub(crate) rotate: Script,
}

/// What became of bringing a session back.
pub(crate) enum Rebuilt {
    /// Redis knows it.
    Yes,
    /// SQL says that it is over.
    Over,
    /// SQL says that it lives, but Redis does not take it.
    Refused(Error),
}

impl RedisSessions {
    /// Hot state in `redis`, truth in `sql`; what Redis says of an account is believed under this seal alone.
    #[must_use]
    pub fn new(redis: Redis, sql: SqlSessions, seal: Arc<dyn MessageAuthenticator>) -> Self {
        let profiles = Profiles::under(seal);
        let scripts = Scripts {
            load: script!("load"),
            find: script!("find"),
            rotate: script!("rotate"),
        };
        Self {
            outage: Outage::new(sql.lifetimes().grace),
            marks: Marks::in_redis(redis.clone()),
            changes: Changes::in_redis(redis.clone()),
            lookup: lookup::in_redis(&redis, &profiles),
            profiles,
            redis,
            sql,
            scripts,
            has_taken_over: AtomicBool::new(false),
        }
    }

    /// Asks Redis together with whoever asks at the same time; `None` if that does not tell.
    async fn look_up(&self, id: SessionId, now: Timestamp) -> Result<Option<Known>> {
        let Some(lookup) = &self.lookup else {
            return Ok(None);
        };
        let known = async {
            self.marks.pay_for(id).await?;
            lookup.own().ask(id).await
        };
        self.outage.noted(known.await, now)
    }

    /// Asks Redis by the script, and brings a session that it does not know back from SQL; `None` if it is over.
    async fn find_or_rebuild(&self, id: SessionId, now: Timestamp) -> Result<Option<LiveSession>> {
        for _ in 0..ATTEMPTS {
            let found: Result<Answer> = self.ask(&self.scripts.find, id, &[nonce()], now).await;
            let Ok(answer) = found else { break };
            match answer.outcome.as_str() {
                "found" => match answer.live_session(id, &self.profiles) {
                    Some(live) => return Ok(Some(live)),
                    None if self.changes.forget(&[id]).await.is_ok() => continue,
                    None => break,
                },
                "ended" => return Ok(None),
                _ => {}
            }
            match self.rebuild(id, answer.lease(), now).await? {
                Rebuilt::Yes => {}
                Rebuilt::Over => return Ok(None),
                Rebuilt::Refused(_) => break,
            }
        }
        // SQL knows every end: it can answer for a Redis that does not, or cannot take the session back.
        self.sql.find_renewed(id, now).await
    }

    /// Brings a live session that Redis does not know back from SQL, under the lease that Redis gave for it before.
    pub(crate) async fn rebuild(&self, id: SessionId, lease: &str, now: Timestamp) -> Result<Rebuilt> {
        let Some(live) = self.sql.find_renewed(id, now).await? else {
            return Ok(Rebuilt::Over);
        };
        match self.load(&live, lease, now).await {
            Ok(()) => Ok(Rebuilt::Yes),
            Err(error) => Ok(Rebuilt::Refused(error)),
        }
    }

    async fn load(&self, live: &LiveSession, lease: &str, now: Timestamp) -> Result<()> {
        let session = &live.session;
        let arguments = [
            session.generation.0.to_string(),
            session.rotated_at.millis().to_string(),
            session.expires_at.millis().to_string(),
            now.millis().to_string(),
            millis(self.sql.lifetimes().refresh_token).to_string(),
            millis(MARGIN).to_string(),
            lease.to_owned(),
            self.profiles.written(live)?,
        ];
        let key = key(session.id);
        let _was_put: i64 = self.redis.run(&self.scripts.load, &key, &arguments).await?;
        Ok(())
    }

    /// What SQL said of an end. Without an answer it may have carried it out, or may do so later: then it is looked for.
    fn told<T>(&self, answer: Result<T>) -> Result<T> {
        if answer.is_err() {
            self.has_taken_over.store(false, Ordering::Relaxed);
        }
        answer
    }

    /// At the start, and when SQL gave no answer: a node that was killed between SQL and Redis may have left marks owed that no other node knows of.
    async fn take_over(&self, now: Timestamp) -> Result<()> {
        if self.has_taken_over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let ends = self.sql.ends_since(now.minus(MARK_LIFETIME)).await?;
        let ids: Vec<SessionId> = ends.iter().map(|end| end.session).collect();
        self.marks.write_all(&ids).await?;
        self.has_taken_over.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Asks Redis by a script, which must know first what it is owed of this session.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        script: &Script,
        id: SessionId,
        arguments: &[String],
        now: Timestamp,
    ) -> Result<T> {
        let answer = async {
            self.marks.pay_for(id).await?;
            self.redis.run(script, &key(id), arguments).await
        };
        self.outage.noted(answer.await, now)
    }

    /// Takes a step in SQL that ends several sessions of the account, and marks what SQL has ended: also what an earlier try ended there,
    /// but could not mark here. A Redis that is down keeps the step from being taken; one that fails only after it leaves the marks owed.
    async fn end_several<T: Send>(
        &self,
        account: AccountId,
        step: impl Future<Output = Result<T>> + Send,
        now: Timestamp,
    ) -> Result<T> {
        self.check_ready().await?;
        let outcome = self.told(step.await)?;
        let ended = self.sql.ended_since(account, now.minus(RETRY_WINDOW)).await?;
        self.marks.set(&ended).await?;
        Ok(outcome)
    }
}

#[async_trait]
impl SessionStore for RedisSessions {
    async fn check_ready(&self) -> Result<()> {
        self.redis.ping().await
    }

    async fn open(&self, session: &NewSession, compared: &PasswordHash) -> Result<CredentialsUpdate> {
        // Redis learns of it at first use.
        self.sql.open(session, compared).await
    }

    async fn find(&self, id: SessionId, now: Timestamp) -> Result<Option<LiveSession>> {
        let found = match self.look_up(id, now).await {
            Ok(Some(Known::Live(live))) => Some(live),
            Ok(Some(Known::Ended)) => None,
            // Boxed, as it seldom happens: every request would carry its size about.
            Ok(None) => Box::pin(self.find_or_rebuild(id, now)).await?,
            // As below: a Redis that does not answer is not asked twice.
            Err(_) => self.sql.find_renewed(id, now).await?,
        };
        Ok(found.filter(|live| self.sql.is_live(&live.session, now)))
    }

    async fn find_renewed(&self, id: SessionId, now: Timestamp) -> Result<Option<LiveSession>> {
        self.find(id, now).await
    }

    async fn list(&self, account: AccountId, now: Timestamp) -> Result<Vec<SessionRecord>> {
        let records = self.sql.records(account, now).await?;
        // At the same time: a Redis that hangs is waited for once.
        let found = join_all(records.iter().map(|record| self.find(record.session.id, now))).await;
        let mut live = Vec::new();
        for (record, session) in records.into_iter().zip(found) {
            live.extend(session?.map(|LiveSession { session, .. }| SessionRecord { session, ..record }));
        }
        Ok(live)
    }

    async fn find_owner(&self, id: SessionId) -> Result<Option<AccountId>> {
        self.sql.find_owner(id).await
    }

    async fn rotate(&self, claim: RefreshClaim, now: Timestamp, limit: Option<Limit>) -> Result<Renewal> {
        self.renew(claim, now, limit).await
    }

    async fn end(&self, id: SessionId, reason: EndReason, now: Timestamp) -> Result<Option<AccountId>> {
        // A Redis that is down should learn of no end later than the client: nothing has changed then.
        self.redis.ping_for(&key(id)).await?;
        let ended = self.told(self.sql.end(id, reason, now).await)?;
        self.marks.set(&[id]).await?;
        Ok(ended)
    }

    async fn end_others(&self, account: AccountId, except: SessionId, reason: EndReason, now: Timestamp) -> Result<()> {
        let in_sql = self.sql.end_others(account, except, reason, now);
        self.end_several(account, in_sql, now).await
    }

    async fn end_all(&self, account: AccountId, reason: EndReason, now: Timestamp) -> Result<u64> {
        let in_sql = self.sql.end_all(account, reason, now);
        self.end_several(account, in_sql, now).await
    }

    async fn change_password(&self, change: &PasswordChange, now: Timestamp) -> Result<CredentialsUpdate> {
        let in_sql = self.sql.change_password(change, now);
        self.end_several(change.account, in_sql, now).await
    }

    async fn forget_account(&self, account: AccountId) -> Result<()> {
        // Where Redis cannot be told now, the trigger's note of the change stands until it can.
        self.changes.forget(&self.sql.unended(account).await?).await
    }

    async fn addresses(&self, account: AccountId) -> Result<Vec<String>> {
        self.sql.addresses(account).await
    }

    async fn find_end(&self, id: SessionId) -> Result<Option<SessionEnd>> {
        self.sql.find_end(id).await
    }

    async fn ends_since(&self, since: Timestamp) -> Result<Vec<SessionEnd>> {
        self.sql.ends_since(since).await
    }

    async fn settle(&self, now: Timestamp) -> Result<()> {
        // Also with nobody to serve, so that this node knows of an outage that another node's client comes from. A renewal needs both.
        let (redis, sql) = tokio::join!(self.check_ready(), self.sql.look_after());
        let noted = self.outage.noted(redis.and(sql), now);
        let taken_over = self.take_over(now).await;
        let paid = self.marks.pay().await;
        noted.and(taken_over).and(paid)
    }

    async fn follow(&self, now: Timestamp) -> Result<()> {
        self.changes.follow(&self.sql, now).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        // Redis forgets by itself.
        self.sql.sweep(now).await
    }
}

/// Tells one lease from every other.
pub(crate) fn nonce() -> String {
    Uuid::new_v4().simple().to_string()
}
