//! When this node has last read the signing keys.

use std::time::Duration;

use crate::domain::clock::Timestamp;

/// When the keys were last read.
pub(crate) struct KeyReading {
    succeeded_at: Timestamp,
    pub(crate) failed_at: Option<Timestamp>,
}

impl KeyReading {
    pub(crate) fn succeeded(at: Timestamp) -> Self {
        Self {
            succeeded_at: at,
            failed_at: None,
        }
    }

    /// A reading in the future is not younger: the clock has been set back since, and no reading
    /// would happen until the clock has caught up.
    pub(crate) fn is_younger_than(&self, interval: Duration, now: Timestamp) -> bool {
        (self.succeeded_at..self.succeeded_at.plus(interval)).contains(&now)
    }
}
