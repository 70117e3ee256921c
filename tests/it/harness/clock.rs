//! A clock that stands still until a test advances it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use auth_gateway::domain::clock::{Clock, SystemClock, Timestamp, millis};

#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Starts at the machine's time, because Redis uses its own clock.
    pub fn new() -> Self {
        Self(AtomicI64::new(SystemClock.now().millis()))
    }

    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(millis(span), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
