//! Tombstones: marks in Redis of sessions that SQL has ended.
//!
//! A tombstone is written after SQL has committed the end. If Redis fails in between, it stays
//! pending on this node until it can be written.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Script;

use crate::domain::Result;
use crate::domain::clock::millis;
use crate::domain::session::SessionId;
use crate::store::Redis;
use crate::store::sessions::redis::script::{first_failure, for_each, key, script};

/// How long a tombstone stays: longer than any rebuild that read the row before the end.
pub(crate) const TOMBSTONE_LIFETIME: Duration = Duration::from_mins(10);

/// The tombstones that this node writes.
pub(crate) struct Tombstones {
    redis: Redis,
    script: Script,
    pending: Mutex<HashSet<SessionId>>,
}

impl Tombstones {
    pub(crate) fn new(redis: Redis) -> Self {
        Self {
            redis,
            script: script!("end"),
            pending: Mutex::default(),
        }
    }

    /// Writes the tombstones of sessions that SQL has ended. Each is pending until Redis has it.
    pub(crate) async fn write(&self, ids: &[SessionId]) -> Result<()> {
        self.pending().extend(ids);
        self.try_write(ids).await
    }

    /// Writes every pending tombstone.
    pub(crate) async fn flush_pending(&self) -> Result<()> {
        let pending: Vec<SessionId> = self.pending().iter().copied().collect();
        self.try_write(&pending).await
    }

    /// Writes the pending tombstone of this session, if there is one, so that Redis can be trusted
    /// about the session. Other sessions' tombstones cause no delay.
    pub(crate) async fn flush_pending_for(&self, id: SessionId) -> Result<()> {
        let is_pending = self.pending().contains(&id);
        // Boxed because it is rare: otherwise every request would carry the size of this future.
        if is_pending {
            Box::pin(self.write_one(id)).await
        } else {
            Ok(())
        }
    }

    /// Writes tombstones concurrently, without making them pending. One that fails stops no other.
    pub(crate) async fn try_write(&self, ids: &[SessionId]) -> Result<()> {
        first_failure(for_each(ids, |id| self.write_one(id)).await)
    }

    async fn write_one(&self, id: SessionId) -> Result<()> {
        let lifetime = [millis(TOMBSTONE_LIFETIME).to_string()];
        let _done: i64 = self.redis.run(&self.script, &key(id), &lifetime).await?;
        self.pending().remove(&id);
        Ok(())
    }

    fn pending(&self) -> MutexGuard<'_, HashSet<SessionId>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
