//! Sessions whose hot state is in Redis, over the truth in SQL.
//!
//! One key a session, one script a step: every script touches one slot, so a cluster works. A key that Redis lost is rebuilt from
//! its row, and so is one from another history of writes: a replica that took over, or a server that started from an old file, may
//! have missed what came after it. The row may lag behind in generation: a newer token proves itself by its tag, and is adopted. Until it is, a token between the
//! row's generation and the newest one is taken for current; that is the price of not writing SQL at each renewal. An end is written to
//! SQL first and to Redis second, so whatever Redis loses, an ended session stays ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use redis::Script;
use uuid::Uuid;

use super::marks::{MARK_LIFETIME, Marks};
use super::{SessionStore, SqlSessions, key};
use crate::domain::account::AccountId;
use crate::domain::clock::{Timestamp, millis};
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::session::{
    EndReason, Generation, NewSession, Rotation, Session, SessionEnd, SessionId, SessionRecord,
};
use crate::domain::{Error, Result};
use crate::store::Redis;
use crate::store::outage::Outage;

/// SQL learns of a session's generation at the first renewal after this long, or a tenth of a token's lifetime if that is
/// shorter: a session that Redis forgot must not look unused.
const SAVE_INTERVAL: Duration = Duration::from_hours(1);

/// How much longer than the session lives Redis keeps its key. The scripts compare the times themselves; a key must not go between
/// two of them, nor because Redis counts time a little differently.
const MARGIN: Duration = Duration::from_mins(1);

/// How long a client may take to repeat the end of its other sessions, and find those marked that an earlier try has ended.
const RETRY_WINDOW: Duration = Duration::from_hours(24);
/// How often a session is brought back to a Redis that loses it while it is asked.
const ATTEMPTS: usize = 5;

/// Sessions in Redis over SQL.
pub struct HotSessions {
    redis: Redis,
    sql: SqlSessions,
    scripts: Scripts,
    outage: Outage,
    marks: Marks,
    has_taken_over: AtomicBool,
}

struct Scripts {
    load: Script,
    find: Script,
    rotate: Script,
}

/// What became of bringing a session back.
enum Rebuilt {
    /// Redis knows it.
    Yes,
    /// SQL says that it is over.
    Over,
    /// SQL says that it lives, but Redis does not take it.
    Refused(Error),
}

/// What `find.lua` and `rotate.lua` return.
type Answer = (String, String, u32, i64, i64);

impl HotSessions {
    /// Hot state in `redis`, truth in `sql`.
    #[must_use]
    pub fn new(redis: Redis, sql: SqlSessions) -> Self {
        let scripts = Scripts {
            load: Script::new(concat!(include_str!("lua/history.lua"), include_str!("lua/load.lua"))),
            find: Script::new(concat!(include_str!("lua/history.lua"), include_str!("lua/find.lua"))),
            rotate: Script::new(concat!(include_str!("lua/history.lua"), include_str!("lua/rotate.lua"))),
        };
        Self {
            outage: Outage::new(sql.lifetimes().grace),
            marks: Marks::in_redis(redis.clone()),
            redis,
            sql,
            scripts,
            has_taken_over: AtomicBool::new(false),
        }
    }

    /// Brings a live session that Redis does not know back from SQL, under the lease that Redis gave for it before.
    async fn rebuild(&self, id: SessionId, lease: &str, now: Timestamp) -> Result<Rebuilt> {
        let Some(session) = self.sql.find(id, now).await? else {
            return Ok(Rebuilt::Over);
        };
        match self.load(&session, lease, now).await {
            Ok(()) => Ok(Rebuilt::Yes),
            Err(error) => Ok(Rebuilt::Refused(error)),
        }
    }

    async fn load(&self, session: &Session, lease: &str, now: Timestamp) -> Result<()> {
        let arguments = [
            session.account.0.to_string(),
            session.generation.0.to_string(),
            session.rotated_at.millis().to_string(),
            session.expires_at.millis().to_string(),
            now.millis().to_string(),
            millis(self.sql.lifetimes().refresh_token).to_string(),
            millis(MARGIN).to_string(),
            lease.to_owned(),
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

    /// Asks Redis, which must know first what it is owed of this session.
    async fn ask(&self, script: &Script, id: SessionId, arguments: &[String], now: Timestamp) -> Result<Answer> {
        let answer = async {
            self.marks.pay_for(id).await?;
            self.redis.run(script, &key(id), arguments).await
        };
        self.outage.noted(answer.await, now)
    }

    /// Tells SQL where the session stands, which now and then is due. SQL has the last word on whether it lives; if it has none to say,
    /// the renewal stands all the same: Redis has made it, and the client must get its token.
    async fn save(&self, id: SessionId, answer: &Answer, now: Timestamp) -> Result<Rotation> {
        let saved = async {
            self.sql.catch_up(&session(id, answer)?).await?;
            self.sql.find(id, now).await
        };
        match saved.await {
            Ok(Some(_)) => current(answer),
            Ok(None) => {
                self.marks.set(&[id]).await?;
                Ok(Rotation::Over)
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the database could not be told of a renewal"
                );
                current(answer)
            }
        }
    }

    fn is_live(&self, session: &Session, now: Timestamp) -> bool {
        now < session.over_at(self.sql.lifetimes())
    }

    async fn rotate_in_redis(&self, claim: RefreshClaim, now: Timestamp) -> Result<Answer> {
        let lifetimes = self.sql.lifetimes();
        let interval = SAVE_INTERVAL.min(lifetimes.refresh_token / 10);
        let arguments = [
            claim.generation.0.to_string(),
            now.millis().to_string(),
            millis(lifetimes.refresh_token).to_string(),
            millis(self.outage.grace(now)).to_string(),
            millis(interval).to_string(),
            millis(MARGIN).to_string(),
            nonce(),
        ];
        self.ask(&self.scripts.rotate, claim.session, &arguments, now).await
    }
}

#[async_trait]
impl SessionStore for HotSessions {
    async fn check_ready(&self) -> Result<()> {
        self.redis.ping().await
    }

    async fn open(&self, session: &NewSession) -> Result<()> {
        // Redis learns of it at first use.
        self.sql.open(session).await
    }

    async fn find(&self, id: SessionId, now: Timestamp) -> Result<Option<Session>> {
        for _ in 0..ATTEMPTS {
            let Ok(answer) = self.ask(&self.scripts.find, id, &[nonce()], now).await else {
                break;
            };
            match answer.0.as_str() {
                "found" => return Ok(Some(session(id, &answer)?).filter(|session| self.is_live(session, now))),
                "ended" => return Ok(None),
                _ => {}
            }
            match self.rebuild(id, &answer.1, now).await? {
                Rebuilt::Yes => {}
                Rebuilt::Over => return Ok(None),
                Rebuilt::Refused(_) => break,
            }
        }
        // SQL knows every end: it can answer for a Redis that does not, or cannot take the session back.
        self.sql.find(id, now).await
    }

    async fn list(&self, account: AccountId, now: Timestamp) -> Result<Vec<SessionRecord>> {
        let records = self.sql.records(account, now).await?;
        // At the same time: a Redis that hangs is waited for once.
        let found = join_all(records.iter().map(|record| self.find(record.session.id, now))).await;
        let mut live = Vec::new();
        for (record, session) in records.into_iter().zip(found) {
            live.extend(session?.map(|session| SessionRecord { session, ..record }));
        }
        Ok(live)
    }

    async fn find_owner(&self, id: SessionId) -> Result<Option<AccountId>> {
        self.sql.find_owner(id).await
    }

    async fn rotate(&self, claim: RefreshClaim, now: Timestamp) -> Result<Rotation> {
        let mut answer = self.rotate_in_redis(claim, now).await?;
        // A Redis that is being emptied may lose the session again and again.
        for _ in 0..ATTEMPTS {
            if answer.0 != "missing" {
                break;
            }
            match self.rebuild(claim.session, &answer.1, now).await? {
                Rebuilt::Yes => {}
                Rebuilt::Over => return Ok(Rotation::Over),
                Rebuilt::Refused(error) => return Err(error),
            }
            answer = self.rotate_in_redis(claim, now).await?;
        }
        match answer.0.as_str() {
            "moved" | "repeated" => current(&answer),
            "due" => self.save(claim.session, &answer, now).await,
            "reused" => Ok(Rotation::Reused {
                account: account(&answer)?,
                is_first: self.end(claim.session, EndReason::Reuse, now).await?.is_some(),
            }),
            "over" => Ok(Rotation::Over),
            _ => Err(Error::unavailable(format!(
                "redis loses session {} as soon as it has it",
                claim.session.0
            ))),
        }
    }

    async fn end(&self, id: SessionId, reason: EndReason, now: Timestamp) -> Result<Option<AccountId>> {
        // A Redis that is down should learn of no end later than the client: nothing has changed then.
        self.redis.ping_for(&key(id)).await?;
        let ended = self.told(self.sql.end(id, reason, now).await)?;
        self.marks.set(&[id]).await?;
        Ok(ended)
    }

    async fn end_others(&self, account: AccountId, except: SessionId, reason: EndReason, now: Timestamp) -> Result<()> {
        self.check_ready().await?;
        self.told(self.sql.end_others(account, except, reason, now).await)?;
        // Also those that an earlier try ended in SQL, but could not mark here.
        let ended = self.sql.ended_since(account, now.minus(RETRY_WINDOW)).await?;
        self.marks.set(&ended).await
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
        noted.and(taken_over).and(self.marks.pay().await)
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        // Redis forgets by itself.
        self.sql.sweep(now).await
    }
}

/// Tells one lease from every other.
fn nonce() -> String {
    Uuid::new_v4().simple().to_string()
}

fn account(answer: &Answer) -> Result<AccountId> {
    Uuid::parse_str(&answer.1).map(AccountId).map_err(Error::internal)
}

fn current(answer: &Answer) -> Result<Rotation> {
    Ok(Rotation::Current {
        account: account(answer)?,
        generation: Generation(answer.2),
    })
}

fn session(id: SessionId, answer: &Answer) -> Result<Session> {
    Ok(Session {
        id,
        account: account(answer)?,
        generation: Generation(answer.2),
        rotated_at: Timestamp::from_millis(answer.3),
        expires_at: Timestamp::from_millis(answer.4),
    })
}
