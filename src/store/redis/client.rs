//! The connection to Redis, one server or a cluster, and what a failure of it means.

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
/// The key that is written to see whether Redis can be written.
const PROBE: &str = "auth-gateway:probe";

/// One server or one cluster, over connections that mend themselves.
#[derive(Clone)]
pub struct Redis {
    link: Arc<Link>,
}

/// What one server holds.
pub(crate) struct Reading {
    /// What is under each key, in the order in which they were asked for; `None` where there is nothing, or something else than a text.
    pub(crate) values: Vec<Option<Vec<u8>>>,
    /// What it said of its replication after that.
    pub(crate) replication: String,
}

enum Link {
    Server {
        connections: PerThread<RedisConnection>,
    },
    /// Connected at first use, like a server: a cluster that is down does not keep the gateway down.
    Cluster {
        client: Box<ClusterClient>,
        connection: Arc<RwLock<Arc<OnceCell<ClusterConnection>>>>,
        renewed_at: Mutex<Option<Instant>>,
    },
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
                let connections = PerThread::try_new(|| RedisConnection::to(&client)).map_err(failure)?;
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
                    renewed_at: Mutex::default(),
                }
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

    /// The same of the server that has this key.
    pub(crate) async fn ping_for(&self, key: &str) -> Result<()> {
        let mut write = cmd("SET");
        // What stands in braces decides where a key is (Redis Cluster specification, "Hash tags").
        write.arg(format!("{PROBE}:{{{key}}}")).arg(1).arg("EX").arg(1);
        self.carry_out(&write).await
    }

    /// Runs a script on one key; in a cluster, where that key is.
    pub(crate) async fn run<T: FromRedisValue>(&self, script: &Script, key: &str, arguments: &[String]) -> Result<T> {
        let mut invocation = script.key(key);
        for argument in arguments {
            invocation.arg(argument);
        }
        self.answer(pin!(async {
            match self.link.as_ref() {
                Link::Server { connections } => invocation.invoke_async(&mut connections.own().connection()).await,
                Link::Cluster { client, connection, .. } => {
                    invocation
                        .invoke_async(&mut in_cluster(client, connection).await?)
                        .await
                }
            }
        }))
        .await
    }

    /// Whether the keys are on several servers, each with a history of its own.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.link.as_ref(), Link::Cluster { .. })
    }

    /// Reads what is under many keys, in one round trip, and then what the server says of its replication. `None` where it may not be
    /// asked, and in a cluster.
    pub(crate) async fn read_all(&self, keys: impl Iterator<Item = String>) -> Result<Option<Reading>> {
        let Link::Server { connections } = self.link.as_ref() else {
            return Ok(None);
        };
        let mut questions = Pipeline::with_capacity(2);
        questions.cmd("MGET");
        for key in keys {
            questions.arg(key);
        }
        questions.cmd("INFO").arg("replication").ignore_errors();
        self.answer(pin!(async {
            let mut connection = connections.own().connection();
            Reading::of(questions.query_async(&mut connection).await?)
        }))
        .await
    }

    /// Forgets a key, whether it is there or not.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let mut delete = cmd("DEL");
        delete.arg(key);
        self.carry_out(&delete).await
    }

    async fn carry_out(&self, command: &Cmd) -> Result<()> {
        self.answer(pin!(async {
            match self.link.as_ref() {
                Link::Server { connections } => command.query_async(&mut connections.own().connection()).await,
                Link::Cluster { client, connection, .. } => {
                    command.query_async(&mut in_cluster(client, connection).await?).await
                }
            }
        }))
        .await
    }

    /// Looks after this thread's connection: one that nobody uses may break unseen, and fail whoever comes next.
    pub(crate) async fn keep(&self) {
        if let Link::Server { connections } = self.link.as_ref() {
            // A second time, since a connection that is broken is made anew by the first.
            let is_well = self.ping().await.is_ok() || self.ping().await.is_ok();
            connections.own().note(is_well);
        }
    }

    /// Whether the connections of all threads worked when they were last looked after.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        match self.link.as_ref() {
            Link::Server { connections } => connections.all().all(RedisConnection::is_well),
            Link::Cluster { .. } => true,
        }
    }

    /// Waits for an answer, but not for ever. The question stays where it is: to move one costs more than to ask it.
    async fn answer<T>(&self, question: Pin<&mut impl Future<Output = RedisResult<T>>>) -> Result<T> {
        match tokio::time::timeout(OPERATION_TIMEOUT, question).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if error.is_timeout() {
                    self.renew();
                } else if error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
                    // A cluster's client looks for the others by itself.
                    || (error.is_io_error() && !self.is_cluster())
                {
                    self.renew_all();
                }
                Err(failure(error))
            }
            Err(elapsed) => {
                self.renew();
                Err(Error::unavailable(elapsed))
            }
        }
    }

    /// Gives up this thread's connection, which stays silent: nobody would ever close it.
    fn renew(&self) {
        match self.link.as_ref() {
            Link::Server { connections } => connections.own().renew(),
            Link::Cluster { .. } => self.renew_all(),
        }
    }

    /// Gives up all connections: their server is gone, or has become a replica, and another one may have the address by now.
    fn renew_all(&self) {
        match self.link.as_ref() {
            Link::Server { connections } => connections.all().for_each(RedisConnection::renew),
            // Beside the old one, which still reaches the servers that answer.
            Link::Cluster {
                client,
                connection,
                renewed_at,
            } if is_due(renewed_at) => {
                let (client, connection) = (client.clone(), connection.clone());
                tokio::spawn(async move {
                    if let Ok(anew) = client.get_async_connection().await {
                        *connection.write().unwrap_or_else(PoisonError::into_inner) =
                            Arc::new(OnceCell::new_with(Some(anew)));
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

impl Reading {
    fn of((values, replication): (RedisResult<Value>, RedisResult<Value>)) -> RedisResult<Option<Self>> {
        match replication {
            Ok(replication) => Ok(Some(Self {
                values: from_redis_value(values?)?,
                replication: from_redis_value(replication)?,
            })),
            Err(error) if is_refusal(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether the server answers, but this user may not ask that (ACL).
fn is_refusal(error: &RedisError) -> bool {
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
