//! The Redis server or cluster.

use clap::Args;
use url::Url;

use crate::domain::secret::SecretString;

/// One Redis server, or several nodes of one cluster; secret, because an address may contain a
/// password.
#[derive(Debug, Clone)]
pub struct RedisUrl(pub Vec<SecretString>);

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "State")]
pub struct RedisSettings {
    /// Redis address: `redis://HOST:PORT`, `rediss://…` for TLS, or several nodes of one cluster,
    /// separated by commas. Unset: the database keeps the sessions, and each node counts its own
    /// limits
    #[arg(long, global = true, value_parser = redis_url)]
    pub redis_url: Option<RedisUrl>,
}

fn redis_url(text: &str) -> Result<RedisUrl, String> {
    let is_redis =
        |node: &str| Url::parse(node).is_ok_and(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host());
    let nodes: Vec<&str> = text.split(',').map(str::trim).collect();
    if nodes.iter().all(|node| is_redis(node)) {
        Ok(RedisUrl(
            nodes
                .into_iter()
                .map(|node| SecretString::new(node.to_owned()))
                .collect(),
        ))
    } else {
        Err("must be redis://HOST:PORT, rediss://HOST:PORT for TLS, or several nodes of one cluster separated by commas, \
             for example redis://127.0.0.1:6379"
            .to_owned())
    }
}
