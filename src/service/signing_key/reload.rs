//! Reloads the signing keys that other nodes have published, and publishes a successor when the
//! newest key is old.

use std::time::Duration;

use tokio::time::timeout;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::service::signing_key::{KeyReading, SigningKeyService};

/// The least time between two readings that tokens with an unknown key cause.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(5);
/// How long a token waits for a reading that is under way.
const READING_TIMEOUT: Duration = Duration::from_millis(900);
/// How long after a failed reading a token causes no other one.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

impl SigningKeyService {
    /// Reads the keys if the reload interval is over, and publishes a successor if the newest key
    /// is old.
    pub(crate) async fn maintain(&self, now: Timestamp) -> Result<()> {
        let mut reading = self.reading.lock().await;
        if reading.is_younger_than(self.rotation.lead.reload_interval(), now) {
            return Ok(());
        }
        self.read(&mut reading, now).await
    }

    /// Reads the keys because a token names one that this node does not know. Such tokens cause at
    /// most one reading in `UNKNOWN_KEY_INTERVAL`.
    ///
    /// # Errors
    /// `Unavailable`: without a reading, the token can neither be accepted nor refused.
    pub(crate) async fn reload_for_unknown_key(&self) -> Result<()> {
        let reading = timeout(READING_TIMEOUT, self.reading.lock()).await;
        let mut reading = reading.map_err(Error::unavailable)?;
        let now = self.clock.now();
        if reading.is_younger_than(UNKNOWN_KEY_INTERVAL, now) {
            return Ok(());
        }
        // Requests that queue for the lock must not wait for the same outage one after another.
        if reading
            .failed_at
            .is_some_and(|failed_at| now < failed_at.plus(RETRY_INTERVAL))
        {
            return Err(Error::unavailable("the signing keys could not be read a moment ago"));
        }
        self.read(&mut reading, now).await
    }

    async fn read(&self, reading: &mut KeyReading, now: Timestamp) -> Result<()> {
        let read = self.read_or_rotate(now).await;
        match &read {
            Ok(()) => *reading = KeyReading::succeeded(now),
            // The time of the failure, not of the start: the reading may have waited for a timeout.
            Err(_) => reading.failed_at = Some(self.clock.now()),
        }
        read
    }

    async fn read_or_rotate(&self, now: Timestamp) -> Result<()> {
        let mut keys = self.rotation.open(now).await?;
        if self.rotation.is_due(&keys, now) {
            keys = self.rotation.publish_successor(&keys, now).await?;
        }
        self.access_tokens.replace_keys(keys);
        Ok(())
    }
}
