//! Accounts that change: what Redis holds of them beside their sessions is forgotten, and read anew from SQL by the next who asks.
//!
//! Also follows what others than the gateway change in SQL: roles or a picture that an operator sets, an account that is deleted, a
//! session that is ended by hand. Triggers write down whose sessions that concerns.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::Script;

use crate::domain::clock::Timestamp;
use crate::domain::session::SessionId;
use crate::domain::{Error, Result};
use crate::store::Redis;
use crate::store::sessions::SqlSessions;
use crate::store::sessions::redis::change_log_cursor::NotesRead;
use crate::store::sessions::redis::script::{all_told, key, script, tell_each};

/// What one node has Redis forget.
pub(crate) struct Changes {
    redis: Redis,
    forget: Script,
    followed: Mutex<NotesRead>,
}

impl Changes {
    pub(crate) fn in_redis(redis: Redis) -> Self {
        Self {
            redis,
            forget: script!("forget"),
            followed: Mutex::default(),
        }
    }

    /// Lets Redis forget whose sessions these are, and with that a lease of whoever has read it from SQL before. Of a session that SQL
    /// does not know any more nothing comes back.
    pub(crate) async fn forget(&self, ids: &[SessionId]) -> Result<()> {
        all_told(tell_each(ids, |id| self.forget_one(id)).await)
    }

    async fn forget_one(&self, id: SessionId) -> Result<()> {
        let _done: i64 = self.redis.run(&self.forget, &key(id), &[]).await?;
        Ok(())
    }

    /// Lets Redis forget what others have changed in SQL, a page of notes at a time. What it could not be told, it is told the next time,
    /// and keeps it from nothing else.
    pub(crate) async fn follow(&self, sql: &SqlSessions, now: Timestamp) -> Result<()> {
        let (mut outcome, mut read_to) = (Ok(()), 0);
        loop {
            let missing = self.followed().missing_after(read_to);
            let Some((first, last)) = missing else { break };
            let notes = sql.notes_between(first, last).await?;
            read_to = notes.last().map_or(last, |(number, _)| *number);
            let untold = self.tell_of(&notes).await;
            let is_down = !notes.is_empty() && notes.iter().all(|(_, id)| untold.contains_key(id));
            if is_down {
                return outcome.and(all_told(untold));
            }
            self.take_note(&notes, &untold, now);
            outcome = outcome.and(all_told(untold));
        }
        self.followed().looked_for(now);
        outcome
    }

    /// Lets Redis forget the sessions of these notes, and gives the failures.
    async fn tell_of(&self, notes: &[(i64, SessionId)]) -> HashMap<SessionId, Error> {
        let changed: HashSet<SessionId> = notes.iter().map(|(_, id)| *id).collect();
        let changed: Vec<SessionId> = changed.into_iter().collect();
        let failures = tell_each(&changed, |id| self.forget_one(id)).await;
        failures.into_iter().collect()
    }

    fn take_note(&self, notes: &[(i64, SessionId)], untold: &HashMap<SessionId, Error>, now: Timestamp) {
        let mut followed = self.followed();
        for (number, id) in notes {
            if untold.contains_key(id) {
                followed.read_in_vain(*number, now);
            } else {
                followed.read(*number, now);
            }
        }
    }

    fn followed(&self) -> MutexGuard<'_, NotesRead> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
