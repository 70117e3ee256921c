//! One thread's connection to a Redis server.
//!
//! It is made when it is first used, by the thread whose it is, which then does all of its work. It mends itself when it breaks, but one that
//! stays silent never breaks, and one whose server has become a replica works: those are given up for a new one.

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
/// How soon a connection that was renewed may be renewed again: not for each of those who wait for it.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct RedisConnection {
    client: Client,
    connection: RwLock<ConnectionManager>,
    renewed_at: Mutex<Option<Instant>>,
    is_well: AtomicBool,
}

impl RedisConnection {
    /// To this server.
    pub(crate) fn to(client: &Client) -> RedisResult<Self> {
        Ok(Self {
            client: client.clone(),
            connection: RwLock::new(connect(client)?),
            renewed_at: Mutex::default(),
            is_well: AtomicBool::new(true),
        })
    }

    pub(crate) fn connection(&self) -> ConnectionManager {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives the connection up for a new one, unless that was done a moment ago.
    pub(crate) fn renew(&self) {
        if is_due(&self.renewed_at)
            && let Ok(anew) = connect(&self.client)
        {
            *self.connection.write().unwrap_or_else(PoisonError::into_inner) = anew;
        }
    }

    /// Whether it worked when it was last looked after.
    pub(crate) fn is_well(&self) -> bool {
        self.is_well.load(Ordering::Relaxed)
    }

    pub(crate) fn note(&self, is_well: bool) {
        self.is_well.store(is_well, Ordering::Relaxed);
    }
}

/// Whether the last renewal was long enough ago; if so, there is one now.
pub(crate) fn is_due(renewed_at: &Mutex<Option<Instant>>) -> bool {
    let mut renewed_at = renewed_at.lock().unwrap_or_else(PoisonError::into_inner);
    let is_due = renewed_at.is_none_or(|at| at.elapsed() >= RENEWAL_INTERVAL);
    if is_due {
        *renewed_at = Some(Instant::now());
    }
    is_due
}

/// Prepares a connection that mends itself; it is made at first use.
fn connect(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(RESPONSE_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_number_of_retries(RETRIES as usize);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
