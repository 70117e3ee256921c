//! The signing keys of this installation: made once, shared by all nodes, and succeeded on line.
//!
//! A rotation is one row: the successor, with the time from which it signs. Until then every node and every verifier has had the time
//! to see it; from then on every node signs with it, without a word between them. Its predecessor stays in the JWKS until the
//! last token that it signed has expired.

use std::time::Duration;

use tokio::time::timeout;

use crate::domain::audit::Event;
use crate::domain::client::ClientInfo;
use crate::domain::clock::Timestamp;
use crate::domain::key_publication::KeyPublicationLead;
use crate::domain::signing_key::{SigningAlgorithm, StoredSigningKey};
use crate::domain::{Error, Result};
use crate::security::{FreshKey, KeyRing, KeyVault};
use crate::service::{Audit, Service};
use crate::store::SigningKeys;

/// How often a token with an unknown key may make a node look at once.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(5);
/// How long a token waits for a reading that is under way.
const READING_TIMEOUT: Duration = Duration::from_millis(900);
/// How long a failed reading is not repeated for a token's sake.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long a key verifies after its last token has expired, for verifiers whose clocks are behind.
const LEEWAY: Duration = Duration::from_mins(1);
/// Keys sign one after the other: the least time between two of them.
const SUCCESSION: Duration = Duration::from_millis(1);

/// Where signing keys are kept and how long they serve.
pub struct KeyRotation {
    /// Seals and opens.
    pub vault: KeyVault,
    /// Stores.
    pub stored: SigningKeys,
    /// Lifetime of the tokens that the keys sign.
    pub token_lifetime: Duration,
    /// How long a key signs before it is succeeded.
    pub max_age: Duration,
    /// How long a new key is published before it signs.
    pub lead: KeyPublicationLead,
    /// The algorithm of new keys.
    pub algorithm: SigningAlgorithm,
    /// Takes note of new keys.
    pub audit: Audit,
}

impl KeyRotation {
    /// Opens the stored keys, after making the first one if there is none.
    ///
    /// # Errors
    /// When they were stored under another `AUTH_SECRET`; `Unavailable`.
    pub async fn open(&self, now: Timestamp) -> Result<KeyRing> {
        let mut keys = self.stored.list().await?;
        if keys.is_empty() {
            // Nobody can have a copy of a JWKS without keys: the first one signs at once.
            let first = self.make(now, now).await?;
            self.stored.publish_successor(None, &first, now).await?;
            keys = self.stored.list().await?;
            self.note_if_published(&first, keys.first().map(|newest| newest.kid.as_str()));
        }
        self.vault.open(keys)
    }

    /// Another node may have been first.
    fn note_if_published(&self, key: &StoredSigningKey, newest: Option<&str>) {
        if newest == Some(key.kid.as_str()) {
            let (kid, algorithm) = (key.kid.clone(), key.algorithm);
            let published = Event::SigningKeyPublished { kid, algorithm };
            self.audit.note(published, &ClientInfo::default());
        }
    }

    /// Opens the stored keys at the start of a node, after publishing a successor of the configured algorithm if the newest is of
    /// another. At the start alone: nodes that are configured differently, as they are during an update, would take turns for ever.
    ///
    /// # Errors
    /// As `open`.
    pub async fn open_at_start(&self, now: Timestamp) -> Result<KeyRing> {
        let keys = self.open(now).await?;
        match keys.newest() {
            Some(newest) if newest.algorithm != self.algorithm => self.succeed(&keys, now).await,
            _ => Ok(keys),
        }
    }

    /// Publishes a successor to the newest key, which signs after the lead.
    ///
    /// # Errors
    /// As `open`.
    pub async fn rotate(&self, now: Timestamp) -> Result<KeyRing> {
        let keys = self.open(now).await?;
        self.succeed(&keys, now).await
    }

    /// Publishes a successor to the newest of these keys, unless somebody else has done so since they were read.
    async fn succeed(&self, keys: &KeyRing, now: Timestamp) -> Result<KeyRing> {
        let predecessor = keys.newest();
        // One that waits since a longer lead goes first: should it sign last, it would do so after its end.
        let turn = predecessor.map_or(now, |key| key.signs_from.plus(SUCCESSION));
        let successor = self.make(now, turn.max(now.plus(self.lead.span()))).await?;
        let predecessors_end = successor.signs_from.plus(self.token_lifetime).plus(LEEWAY);
        let predecessor = predecessor.map(|key| key.kid.as_str());
        self.stored
            .publish_successor(predecessor, &successor, predecessors_end)
            .await?;
        let keys = self.open(now).await?;
        self.note_if_published(&successor, keys.newest().map(|newest| newest.kid.as_str()));
        Ok(keys)
    }

    /// Making an RSA key takes long enough to stall every other request.
    async fn make(&self, now: Timestamp, signs_from: Timestamp) -> Result<StoredSigningKey> {
        let algorithm = self.algorithm;
        let made = tokio::task::spawn_blocking(move || FreshKey::generate(algorithm));
        let key = made.await.map_err(Error::internal)??;
        self.vault.seal_fresh(&key, now, signs_from)
    }

    /// Seals every stored key with the first secret, so that the others can be given up once no refresh token of theirs is left.
    pub async fn reseal(&self) -> Result<()> {
        for old in self.stored.list().await? {
            let new = self.vault.reseal(&old)?;
            self.stored.replace_sealed(&old, &new).await?;
        }
        Ok(())
    }

    fn is_due(&self, keys: &KeyRing, now: Timestamp) -> bool {
        keys.newest()
            .is_some_and(|key| key.signs_from.plus(self.max_age) <= now.plus(self.lead.span()))
    }
}

/// When the keys were last read. Held while they are read, so that whoever misses a key waits for a reading that is under way.
pub(crate) struct KeyReading {
    succeeded_at: Timestamp,
    failed_at: Option<Timestamp>,
}

impl KeyReading {
    /// The keys have been read at this time.
    pub(crate) fn succeeded(at: Timestamp) -> Self {
        Self {
            succeeded_at: at,
            failed_at: None,
        }
    }

    /// A clock that was set back makes it old, not young for as long as that.
    fn is_younger_than(&self, interval: Duration, now: Timestamp) -> bool {
        (self.succeeded_at..self.succeeded_at.plus(interval)).contains(&now)
    }
}

impl Service {
    /// Looks for new keys if it is time to, and publishes a successor if the newest key is old.
    pub(crate) async fn keep_keys(&self, now: Timestamp) -> Result<()> {
        let mut reading = self.key_reading.lock().await;
        if reading.is_younger_than(self.parts.key_rotation.lead.reload_interval(), now) {
            return Ok(());
        }
        self.read_keys(&mut reading, now).await
    }

    /// Looks for a key that a token names and this node does not know, unless that has been done a moment ago.
    ///
    /// # Errors
    /// `Unavailable`: where the key cannot be looked for, nothing can be said of the token.
    pub(crate) async fn look_for_unknown_key(&self) -> Result<()> {
        let reading = timeout(READING_TIMEOUT, self.key_reading.lock()).await;
        let mut reading = reading.map_err(Error::unavailable)?;
        let now = self.parts.clock.now();
        if reading.is_younger_than(UNKNOWN_KEY_INTERVAL, now) {
            return Ok(());
        }
        // Those who queue here must not each wait for the same outage.
        if reading
            .failed_at
            .is_some_and(|failed_at| now < failed_at.plus(RETRY_INTERVAL))
        {
            return Err(Error::unavailable("the signing keys could not be read a moment ago"));
        }
        self.read_keys(&mut reading, now).await
    }

    async fn read_keys(&self, reading: &mut KeyReading, now: Timestamp) -> Result<()> {
        let read = self.read_or_rotate(now).await;
        match &read {
            Ok(()) => *reading = KeyReading::succeeded(now),
            // Now, not when it began: it may have been waited for.
            Err(_) => reading.failed_at = Some(self.parts.clock.now()),
        }
        read
    }

    async fn read_or_rotate(&self, now: Timestamp) -> Result<()> {
        let mut keys = self.parts.key_rotation.open(now).await?;
        if self.parts.key_rotation.is_due(&keys, now) {
            keys = self.parts.key_rotation.succeed(&keys, now).await?;
        }
        self.parts.access_tokens.replace_keys(keys);
        Ok(())
    }
}
