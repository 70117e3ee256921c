//! What is done without anybody asking.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::service::Service;

/// How often what is old enough to be forgotten is looked for.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// Most batches of one sweep: marks and keys wait for it.
const SWEEP_BATCHES: usize = 20;

/// Lets one through in each interval.
pub(crate) struct Throttle(Mutex<Timestamp>);

impl Throttle {
    /// Somebody has passed at this time.
    pub(crate) fn passed(at: Timestamp) -> Self {
        Self(Mutex::new(at))
    }

    /// Whether the interval since the last one is over; if so, the next one begins.
    pub(crate) fn lets_through(&self, now: Timestamp, interval: Duration) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = now >= last.plus(interval);
        if is_over {
            *last = now;
        }
        is_over
    }
}

impl Service {
    /// Looks after signing keys and sessions. Called every second or so; decides by the service's clock what is to be done.
    ///
    /// # Errors
    /// The first failure. It keeps nothing else from being done, and what failed is tried again.
    pub async fn run_maintenance(&self) -> Result<()> {
        let now = self.parts.clock.now();
        let settled = self.parts.sessions.flush_pending(now).await;
        let kept = self.keep_keys(now).await;
        let swept = self.sweep_sessions(now).await;
        settled.and(kept).and(swept)
    }

    /// Takes note of what others have changed in the database. Called as often, but apart: a change of all accounts at once takes a while,
    /// and the keys must not wait.
    ///
    /// # Errors
    /// The first failure; it keeps nothing else from being noted, and what failed is tried again.
    pub async fn apply_external_changes(&self) -> Result<()> {
        self.parts.sessions.apply_external_changes(self.parts.clock.now()).await
    }

    /// Looks after what this thread alone has. Called every second or so on each thread that serves connections.
    pub async fn maintain_thread(&self) {
        if let Some(redis) = &self.parts.redis {
            redis.check_connection().await;
        }
    }

    /// Forgets old audit events. Called as often, but apart: there may be many of them, and the keys must not wait.
    ///
    /// # Errors
    /// The first failure; what is left is tried again.
    pub async fn sweep_audit(&self) -> Result<()> {
        let now = self.parts.clock.now();
        if self.last_audit_sweep.lets_through(now, SWEEP_INTERVAL) {
            let before = now.minus(self.parts.audit_retention);
            for _ in 0..SWEEP_BATCHES {
                if self.parts.audit_log.sweep(before).await? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn sweep_sessions(&self, now: Timestamp) -> Result<()> {
        if self.last_sweep.lets_through(now, SWEEP_INTERVAL) {
            for _ in 0..SWEEP_BATCHES {
                if self.parts.sessions.sweep(now).await? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}
