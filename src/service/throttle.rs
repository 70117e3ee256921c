//! Limits how often periodic work runs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::clock::Timestamp;

/// Allows one run in each interval.
pub struct Throttle(Mutex<Timestamp>);

impl Throttle {
    /// The first interval begins at this time.
    pub(crate) fn starting_at(at: Timestamp) -> Self {
        Self(Mutex::new(at))
    }

    /// Whether the interval since the last run is over. If so, the next one begins.
    pub(crate) fn is_due(&self, now: Timestamp, interval: Duration) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = now >= last.plus(interval);
        if is_over {
            *last = now;
        }
        is_over
    }
}
