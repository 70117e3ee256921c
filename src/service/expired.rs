//! Deletes what is over: one-time tokens, and old messages of the outbox.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::store::{OneTimeTokenStore, Outbox};

/// At most this many batches of each kind in one sweep.
const SWEEP_BATCHES: usize = 20;

/// The rows that maintenance deletes once they are over.
pub struct ExpiredRows {
    /// One-time tokens.
    pub one_time_tokens: Arc<dyn OneTimeTokenStore>,
    /// Messages.
    pub outbox: Outbox,
}

impl ExpiredRows {
    /// Deletes what is over at this time.
    ///
    /// # Errors
    /// The first failure. The remaining rows are deleted by a later run.
    pub async fn sweep(&self, now: Timestamp) -> Result<()> {
        for _ in 0..SWEEP_BATCHES {
            if self.one_time_tokens.sweep(now).await? == 0 {
                break;
            }
        }
        for _ in 0..SWEEP_BATCHES {
            if self.outbox.sweep(now).await? == 0 {
                break;
            }
        }
        Ok(())
    }
}
