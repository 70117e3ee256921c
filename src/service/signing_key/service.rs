//! What the use cases of signing keys need.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::domain::clock::Clock;
use crate::security::AccessTokens;
use crate::service::signing_key::{KeyReading, KeyRotation};

/// The signing keys of this node.
pub struct SigningKeyService {
    pub(crate) rotation: KeyRotation,
    pub(crate) access_tokens: Arc<AccessTokens>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Locked while the keys are read, so that requests that miss a key share one reading.
    pub(crate) reading: Mutex<KeyReading>,
}

impl SigningKeyService {
    /// The keys of `access_tokens` have just been read.
    pub(crate) fn new(rotation: KeyRotation, access_tokens: Arc<AccessTokens>, clock: Arc<dyn Clock>) -> Self {
        let reading = Mutex::new(KeyReading::succeeded(clock.now()));
        Self {
            rotation,
            access_tokens,
            clock,
            reading,
        }
    }
}
