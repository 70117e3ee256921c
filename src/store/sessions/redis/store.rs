//! The session store over Redis and SQL.
//!
//! One key a session and one script a step: every script touches one slot, so a cluster works. A
//! key that Redis has lost is rebuilt from its row. So is a key that was written under another
//! replication id: a promoted replica, or a server that started from an old file, may have missed
//! what came after it.
//!
//! The row may lag behind in generation. A newer token proves itself by its tag, and is adopted.
//! Until then a token between the row's generation and the newest one counts as current; that is
//! the price of not writing SQL at each rotation.
//!
//! An end is written to SQL first and to Redis second, so whatever Redis loses, an ended session
//! stays ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use redis::{FromRedisValue, Script};

use crate::domain::account::AccountId;
use crate::domain::clock::{Timestamp, millis};
use crate::domain::credential::{CredentialsUpdate, CredentialsVersion, PasswordChange};
use crate::domain::message_authenticator::MessageAuthenticator;
use crate::domain::rate_limit::Limit;
use crate::domain::refresh_token::{RefreshClaim, Renewal};
use crate::domain::session::{EndReason, Lifetimes, LiveSession, NewSession, SessionEnd, SessionId, SessionRecord};
use crate::domain::{Error, Result};
use crate::store::Redis;
use crate::store::batch::Batcher;
use crate::store::outage::Outage;
use crate::store::sessions::contract::SessionStore;
use crate::store::sessions::redis::external_changes::ExternalChanges;
use crate::store::sessions::redis::lookup::{self, Known};
use crate::store::sessions::redis::profile::Profiles;
use crate::store::sessions::redis::script::{key, nonce, script};
use crate::store::sessions::redis::script_reply::Reply;
use crate::store::sessions::redis::tombstones::{TOMBSTONE_LIFETIME, Tombstones};
use crate::store::sessions::sql::SqlSessions;
use crate::threads::PerThread;

/// How much longer than the session Redis keeps its key. The scripts compare the times themselves.
/// A key must not vanish between two of them, nor because the clock of Redis differs a little.
pub(crate) const KEY_MARGIN: Duration = Duration::from_mins(1);

/// How long a client may take to repeat a logout of several sessions. The repetition writes the
/// tombstones of sessions that an earlier try has ended.
const RETRY_WINDOW: Duration = Duration::from_hours(24);
/// How often a session is rebuilt in a Redis that loses it during a request.
pub(crate) const ATTEMPTS: usize = 5;

/// Sessions in Redis over SQL.
pub struct RedisSessions {
    redis: Redis,
    pub(crate) sql: SqlSessions,
    pub(crate) scripts: Scripts,
    pub(crate) outage: Outage,
    pub(crate) tombstones: Tombstones,
    pub(crate) external_changes: ExternalChanges,
    pub(crate) profiles: Profiles,
    lookup: Option<PerThread<Batcher<SessionId, Known>>>,
    has_replayed_tombstones: AtomicBool,
}

pub(crate) struct Scripts {
    load: Script,
    find: Script,
    pub(crate) rotate: Script,
}

/// The result of rebuilding a session in Redis from SQL.
pub(crate) enum Rebuilt {
    /// Redis has it again.
    Yes,
    /// SQL says that it has ended or expired.
    Ended,
    /// SQL says that it lives, but Redis did not accept the write.
    Refused(Error),
}

impl RedisSessions {
    /// `authenticator` signs what is written to Redis about accounts; other copies are not trusted.
    #[must_use]
    pub fn new(redis: Redis, sql: SqlSessions, authenticator: Arc<dyn MessageAuthenticator>) -> Self {
        let profiles = Profiles::new(authenticator);
        let scripts = Scripts {
            load: script!("load"),
            find: script!("find"),
            rotate: script!("rotate"),
        };
        Self {
            outage: Outage::new(sql.lifetimes().grace),
            tombstones: Tombstones::new(redis.clone()),
            external_changes: ExternalChanges::new(redis.clone()),
            lookup: lookup::batched(&redis, &profiles),
            profiles,
            redis,
            sql,
            scripts,
            has_replayed_tombstones: AtomicBool::new(false),
        }
    }

    /// Reads Redis together with the other requests of this moment. `None` if that does not decide.
    async fn look_up(&self, id: SessionId, now: Timestamp) -> Result<Option<Known>> {
        let Some(lookup) = &self.lookup else {
            return Ok(None);
        };
        let known = async {
            self.tombstones.flush_pending_for(id).await?;
            lookup.local().get(id).await
        };
        self.outage.record(known.await, now)
    }

    /// Reads Redis by the script. A session that Redis does not know is rebuilt from SQL. `None` if
    /// it has ended or expired.
    async fn find_or_rebuild(&self, id: SessionId, now: Timestamp) -> Result<Option<LiveSession>> {
        for _ in 0..ATTEMPTS {
            let found: Result<Reply> = self.run(&self.scripts.find, id, &[nonce()], now).await;
            let Ok(reply) = found else { break };
            match reply.outcome.as_str() {
                "found" => match reply.live_session(id, &self.profiles) {
                    Some(live) => return Ok(Some(live)),
                    None if self.external_changes.forget_accounts(&[id]).await.is_ok() => continue,
                    None => break,
                },
                "ended" => return Ok(None),
                _ => {}
            }
            match self.rebuild(id, reply.lease(), now).await? {
                Rebuilt::Yes => {}
                Rebuilt::Ended => return Ok(None),
                Rebuilt::Refused(_) => break,
            }
        }
        // SQL knows every end, so it decides for a Redis that fails or cannot be written.
        self.sql.find(id, now).await
    }

    /// Rebuilds a live session from SQL, under the lease that Redis gave for it before.
    pub(crate) async fn rebuild(&self, id: SessionId, lease: &str, now: Timestamp) -> Result<Rebuilt> {
        let Some(live) = self.sql.find(id, now).await? else {
            return Ok(Rebuilt::Ended);
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
            millis(KEY_MARGIN).to_string(),
            lease.to_owned(),
            self.profiles.write(live)?,
        ];
        let key = key(session.id);
        let _was_written: i64 = self.redis.run(&self.scripts.load, &key, &arguments).await?;
        Ok(())
    }

    /// Checks the result of an end in SQL. If it failed, SQL may have committed it, or may do so
    /// later. Then recent ends are replayed, to find it.
    fn ended_in_sql<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.has_replayed_tombstones.store(false, Ordering::Relaxed);
        }
        result
    }

    /// Writes the tombstones of recent ends, at the start and after a failed end in SQL. A node
    /// that was killed between SQL and Redis leaves pending tombstones that no other node knows of.
    async fn replay_recent_tombstones(&self, now: Timestamp) -> Result<()> {
        if self.has_replayed_tombstones.load(Ordering::Relaxed) {
            return Ok(());
        }
        let ends = self.sql.ends_since(now.minus(TOMBSTONE_LIFETIME)).await?;
        let ids: Vec<SessionId> = ends.iter().map(|end| end.session).collect();
        self.tombstones.try_write(&ids).await?;
        self.has_replayed_tombstones.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Runs a script on a session, after writing its pending tombstone.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        id: SessionId,
        arguments: &[String],
        now: Timestamp,
    ) -> Result<T> {
        let reply = async {
            self.tombstones.flush_pending_for(id).await?;
            self.redis.run(script, &key(id), arguments).await
        };
        self.outage.record(reply.await, now)
    }

    /// Runs a step in SQL that ends several sessions of the account, then writes the tombstones of
    /// all recently ended ones: an earlier try may have ended sessions and failed here. If Redis is
    /// down, the step does not run. If Redis fails after it, the tombstones stay pending.
    async fn end_several<T: Send>(
        &self,
        account: AccountId,
        step: impl Future<Output = Result<T>> + Send,
        now: Timestamp,
    ) -> Result<T> {
        self.check_ready().await?;
        let outcome = self.ended_in_sql(step.await)?;
        let ended = self.sql.ended_since(account, now.minus(RETRY_WINDOW)).await?;
        self.tombstones.write(&ended).await?;
        Ok(outcome)
    }
}

#[async_trait]
impl SessionStore for RedisSessions {
    async fn check_ready(&self) -> Result<()> {
        self.redis.ping().await
    }

    async fn open(&self, session: &NewSession, verified: CredentialsVersion) -> Result<CredentialsUpdate> {
        // Redis gets the session at its first use.
        self.sql.open(session, verified).await
    }

    async fn find(&self, id: SessionId, now: Timestamp) -> Result<Option<LiveSession>> {
        let found = match self.look_up(id, now).await {
            Ok(Some(Known::Live(live))) => Some(live),
            Ok(Some(Known::Ended)) => None,
            // Boxed because it is rare: otherwise every request would carry the size of this
            // future.
            Ok(None) => Box::pin(self.find_or_rebuild(id, now)).await?,
            // A Redis that does not answer is not asked twice.
            Err(_) => self.sql.find(id, now).await?,
        };
        Ok(found.filter(|live| self.sql.is_live(&live.session, now)))
    }

    async fn list(&self, account: AccountId, now: Timestamp) -> Result<Vec<SessionRecord>> {
        let records = self.sql.records(account, now).await?;
        // Concurrently: a Redis that hangs delays the list once, not once a session.
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
        self.rotate_or_rebuild(claim, now, limit).await
    }

    fn lifetimes_at(&self, now: Timestamp) -> Lifetimes {
        Lifetimes {
            grace: self.outage.grace(now),
            ..*self.sql.lifetimes()
        }
    }

    async fn end(&self, id: SessionId, reason: EndReason, now: Timestamp) -> Result<Option<AccountId>> {
        // If Redis is down, the logout fails and nothing changes.
        self.redis.ping_for(&key(id)).await?;
        let ended = self.ended_in_sql(self.sql.end(id, reason, now).await)?;
        self.tombstones.write(&[id]).await?;
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

    async fn invalidate_account(&self, account: AccountId) -> Result<()> {
        // If Redis fails, the change log still has the change.
        let open = self.sql.open_sessions(account).await?;
        self.external_changes.forget_accounts(&open).await
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

    async fn flush_pending(&self, now: Timestamp) -> Result<()> {
        // Also on an idle node, so that it knows of an outage when another node's client arrives. A
        // rotation needs both stores.
        let (redis, sql) = tokio::join!(self.check_ready(), self.sql.check_connections());
        let recorded = self.outage.record(redis.and(sql), now);
        let replayed = self.replay_recent_tombstones(now).await;
        let flushed = self.tombstones.flush_pending().await;
        recorded.and(replayed).and(flushed)
    }

    async fn apply_external_changes(&self, now: Timestamp) -> Result<()> {
        self.external_changes.apply(&self.sql, now).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        // Keys in Redis expire by themselves.
        self.sql.sweep(now).await
    }
}
