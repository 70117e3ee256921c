//! The connection to Redis, and what a failure of it means.

use std::fmt;
use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, RedisError, RedisResult, Script, cmd};

use crate::config::RedisUrl;
use crate::domain::{Error, Result};

/// How long an answer or a new connection may take: a client learns of an outage within a second.
const TIMEOUT: Duration = Duration::from_millis(400);
/// How often a lost connection is tried again before the request that needs it fails; the next request tries anew.
const RETRIES: usize = 1;

/// One multiplexed connection that mends itself.
#[derive(Clone)]
pub struct Redis {
    connection: ConnectionManager,
}

impl Redis {
    /// Prepares the connection; it is made when it is first used, so that a Redis that is down does not keep the gateway down.
    pub fn new(url: &RedisUrl) -> Result<Self> {
        let client = Client::open(url.0.expose()).map_err(failure)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(RETRIES);
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(failure)?;
        Ok(Self { connection })
    }

    /// Asks Redis for a sign of life.
    pub async fn ping(&self) -> Result<()> {
        let mut connection = self.connection.clone();
        let answer: RedisResult<String> = cmd("PING").query_async(&mut connection).await;
        answer.map(drop).map_err(failure)
    }

    /// Runs a script on one key.
    pub(super) async fn run<T: ::redis::FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: &[String],
    ) -> Result<T> {
        let mut connection = self.connection.clone();
        let mut invocation = script.key(key);
        for argument in arguments {
            invocation.arg(argument);
        }
        invocation.invoke_async(&mut connection).await.map_err(failure)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis")
    }
}

fn failure(error: RedisError) -> Error {
    Error::unavailable(error)
}
