//! Periodic work: signing keys, sessions, expired rows, the audit log.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Result;
use crate::domain::clock::{Clock, Timestamp};
use crate::service::expired::ExpiredRows;
use crate::service::signing_key::SigningKeyService;
use crate::service::throttle::Throttle;
use crate::store::{AuditLog, Redis, SessionStore};

/// How often old rows are deleted.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// At most this many batches in one sweep: pending tombstones and signing keys wait for it.
const SWEEP_BATCHES: usize = 20;

/// Periodic work. `app` calls each method about once a second.
pub struct Maintenance {
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) signing_keys: Arc<SigningKeyService>,
    pub(crate) redis: Option<Redis>,
    pub(crate) expired: ExpiredRows,
    pub(crate) audit_log: AuditLog,
    pub(crate) audit_retention: Duration,
    pub(crate) last_sweep: Throttle,
    pub(crate) last_expired_sweep: Throttle,
    pub(crate) last_audit_sweep: Throttle,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Maintenance {
    /// Maintains the session store and the signing keys, and deletes old rows.
    ///
    /// # Errors
    /// The first failure. The other steps run all the same, and the failed one is retried.
    pub async fn run(&self) -> Result<()> {
        let now = self.clock.now();
        let flushed = self.sessions.flush_pending(now).await;
        let reloaded = self.signing_keys.maintain(now).await;
        let swept = self.sweep(now).await;
        flushed.and(reloaded).and(swept)
    }

    /// Applies the changes that others have made in the database. It runs apart from `run`: a
    /// change of all accounts at once takes a while, and the signing keys must not wait.
    ///
    /// # Errors
    /// The first failure. Other changes are applied all the same, and the failed one is retried.
    pub async fn apply_external_changes(&self) -> Result<()> {
        self.sessions.apply_external_changes(self.clock.now()).await
    }

    /// Maintains the calling thread's connection to Redis. It runs on each thread that serves
    /// connections.
    pub async fn maintain_thread(&self) {
        if let Some(redis) = &self.redis {
            redis.check_connection().await;
        }
    }

    /// Deletes one-time tokens and messages that are over. It runs apart from `run`: there may be
    /// many of them, and the signing keys must not wait.
    ///
    /// # Errors
    /// The first failure. The remaining rows are deleted by a later run.
    pub async fn sweep_expired(&self) -> Result<()> {
        let now = self.clock.now();
        if self.last_expired_sweep.is_due(now, SWEEP_INTERVAL) {
            self.expired.sweep(now).await?;
        }
        Ok(())
    }

    /// Deletes old audit events. It runs apart from `run`: there may be many of them, and the
    /// signing keys must not wait.
    ///
    /// # Errors
    /// The first failure. The remaining events are deleted by a later run.
    pub async fn sweep_audit(&self) -> Result<()> {
        let now = self.clock.now();
        if self.last_audit_sweep.is_due(now, SWEEP_INTERVAL) {
            let before = now.minus(self.audit_retention);
            for _ in 0..SWEEP_BATCHES {
                if self.audit_log.sweep(before).await? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<()> {
        if !self.last_sweep.is_due(now, SWEEP_INTERVAL) {
            return Ok(());
        }
        for _ in 0..SWEEP_BATCHES {
            if self.sessions.sweep(now).await? == 0 {
                break;
            }
        }
        Ok(())
    }
}
