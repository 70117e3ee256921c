//! The signing keys of this installation: made once, shared by all nodes.

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::security::{KeyRing, KeyVault};
use crate::store::SigningKeys;

/// Opens the stored signing keys, after making the first one if there is none.
///
/// # Errors
/// When they were stored under another `AUTH_SECRET`; `Unavailable`.
pub async fn load_keys(vault: &KeyVault, stored: &SigningKeys, now: Timestamp) -> Result<KeyRing> {
    let mut keys = stored.list().await?;
    if keys.is_empty() {
        keys = stored.store_first(&vault.generate(now)?).await?;
    }
    vault.open(&keys)
}
