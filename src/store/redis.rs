//! The connection to Redis, one server or a cluster, and what a failure of it means.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::{Client, FromRedisValue, RedisError, RedisResult, Script, cmd};
use tokio::sync::OnceCell;

use crate::config::RedisUrl;
use crate::domain::{Error, Result};

/// How long an answer or a new connection may take: a client learns of an outage within a second.
const TIMEOUT: Duration = Duration::from_millis(400);
/// How long a request may take in a cluster, with everything that is tried for it.
const CLUSTER_TIMEOUT: Duration = Duration::from_millis(900);
/// How often a lost connection is tried again before the request that needs it fails; the next request tries anew.
const RETRIES: u32 = 1;

/// One server or one cluster, over connections that mend themselves.
#[derive(Clone)]
pub struct Redis {
    link: Arc<Link>,
}

enum Link {
    Server(ConnectionManager),
    /// Connected at first use, like a server: a cluster that is down does not keep the gateway down.
    Cluster(Box<ClusterClient>, OnceCell<ClusterConnection>),
}

impl Redis {
    /// Prepares the connection; it is made when it is first used.
    ///
    /// # Errors
    /// When an address cannot be used.
    pub fn new(url: &RedisUrl) -> Result<Self> {
        let link = match url.0.as_slice() {
            [server] => {
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(TIMEOUT))
                    .set_response_timeout(Some(TIMEOUT))
                    .set_number_of_retries(RETRIES as usize);
                let client = Client::open(server.expose()).map_err(failure)?;
                Link::Server(ConnectionManager::new_lazy_with_config(client, config).map_err(failure)?)
            }
            nodes => {
                let client = ClusterClient::builder(nodes.iter().map(|node| node.expose().to_owned()))
                    .connection_timeout(TIMEOUT)
                    .response_timeout(TIMEOUT)
                    .overall_response_timeout(Some(CLUSTER_TIMEOUT))
                    .retries(RETRIES)
                    .build()
                    .map_err(failure)?;
                Link::Cluster(Box::new(client), OnceCell::new())
            }
        };
        Ok(Self { link: Arc::new(link) })
    }

    /// Asks for a sign of life.
    pub async fn ping(&self) -> Result<()> {
        let ping = cmd("PING");
        let answer: RedisResult<::redis::Value> = match self.link.as_ref() {
            Link::Server(connection) => ping.query_async(&mut connection.clone()).await,
            Link::Cluster(..) => ping.query_async(&mut self.cluster().await?).await,
        };
        answer.map(drop).map_err(failure)
    }

    /// Runs a script on one key; in a cluster, where that key is.
    pub(super) async fn run<T: FromRedisValue>(&self, script: &Script, key: &str, arguments: &[String]) -> Result<T> {
        let mut invocation = script.key(key);
        for argument in arguments {
            invocation.arg(argument);
        }
        let answer = match self.link.as_ref() {
            Link::Server(connection) => invocation.invoke_async(&mut connection.clone()).await,
            Link::Cluster(..) => invocation.invoke_async(&mut self.cluster().await?).await,
        };
        answer.map_err(failure)
    }

    async fn cluster(&self) -> Result<ClusterConnection> {
        let Link::Cluster(client, connection) = self.link.as_ref() else {
            return Err(Error::internal("a single Redis server is asked as a cluster"));
        };
        let connecting = connection.get_or_try_init(|| client.get_async_connection());
        let connected = tokio::time::timeout(CLUSTER_TIMEOUT, connecting)
            .await
            .map_err(Error::unavailable)?;
        connected.cloned().map_err(failure)
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
