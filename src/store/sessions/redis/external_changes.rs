//! Removes from Redis the copies of accounts that have changed, so that the next request reads them
//! from SQL.
//!
//! Also applies what other programs change in SQL: roles or a picture that an operator sets, a
//! deleted account, a session that is ended by hand. Triggers record the sessions concerned in the
//! change log.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::Script;

use crate::domain::clock::Timestamp;
use crate::domain::session::SessionId;
use crate::domain::{Error, Result};
use crate::store::Redis;
use crate::store::sessions::SqlSessions;
use crate::store::sessions::redis::change_log_cursor::ChangeLogCursor;
use crate::store::sessions::redis::script::{first_failure, for_each, key, script};

/// Removes copies of accounts, and follows the change log on behalf of this node.
pub(crate) struct ExternalChanges {
    redis: Redis,
    script: Script,
    cursor: Mutex<ChangeLogCursor>,
}

impl ExternalChanges {
    pub(crate) fn new(redis: Redis) -> Self {
        Self {
            redis,
            script: script!("forget"),
            cursor: Mutex::default(),
        }
    }

    /// Removes the account of each session from Redis, together with the lease of a rebuild that
    /// has read the account from SQL before.
    pub(crate) async fn forget_accounts(&self, ids: &[SessionId]) -> Result<()> {
        first_failure(for_each(ids, |id| self.forget_account(id)).await)
    }

    async fn forget_account(&self, id: SessionId) -> Result<()> {
        let _done: i64 = self.redis.run(&self.script, &key(id), &[]).await?;
        Ok(())
    }

    /// Applies the change log, one page at a time. A session whose key cannot be written is tried
    /// again with the next call, and delays no other.
    pub(crate) async fn apply(&self, sql: &SqlSessions, now: Timestamp) -> Result<()> {
        let (mut outcome, mut read_to) = (Ok(()), 0);
        loop {
            let unread = self.cursor().unread_after(read_to);
            let Some((first, last)) = unread else { break };
            let page = sql.change_log(first, last).await?;
            read_to = page.last().map_or(last, |(number, _)| *number);
            let failures = self.apply_page(&page).await;
            let is_redis_down = !page.is_empty() && page.iter().all(|(_, id)| failures.contains_key(id));
            if is_redis_down {
                return outcome.and(first_failure(failures));
            }
            self.advance(&page, &failures, now);
            outcome = outcome.and(first_failure(failures));
        }
        self.cursor().finish_pass(now);
        outcome
    }

    /// Removes the accounts of a page's sessions, and returns the failures.
    async fn apply_page(&self, page: &[(i64, SessionId)]) -> HashMap<SessionId, Error> {
        let changed: HashSet<SessionId> = page.iter().map(|(_, id)| *id).collect();
        let changed: Vec<SessionId> = changed.into_iter().collect();
        let failures = for_each(&changed, |id| self.forget_account(id)).await;
        failures.into_iter().collect()
    }

    fn advance(&self, page: &[(i64, SessionId)], failures: &HashMap<SessionId, Error>, now: Timestamp) {
        let mut cursor = self.cursor();
        for (number, id) in page {
            if failures.contains_key(id) {
                cursor.retry_later(*number, now);
            } else {
                cursor.mark_applied(*number, now);
            }
        }
    }

    fn cursor(&self) -> MutexGuard<'_, ChangeLogCursor> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
