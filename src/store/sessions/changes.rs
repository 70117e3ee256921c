//! Accounts that change: what Redis holds of them beside their sessions is forgotten, and read anew from SQL by the next who asks.
//!
//! Also follows what others than the gateway change in SQL: roles or a picture that an operator sets, an account that is deleted, a
//! session that is ended by hand. Triggers write down whose sessions that concerns.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Script;

use super::{SqlSessions, key, script, tell_each};
use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::session::SessionId;
use crate::store::Redis;

/// How long a change may become visible after one that was made later: transactions commit in any order. The triggers write at the end
/// of theirs, so this is the time of a commit.
const OVERLAP: Duration = Duration::from_mins(1);

/// What one node has Redis forget.
pub(super) struct Changes {
    redis: Redis,
    forget: Script,
    followed: Mutex<Followed>,
}

/// How far a node has come with the changes that are written down.
#[derive(Default)]
struct Followed {
    /// Up to this number all are done.
    up_to: i64,
    /// Those beyond that are done, and when they were.
    done: HashMap<i64, Timestamp>,
}

impl Changes {
    pub(super) fn in_redis(redis: Redis) -> Self {
        Self {
            redis,
            forget: script!("forget"),
            followed: Mutex::default(),
        }
    }

    /// Lets Redis forget whose sessions these are, and with that a lease of whoever has read it from SQL before. Of a session that SQL
    /// does not know any more nothing comes back.
    pub(super) async fn forget(&self, ids: &[SessionId]) -> Result<()> {
        tell_each(ids, |id| self.forget_one(id)).await
    }

    async fn forget_one(&self, id: SessionId) -> Result<()> {
        let _done: i64 = self.redis.run(&self.forget, &key(id), &[]).await?;
        Ok(())
    }

    /// Lets Redis forget what others have changed in SQL. What it could not be told, it is told the next time.
    pub(super) async fn follow(&self, sql: &SqlSessions, now: Timestamp) -> Result<()> {
        let up_to = self.followed().up_to;
        let changes = sql.changes_after(up_to).await?;
        let ids = self.followed().still_to_do(&changes);
        self.forget(&ids).await?;
        self.followed().are_done(&changes, now);
        Ok(())
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed {
    /// The sessions of those changes that are not done, each of them once.
    fn still_to_do(&self, changes: &[(i64, SessionId)]) -> Vec<SessionId> {
        let new = changes.iter().filter(|(number, _)| !self.done.contains_key(number));
        let mut ids: Vec<SessionId> = new.map(|(_, id)| *id).collect();
        ids.sort_unstable_by_key(|id| id.0);
        ids.dedup();
        ids
    }

    /// Takes note that these are done.
    fn are_done(&mut self, changes: &[(i64, SessionId)], now: Timestamp) {
        for (number, _) in changes {
            self.done.entry(*number).or_insert(now);
        }
        let settled = self.done.iter().filter(|(_, at)| now > at.plus(OVERLAP));
        if let Some(up_to) = settled.map(|(number, _)| *number).max() {
            self.up_to = up_to;
            self.done.retain(|number, _| *number > up_to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn each_change_is_done_once_also_one_that_shows_late() {
        let mut changes = Followed::default();
        let ids = [(); 3].map(|()| SessionId::fresh());
        let (first, late, last) = ((7, ids[0]), (8, ids[1]), (9, ids[2]));
        assert_eq!(changes.still_to_do(&[first, last]).len(), 2);
        changes.are_done(&[first, last], NOW);
        let seen = [first, late, last];
        assert_eq!((changes.up_to, changes.still_to_do(&seen)), (0, vec![late.1]));
        changes.are_done(&seen, NOW.plus(OVERLAP));
        assert_eq!((changes.up_to, changes.still_to_do(&seen)), (0, vec![]));
        changes.are_done(&seen, NOW.plus(OVERLAP).plus(Duration::from_millis(1)));
        assert_eq!(changes.up_to, 9, "what shows later still is not waited for");
    }

    #[test]
    fn a_session_that_changed_twice_is_one_session() {
        let id = SessionId::fresh();
        assert_eq!(Followed::default().still_to_do(&[(1, id), (2, id)]), [id]);
    }
}
