//! The connection to Redis, one server or a cluster, and what a failure of it means.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::{Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, Script, ServerErrorKind, cmd};
use tokio::sync::OnceCell;

use crate::config::RedisUrl;
use crate::domain::{Error, Result};

/// How long an answer or a new connection may take.
const TIMEOUT: Duration = Duration::from_millis(400);
/// How long a question may take with everything that is tried for it. An operation asks Redis twice at most: its client learns of an
/// outage within a second.
const PATIENCE: Duration = Duration::from_millis(450);
/// How often a lost connection is tried again before the request that needs it fails; the next request tries anew.
const RETRIES: u32 = 1;
/// The key that is written to see whether Redis can be written.
const PROBE: &str = "auth-gateway:probe";

/// One server or one cluster, over connections that mend themselves.
#[derive(Clone)]
pub struct Redis {
    link: Arc<Link>,
}

enum Link {
    Server {
        client: Client,
        connection: RwLock<ConnectionManager>,
    },
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
                let client = Client::open(server.expose()).map_err(failure)?;
                let connection = RwLock::new(connect(&client).map_err(failure)?);
                Link::Server { client, connection }
            }
            nodes => {
                let client = ClusterClient::builder(nodes.iter().map(|node| node.expose().to_owned()))
                    .connection_timeout(TIMEOUT)
                    .response_timeout(TIMEOUT)
                    .overall_response_timeout(Some(PATIENCE))
                    .retries(RETRIES)
                    .build()
                    .map_err(failure)?;
                Link::Cluster(Box::new(client), OnceCell::new())
            }
        };
        Ok(Self { link: Arc::new(link) })
    }

    /// Asks for a sign of life: whether it can write, since without that (out of memory, a replica) it is of no use.
    pub async fn ping(&self) -> Result<()> {
        let mut write = cmd("SET");
        write.arg(PROBE).arg(1).arg("EX").arg(60);
        self.carry_out(&write).await
    }

    /// Runs a script on one key; in a cluster, where that key is.
    pub(super) async fn run<T: FromRedisValue>(&self, script: &Script, key: &str, arguments: &[String]) -> Result<T> {
        let mut invocation = script.key(key);
        for argument in arguments {
            invocation.arg(argument);
        }
        self.answer(async {
            match self.link.as_ref() {
                Link::Server { connection, .. } => invocation.invoke_async(&mut current(connection)).await,
                Link::Cluster(client, connection) => {
                    invocation
                        .invoke_async(&mut in_cluster(client, connection).await?)
                        .await
                }
            }
        })
        .await
    }

    /// Forgets a key, whether it is there or not.
    pub(super) async fn delete(&self, key: &str) -> Result<()> {
        let mut delete = cmd("DEL");
        delete.arg(key);
        self.carry_out(&delete).await
    }

    async fn carry_out(&self, command: &Cmd) -> Result<()> {
        self.answer(async {
            match self.link.as_ref() {
                Link::Server { connection, .. } => command.query_async(&mut current(connection)).await,
                Link::Cluster(client, connection) => {
                    command.query_async(&mut in_cluster(client, connection).await?).await
                }
            }
        })
        .await
    }

    /// Waits for an answer, but not for ever.
    async fn answer<T>(&self, question: impl Future<Output = RedisResult<T>>) -> Result<T> {
        let answer = tokio::time::timeout(PATIENCE, question)
            .await
            .map_err(Error::unavailable)?;
        if let Err(error) = &answer {
            self.leave_a_replica(error);
        }
        answer.map_err(failure)
    }

    /// A primary that was made a replica keeps its connections. Another server has its address by now: connect anew. A cluster's
    /// client finds the new primary by itself.
    fn leave_a_replica(&self, error: &RedisError) {
        let is_replica = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        if let (true, Link::Server { client, connection }) = (is_replica, self.link.as_ref())
            && let Ok(anew) = connect(client)
        {
            *connection.write().unwrap_or_else(PoisonError::into_inner) = anew;
        }
    }
}

/// Prepares a connection that mends itself; it is made at first use.
fn connect(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(TIMEOUT))
        .set_response_timeout(Some(TIMEOUT))
        .set_number_of_retries(RETRIES as usize);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

fn current(connection: &RwLock<ConnectionManager>) -> ConnectionManager {
    connection.read().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn in_cluster(
    client: &ClusterClient,
    connection: &OnceCell<ClusterConnection>,
) -> RedisResult<ClusterConnection> {
    let connecting = connection.get_or_try_init(|| client.get_async_connection());
    connecting.await.cloned()
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis")
    }
}

fn failure(error: RedisError) -> Error {
    Error::unavailable(error)
}
