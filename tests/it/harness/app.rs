//! A gateway in the process of the test, with its own stores.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use auth_gateway::app::App;
use auth_gateway::config::Settings;
use auth_gateway::server::raise_descriptor_limit;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use super::client::{Api, Client, Refusal, SignedIn, User, http, raw};
use super::{Backend, ManualClock, Stores, TcpProxy, eventually};

/// The `AUTH_SECRET` of every app.
pub const AUTH_SECRET: &str = "VGhpcyBzZWNyZXQgaXMgZm9yIHRlc3RzIGFsb25lLiEh";

#[derive(Parser)]
#[command(args_override_self = true)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

/// Settings from options of the command line.
fn settings(options: &[&str]) -> Settings {
    Arguments::try_parse_from([&["test"], options].concat())
        .unwrap()
        .settings
}

pub struct TestApp {
    /// Dropped before the stores: PostgreSQL does not drop a database while a client connects to
    /// it.
    nodes: Mutex<Vec<Node>>,
    pub stores: Stores,
    pub clock: Arc<ManualClock>,
    pub api: Api,
    address: SocketAddr,
}

impl TestApp {
    pub async fn new(backend: Backend, api: Api) -> Self {
        Self::with(backend, api, &[]).await
    }

    /// With options besides the fast hashes that every test uses.
    pub async fn with(backend: Backend, api: Api, options: &[&str]) -> Self {
        let mut app = Self::stores_only(backend, api).await;
        app.start(options).await;
        app
    }

    /// With rate limits, and a separate secret, so that other tests do not use the same limits.
    pub async fn limited(backend: Backend, api: Api, options: &[&str]) -> Self {
        let secret = STANDARD.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat());
        let limited = ["--rate-limit=on", "--auth-secret", &secret];
        Self::with(backend, api, &[&limited[..], options].concat()).await
    }

    /// On PostgreSQL and Redis, with a proxy in front of each.
    pub async fn with_proxies() -> (Self, TcpProxy, TcpProxy) {
        let mut app = Self::stores_only(Backend::PostgresRedis, Api::Rest).await;
        let database = TcpProxy::to(&app.stores.database_url).await;
        let redis = TcpProxy::to(app.stores.redis_url.as_ref().unwrap()).await;
        app.start(&["--database-url", &database.url, "--redis-url", &redis.url])
            .await;
        (app, database, redis)
    }

    /// Waits until the gateway has reconnected to its stores.
    pub async fn until_ready(&self) {
        let ready = async || (raw(http().get(self.url("/readyz"))).await.0 == 200).then_some(());
        eventually("the gateway is ready again", ready).await;
    }

    /// The stores only. `start` starts a gateway over them.
    pub async fn stores_only(backend: Backend, api: Api) -> Self {
        Self {
            nodes: Mutex::default(),
            stores: Stores::new(backend).await,
            clock: Arc::new(ManualClock::new()),
            api,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        }
    }

    pub async fn start(&mut self, options: &[&str]) {
        self.address = self.run_node(options).await;
    }

    /// Starts another gateway over the same stores.
    pub async fn second_node(&self, options: &[&str]) -> Client {
        let address = self.run_node(options).await;
        Client { api: self.api, address }
    }

    async fn run_node(&self, options: &[&str]) -> SocketAddr {
        let (node, address) = Node::start(&self.stores, &self.clock, options).await;
        self.nodes.lock().unwrap().push(node);
        address
    }

    pub fn client(&self) -> Client {
        Client {
            api: self.api,
            address: self.address,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Registers the example user of the documentation.
    pub async fn john(&self) -> SignedIn {
        self.client()
            .register_with("john.doe@example.com", "Password@123", "johndoe")
            .await
            .unwrap()
    }

    pub async fn login(&self, email: &str, password: &str) -> Result<SignedIn, Refusal> {
        self.client()
            .login(&serde_json::json!({"email": email, "password": password}))
            .await
    }

    pub async fn refresh(&self, token: &str) -> Result<SignedIn, Refusal> {
        self.client().refresh(token).await
    }

    pub async fn me(&self, access_token: &str) -> Result<User, Refusal> {
        self.client().me(access_token).await
    }
}

/// A gateway with its own runtime, so that it runs while the test's thread is busy. It stops when
/// dropped.
struct Node(Option<Runtime>);

impl Node {
    async fn start(stores: &Stores, clock: &Arc<ManualClock>, options: &[&str]) -> (Self, SocketAddr) {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        // Each gateway has a thread for each core, and each thread has several descriptors.
        raise_descriptor_limit();
        let (settings, clock) = (settings_over(stores, options), clock.clone());
        let started = runtime.spawn(async move {
            let app = App::assemble(&settings, clock).await.unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(app.serve(listener, std::future::pending()));
            address
        });
        let address = started.await.unwrap();
        (Self(Some(runtime)), address)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The end of a test need not wait for the runtime.
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

fn settings_over(stores: &Stores, options: &[&str]) -> Settings {
    let mut all = vec![
        "--argon2-memory-kib=128",
        "--argon2-iterations=1",
        "--hash-threads=1",
        "--rate-limit=off",
        "--database-url",
        &stores.database_url,
        "--auth-secret",
        AUTH_SECRET,
    ];
    if let Some(url) = &stores.redis_url {
        all.extend(["--redis-url", url]);
    }
    all.extend(options);
    settings(&all)
}
