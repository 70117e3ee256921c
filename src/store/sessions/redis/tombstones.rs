//! Marks of ended sessions in Redis: written once SQL has the end, and owed for as long as Redis cannot be told.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Script;

use crate::domain::Result;
use crate::domain::clock::millis;
use crate::domain::session::SessionId;
use crate::store::Redis;
use crate::store::sessions::redis::script::{all_told, key, script, tell_each};

/// How long the mark of an ended session stays: longer than any rebuild that read its row before it was ended.
pub(crate) const MARK_LIFETIME: Duration = Duration::from_mins(10);

/// The marks that one node writes.
pub(crate) struct Marks {
    redis: Redis,
    script: Script,
    /// Sessions that SQL has ended and Redis could not be told of.
    owed: Mutex<HashSet<SessionId>>,
}

impl Marks {
    pub(crate) fn in_redis(redis: Redis) -> Self {
        Self {
            redis,
            script: script!("end"),
            owed: Mutex::default(),
        }
    }

    /// Marks sessions that SQL has ended. Until Redis has heard of each, the mark is owed.
    pub(crate) async fn set(&self, ids: &[SessionId]) -> Result<()> {
        self.owed().extend(ids);
        self.write_all(ids).await
    }

    /// Writes what is owed.
    pub(crate) async fn pay(&self) -> Result<()> {
        let owed: Vec<SessionId> = self.owed().iter().copied().collect();
        self.write_all(&owed).await
    }

    /// Writes what is owed of this session, so that Redis can be believed about it. Others' marks are nobody's to wait for.
    pub(crate) async fn pay_for(&self, id: SessionId) -> Result<()> {
        let is_owed = self.owed().contains(&id);
        // Boxed, as it seldom happens: every request would carry its size about.
        if is_owed {
            Box::pin(self.write(id)).await
        } else {
            Ok(())
        }
    }

    /// Writes marks, many at a time; one that fails keeps no other from being written.
    pub(crate) async fn write_all(&self, ids: &[SessionId]) -> Result<()> {
        all_told(tell_each(ids, |id| self.write(id)).await)
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
