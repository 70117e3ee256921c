//! The Redis client: one server, or a cluster.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::{
    Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Script, ServerErrorKind, Value, cmd,
    from_redis_value,
};
use tokio::sync::OnceCell;

use crate::config::RedisUrl;
use crate::domain::{Error, Result};
use crate::store::redis::connection::{RESPONSE_TIMEOUT, RETRIES, RedisConnection, is_due};
use crate::threads::PerThread;

/// How long one operation may take with its retries. A request performs two at most, so its
/// client learns of an outage within a second.
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_millis(450);
/// The key that a ping writes.
const PROBE: &str = "auth-gateway:probe";

/// One server or one cluster, over connections that reconnect by themselves.
#[derive(Clone)]
pub struct Redis {
    link: Arc<Link>,
}

/// The values of several keys, and the replication state after they were read.
pub(crate) struct Snapshot {
    /// The values in the order of the keys; `None` for a missing key or one of another type.
    pub(crate) values: Vec<Option<Vec<u8>>>,
    /// The reply to `INFO replication`.
    pub(crate) replication: String,
}

enum Link {
    Server {
        connections: PerThread<RedisConnection>,
    },
    /// Connects at first use, so that the gateway starts while the cluster is down.
    Cluster {
        client: Box<ClusterClient>,
        connection: Arc<RwLock<Arc<OnceCell<ClusterConnection>>>>,
        reconnected_at: Mutex<Option<Instant>>,
    },
}

impl Redis {
    /// Prepares the connections. They connect at first use.
    ///
    /// # Errors
    /// If an address is invalid.
    pub fn new(url: &RedisUrl) -> Result<Self> {
        let link = match url.0.as_slice() {
            [server] => {
                let client = Client::open(server.expose()).map_err(failure)?;
                let connections = PerThread::try_new(|| RedisConnection::new(&client)).map_err(failure)?;
                Link::Server { connections }
            }
            nodes => {
                let client = ClusterClient::builder(nodes.iter().map(|node| node.expose().to_owned()))
                    .connection_timeout(RESPONSE_TIMEOUT)
                    .response_timeout(RESPONSE_TIMEOUT)
                    .overall_response_timeout(Some(OPERATION_TIMEOUT))
                    .retries(RETRIES)
                    .build()
                    .map_err(failure)?;
                Link::Cluster {
                    client: Box::new(client),
                    connection: Arc::default(),
                    reconnected_at: Mutex::default(),
                }
            }
        };
        Ok(Self { link: Arc::new(link) })
    }

    /// Whether Redis answers and can be written. A replica, or a server out of memory, cannot.
    pub async fn ping(&self) -> Result<()> {
        let mut write = cmd("SET");
        write.arg(PROBE).arg(1).arg("EX").arg(60);
        self.execute(&write).await
    }

    /// [`Self::ping`] for the server that holds this key.
    pub(crate) async fn ping_for(&self, key: &str) -> Result<()> {
        let mut write = cmd("SET");
        // The text in braces decides the slot (Redis Cluster specification, "Hash tags").
        write.arg(format!("{PROBE}:{{{key}}}")).arg(1).arg("EX").arg(1);
        self.execute(&write).await
    }

    /// Runs a script on one key; in a cluster, on the server that holds it.
    pub(crate) async fn run<T: FromRedisValue>(&self, script: &Script, key: &str, arguments: &[String]) -> Result<T> {
        let mut invocation = script.key(key);
        for argument in arguments {
            invocation.arg(argument);
        }
        self.run_in_time(pin!(async {
            match self.link.as_ref() {
                Link::Server { connections } => invocation.invoke_async(&mut connections.local().connection()).await,
                Link::Cluster { client, connection, .. } => {
                    invocation
                        .invoke_async(&mut in_cluster(client, connection).await?)
                        .await
                }
            }
        }))
        .await
    }

    /// Whether the keys are on several servers, each with its own replication id.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.link.as_ref(), Link::Cluster { .. })
    }

    /// Reads many keys and then the replication state, in one round trip. `None` if the user may
    /// not run `INFO`, and in a cluster.
    pub(crate) async fn read_all(&self, keys: impl Iterator<Item = String>) -> Result<Option<Snapshot>> {
        let Link::Server { connections } = self.link.as_ref() else {
            return Ok(None);
        };
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("MGET");
        for key in keys {
            pipeline.arg(key);
        }
        pipeline.cmd("INFO").arg("replication").ignore_errors();
        self.run_in_time(pin!(async {
            let mut connection = connections.local().connection();
            Snapshot::of(pipeline.query_async(&mut connection).await?)
        }))
        .await
    }

    /// Deletes a key, if it exists.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let mut delete = cmd("DEL");
        delete.arg(key);
        self.execute(&delete).await
    }

    async fn execute(&self, command: &Cmd) -> Result<()> {
        self.run_in_time(pin!(async {
            match self.link.as_ref() {
                Link::Server { connections } => command.query_async(&mut connections.local().connection()).await,
                Link::Cluster { client, connection, .. } => {
                    command.query_async(&mut in_cluster(client, connection).await?).await
                }
            }
        }))
        .await
    }

    /// Checks this thread's connection. An unused connection may break unnoticed and fail the next
    /// request.
    pub(crate) async fn check_connection(&self) {
        if let Link::Server { connections } = self.link.as_ref() {
            // A second ping, because the first one replaces a broken connection.
            let is_healthy = self.ping().await.is_ok() || self.ping().await.is_ok();
            connections.local().set_healthy(is_healthy);
        }
    }

    /// Whether the connections of all threads worked at their last check.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        match self.link.as_ref() {
            Link::Server { connections } => connections.all().all(RedisConnection::is_healthy),
            Link::Cluster { .. } => true,
        }
    }

    /// Runs an operation within the timeout. It is pinned by the caller, because moving it costs
    /// more than running it.
    async fn run_in_time<T>(&self, operation: Pin<&mut impl Future<Output = RedisResult<T>>>) -> Result<T> {
        match tokio::time::timeout(OPERATION_TIMEOUT, operation).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => {
                if error.is_timeout() {
                    self.reconnect();
                } else if error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
                    // The client of a cluster finds the other servers by itself.
                    || (error.is_io_error() && !self.is_cluster())
                {
                    self.reconnect_all();
                }
                Err(failure(error))
            }
            Err(elapsed) => {
                self.reconnect();
                Err(Error::unavailable(elapsed))
            }
        }
    }

    /// Replaces this thread's connection. A silent one would never be closed.
    fn reconnect(&self) {
        match self.link.as_ref() {
            Link::Server { connections } => connections.local().reconnect(),
            Link::Cluster { .. } => self.reconnect_all(),
        }
    }

    /// Replaces all connections: the server is gone or has become a replica, and another server may
    /// have its address by now.
    fn reconnect_all(&self) {
        match self.link.as_ref() {
            Link::Server { connections } => connections.all().for_each(RedisConnection::reconnect),
            // The old connection stays until then, because it still reaches the healthy servers.
            Link::Cluster {
                client,
                connection,
                reconnected_at,
            } if is_due(reconnected_at) => {
                let (client, connection) = (client.clone(), connection.clone());
                tokio::spawn(async move {
                    if let Ok(new) = client.get_async_connection().await {
                        *connection.write().unwrap_or_else(PoisonError::into_inner) =
                            Arc::new(OnceCell::new_with(Some(new)));
                    }
                });
            }
            Link::Cluster { .. } => {}
        }
    }
}

async fn in_cluster(
    client: &ClusterClient,
    connection: &RwLock<Arc<OnceCell<ClusterConnection>>>,
) -> RedisResult<ClusterConnection> {
    let connection = connection.read().unwrap_or_else(PoisonError::into_inner).clone();
    let connected = connection.get_or_try_init(|| client.get_async_connection()).await;
    connected.cloned()
}

impl Snapshot {
    fn of((values, replication): (RedisResult<Value>, RedisResult<Value>)) -> RedisResult<Option<Self>> {
        match replication {
            Ok(replication) => Ok(Some(Self {
                values: from_redis_value(values?)?,
                replication: from_redis_value(replication)?,
            })),
            Err(error) if is_forbidden(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether the user may not run this command (ACL).
fn is_forbidden(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis")
    }
}

fn failure(error: RedisError) -> Error {
    Error::unavailable(error)
}
