//! Accounts that change: what Redis holds of them beside their sessions is forgotten, and read anew from SQL by the next who asks.
//!
//! Also follows what others than the gateway change in SQL: roles or a picture that an operator sets, an account that is deleted, a
//! session that is ended by hand. Triggers write down whose sessions that concerns.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::Script;

use super::notes_read::NotesRead;
use super::{SqlSessions, all_told, key, script, tell_each};
use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::session::SessionId;
use crate::store::Redis;

/// What one node has Redis forget.
pub(super) struct Changes {
    redis: Redis,
    forget: Script,
    followed: Mutex<NotesRead>,
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
        all_told(tell_each(ids, |id| self.forget_one(id)).await)
    }

    async fn forget_one(&self, id: SessionId) -> Result<()> {
        let _done: i64 = self.redis.run(&self.forget, &key(id), &[]).await?;
        Ok(())
    }

    /// Lets Redis forget what others have changed in SQL, a page of notes at a time. What it could not be told, it is told the next time,
    /// and keeps it from nothing else.
    pub(super) async fn follow(&self, sql: &SqlSessions, now: Timestamp) -> Result<()> {
        let (mut outcome, mut read_to) = (Ok(()), 0);
        loop {
            let missing = self.followed().missing_after(read_to);
            let notes = sql.notes_among(&missing).await?;
            let Some((last, _)) = notes.last() else { break };
            read_to = *last;

            let changed: HashSet<SessionId> = notes.iter().map(|(_, id)| *id).collect();
            let changed: Vec<SessionId> = changed.into_iter().collect();
            let failures = tell_each(&changed, |id| self.forget_one(id)).await;
            let is_down = failures.len() == changed.len();
            let untold: HashSet<SessionId> = failures.iter().map(|(id, _)| *id).collect();
            outcome = outcome.and(all_told(failures));
            if is_down {
                return outcome;
            }
            let mut followed = self.followed();
            for (number, id) in &notes {
                if untold.contains(id) {
                    followed.read_in_vain(*number, now);
                } else {
                    followed.read(*number, now);
                }
            }
        }
        self.followed().looked_for(now);
        outcome
    }

    fn followed(&self) -> MutexGuard<'_, NotesRead> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
