//! The signing keys of this installation: made once, shared by all nodes, and replaced online.
//!
//! A rotation is one row: the successor, with the time from which it signs. Until then every node
//! and every verifier has had the time to read it. From then on every node signs with it, without
//! any message between nodes. Its predecessor stays in the JWKS until the last token that it signed
//! has expired.

use std::time::Duration;

use crate::domain::audit::{AuditEvent, EventKind};
use crate::domain::client::ClientInfo;
use crate::domain::clock::Timestamp;
use crate::domain::key_publication::KeyPublicationLead;
use crate::domain::signing_key::{SigningAlgorithm, StoredSigningKey};
use crate::domain::{Error, Result};
use crate::security::{FreshKey, KeyRing, KeyVault};
use crate::service::audit::Audit;
use crate::store::SigningKeys;

/// How long a key verifies after its last token has expired, for verifiers whose clocks are slow.
const LEEWAY: Duration = Duration::from_mins(1);
/// Keys sign one after the other: the least time between the starts of two keys.
const SUCCESSION: Duration = Duration::from_millis(1);

/// Makes, publishes and seals signing keys.
pub struct KeyRotation {
    pub(crate) vault: KeyVault,
    pub(crate) stored: SigningKeys,
    /// Lifetime of the tokens that the keys sign.
    pub(crate) token_lifetime: Duration,
    /// How long a key signs before its successor does.
    pub(crate) max_age: Duration,
    /// How long a new key is published before it signs.
    pub(crate) lead: KeyPublicationLead,
    /// The algorithm of new keys.
    pub(crate) algorithm: SigningAlgorithm,
    pub(crate) audit: Audit,
}

impl KeyRotation {
    /// Opens the stored keys, after making the first one if there is none.
    ///
    /// # Errors
    /// If they were stored under another `AUTH_SECRET`; `Unavailable`.
    pub async fn open(&self, now: Timestamp) -> Result<KeyRing> {
        let mut keys = self.stored.list().await?;
        if keys.is_empty() {
            // No verifier can have a copy of a JWKS without keys: the first key signs at once.
            let first = self.make(now, now).await?;
            self.stored.publish_successor(None, &first, now).await?;
            keys = self.stored.list().await?;
            self.record_if_published(&first, keys.first().map(|newest| newest.kid.as_str()));
        }
        self.vault.open(keys)
    }

    /// Another node may have published its key first.
    fn record_if_published(&self, key: &StoredSigningKey, newest: Option<&str>) {
        if newest == Some(key.kid.as_str()) {
            let detail = format!("{} {}", key.algorithm.as_str(), key.kid);
            let published = AuditEvent::new(EventKind::SigningKeyPublished).detail(detail);
            self.audit.record(published, &ClientInfo::default());
        }
    }

    /// Opens the stored keys when a node starts. If the newest key has another algorithm than the
    /// configured one, it publishes a successor first. Only a start does so: during an update,
    /// nodes of different configurations would otherwise publish successors in turns for ever.
    ///
    /// # Errors
    /// As `open`.
    pub async fn open_at_start(&self, now: Timestamp) -> Result<KeyRing> {
        let keys = self.open(now).await?;
        match keys.newest() {
            Some(newest) if newest.algorithm != self.algorithm => self.publish_successor(&keys, now).await,
            _ => Ok(keys),
        }
    }

    /// Publishes a successor to the newest key, which signs after the lead.
    ///
    /// # Errors
    /// As `open`.
    pub async fn rotate(&self, now: Timestamp) -> Result<KeyRing> {
        let keys = self.open(now).await?;
        self.publish_successor(&keys, now).await
    }

    /// Publishes a successor to the newest of these keys, unless another node has done so since
    /// they were read.
    pub(crate) async fn publish_successor(&self, keys: &KeyRing, now: Timestamp) -> Result<KeyRing> {
        let predecessor = keys.newest();
        // A key that was published with a longer lead signs first. Otherwise it would sign last,
        // after its end.
        let turn = predecessor.map_or(now, |key| key.signs_from.plus(SUCCESSION));
        let successor = self.make(now, turn.max(now.plus(self.lead.span()))).await?;
        let predecessors_end = successor.signs_from.plus(self.token_lifetime).plus(LEEWAY);
        let predecessor = predecessor.map(|key| key.kid.as_str());
        self.stored
            .publish_successor(predecessor, &successor, predecessors_end)
            .await?;
        let keys = self.open(now).await?;
        self.record_if_published(&successor, keys.newest().map(|newest| newest.kid.as_str()));
        Ok(keys)
    }

    /// On a thread for blocking work: making an RSA key takes long enough to stall other requests.
    async fn make(&self, now: Timestamp, signs_from: Timestamp) -> Result<StoredSigningKey> {
        let algorithm = self.algorithm;
        let made = tokio::task::spawn_blocking(move || FreshKey::generate(algorithm));
        let key = made.await.map_err(Error::internal)??;
        self.vault.seal_fresh(&key, now, signs_from)
    }

    /// Seals every stored key with the first secret of `AUTH_SECRET`. The other secrets can be
    /// removed once no refresh token depends on them.
    pub async fn reseal(&self) -> Result<()> {
        for old in self.stored.list().await? {
            let new = self.vault.reseal(&old)?;
            self.stored.replace_sealed(&old, &new).await?;
        }
        Ok(())
    }

    /// Whether it is time to publish a successor to the newest key.
    pub(crate) fn is_due(&self, keys: &KeyRing, now: Timestamp) -> bool {
        keys.newest()
            .is_some_and(|key| key.signs_from.plus(self.max_age) <= now.plus(self.lead.span()))
    }
}
