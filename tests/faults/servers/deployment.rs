//! Gateways with the stores that they share.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Gateway, Postgres, Redis};
use crate::environment::Environment;
use crate::record::Record;

/// Fields are dropped in this order, so the gateways stop first.
pub struct Deployment {
    pub nodes: Vec<Gateway>,
    pub redis: Option<Redis>,
    pub postgres: Option<Postgres>,
}

impl Deployment {
    /// One node on a SQLite file.
    pub async fn sqlite(env: &mut Environment, options: &[&str]) -> Self {
        let file = env.folder("sqlite").join("auth.db");
        let database = format!("--database-url=sqlite://{}", file.display());
        Self {
            nodes: vec![Gateway::start(env, &all(&[database], options)).await],
            redis: None,
            postgres: None,
        }
    }

    /// Two nodes on PostgreSQL and Redis.
    pub async fn postgres_redis(env: &mut Environment, options: &[&str]) -> Self {
        let redis = Redis::start(env, &[]).await;
        let url = redis.url();
        Self::with_redis(env, redis, &url, options).await
    }

    /// Two nodes on PostgreSQL and this Redis, which they reach at `url`.
    pub async fn with_redis(env: &mut Environment, redis: Redis, url: &str, options: &[&str]) -> Self {
        let mut deployment = Self::on_postgres(env, &[format!("--redis-url={url}")], options).await;
        deployment.redis = Some(redis);
        deployment
    }

    /// Two nodes on PostgreSQL, with `stores` as further options.
    pub async fn on_postgres(env: &mut Environment, stores: &[String], options: &[&str]) -> Self {
        let postgres = Postgres::start(env).await;
        let database = format!("--database-url={}", postgres.url);
        let options = all(&[stores, &[database]].concat(), options);
        let mut nodes = Vec::new();
        for _ in 0..2 {
            nodes.push(Gateway::start(env, &options).await);
        }
        Self {
            nodes,
            redis: None,
            postgres: Some(postgres),
        }
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.address).collect()
    }

    pub fn redis(&self) -> &Redis {
        self.redis.as_ref().expect("this deployment has a Redis")
    }

    pub fn redis_mut(&mut self) -> &mut Redis {
        self.redis.as_mut().expect("this deployment has a Redis")
    }

    pub fn postgres(&self) -> &Postgres {
        self.postgres.as_ref().expect("this deployment has a PostgreSQL")
    }

    pub fn postgres_mut(&mut self) -> &mut Postgres {
        self.postgres.as_mut().expect("this deployment has a PostgreSQL")
    }

    /// Waits until every node is ready. Returns how long that took.
    pub async fn wait_until_ready(&self) -> Duration {
        let mut longest = Duration::ZERO;
        for node in &self.nodes {
            longest += node.wait_until_ready().await;
        }
        longest
    }

    /// How many warnings the nodes have logged about stores that are down.
    pub fn warnings(&self) -> usize {
        self.nodes.iter().map(Gateway::warnings).sum()
    }

    /// Checks what no answer shows. No user presents an old token, so no session may have ended for
    /// reuse. No node may have logged an error, and no connection may stay in a transaction.
    pub async fn check_logs_and_transactions(&self, record: &Record) {
        for node in &self.nodes {
            for line in node.audit("refresh_token_reused") {
                record.violation(format!("a session ended for reuse: {line}"));
            }
            if node.errors() > 0 {
                record.violation(format!("{} logged {} errors", node.address, node.errors()));
            }
        }
        if let Some(postgres) = &self.postgres
            && !postgres.ends_transactions().await
        {
            record.violation("a connection to PostgreSQL stays idle in a transaction");
        }
    }
}

fn all(stores: &[String], options: &[&str]) -> Vec<String> {
    let options = options.iter().map(|&option| option.to_owned());
    stores.iter().cloned().chain(options).collect()
}
