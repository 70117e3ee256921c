//! One thread's connection to a Redis server.
//!
//! It connects at first use, on its own thread, which then does all of its work. It reconnects when
//! it breaks. A connection that stays silent never breaks, and one to a server that has become a
//! replica works: both are replaced.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult};

/// How long a new connection, or one response, may take.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_millis(400);
/// How often a lost connection is retried before the request that needs it fails. The next
/// request tries anew.
pub(crate) const RETRIES: u32 = 1;
/// Least time between two replacements: many requests may report the same failure.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct RedisConnection {
    client: Client,
    connection: RwLock<ConnectionManager>,
    reconnected_at: Mutex<Option<Instant>>,
    is_healthy: AtomicBool,
}

impl RedisConnection {
    pub(crate) fn new(client: &Client) -> RedisResult<Self> {
        Ok(Self {
            client: client.clone(),
            connection: RwLock::new(connect(client)?),
            reconnected_at: Mutex::default(),
            is_healthy: AtomicBool::new(true),
        })
    }

    pub(crate) fn connection(&self) -> ConnectionManager {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the connection, unless that was done a moment ago.
    pub(crate) fn reconnect(&self) {
        if is_due(&self.reconnected_at)
            && let Ok(new) = connect(&self.client)
        {
            *self.connection.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }

    /// Whether it worked at its last check.
    pub(crate) fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed)
    }

    pub(crate) fn set_healthy(&self, is_healthy: bool) {
        self.is_healthy.store(is_healthy, Ordering::Relaxed);
    }
}

/// Whether a replacement is due; if so, the interval begins again.
pub(crate) fn is_due(reconnected_at: &Mutex<Option<Instant>>) -> bool {
    let mut reconnected_at = reconnected_at.lock().unwrap_or_else(PoisonError::into_inner);
    let is_due = reconnected_at.is_none_or(|at| at.elapsed() >= RECONNECT_INTERVAL);
    if is_due {
        *reconnected_at = Some(Instant::now());
    }
    is_due
}

/// Prepares a connection that reconnects by itself. It connects at first use.
fn connect(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(RESPONSE_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_number_of_retries(RETRIES as usize);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
