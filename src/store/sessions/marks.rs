//! Marks of ended sessions in Redis: written once SQL has the end, and owed for as long as Redis cannot be told.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Script;

use super::key;
use crate::domain::Result;
use crate::domain::clock::millis;
use crate::domain::session::SessionId;
use crate::store::Redis;

/// How long the mark of an ended session stays: longer than any rebuild that read its row before it was ended.
pub(super) const MARK_LIFETIME: Duration = Duration::from_mins(10);

/// The marks that one node writes.
pub(super) struct Marks {
    redis: Redis,
    script: Script,
    /// Sessions that SQL has ended and Redis could not be told of.
    owed: Mutex<HashSet<SessionId>>,
}

impl Marks {
    pub(super) fn in_redis(redis: Redis) -> Self {
        Self {
            redis,
            script: Script::new(include_str!("lua/end.lua")),
            owed: Mutex::default(),
        }
    }

    /// Marks sessions that SQL has ended. Until Redis has heard of each, the mark is owed.
    pub(super) async fn set(&self, ids: &[SessionId]) -> Result<()> {
        self.owed().extend(ids);
        for id in ids {
            self.write(*id).await?;
        }
        Ok(())
    }

    /// Writes what is owed, so that Redis can be believed.
    pub(super) async fn pay(&self) -> Result<()> {
        let owed: Vec<SessionId> = self.owed().iter().copied().collect();
        for id in owed {
            self.write(id).await?;
        }
        Ok(())
    }

    async fn write(&self, id: SessionId) -> Result<()> {
        let keep = [millis(MARK_LIFETIME).to_string()];
        let _done: i64 = self.redis.run(&self.script, &key(id), &keep).await?;
        self.owed().remove(&id);
        Ok(())
    }

    fn owed(&self) -> MutexGuard<'_, HashSet<SessionId>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
