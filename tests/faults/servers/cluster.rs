//! A Redis Cluster: three primaries, each with a replica.

use std::process::Command;

use super::Redis;
use super::process::eventually;
use crate::environment::{Environment, new_password};

const NODES: usize = 6;
/// After this silence the other nodes consider a node dead, in milliseconds.
const NODE_TIMEOUT: &str = "2000";

pub struct Cluster {
    nodes: Vec<Redis>,
}

impl Cluster {
    pub async fn start(env: &mut Environment) -> Self {
        let mut nodes = Vec::new();
        let mut addresses = Vec::new();
        let password = new_password();
        for _ in 0..NODES {
            let bus = env.free_address().port().to_string();
            let options = [
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                NODE_TIMEOUT,
                "--cluster-port",
                &bus,
                "--repl-diskless-sync-delay",
                "0",
            ];
            let node = Redis::start_with_password(env, &password, &options).await;
            addresses.push(format!("{}@{bus}", node.address));
            nodes.push(node);
        }
        let made = Command::new("redis-cli")
            .env("REDISCLI_AUTH", &password)
            .args(["--cluster", "create"])
            .args(&addresses)
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let cluster = Self { nodes };
        cluster.wait_until_complete().await;
        cluster
    }

    /// The URLs of two nodes. A gateway learns the others from them.
    pub fn url(&self) -> String {
        format!("{},{}", self.nodes[0].url(), self.nodes[NODES - 1].url())
    }

    /// Kills a primary and returns its index.
    pub async fn kill_primary(&mut self, env: &mut Environment) -> usize {
        let mut primaries = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            if role(node).await == "master" {
                primaries.push(number);
            }
        }
        let number = *env.rng.pick(&primaries);
        self.nodes[number].process.kill();
        number
    }

    /// Waits until the other nodes have agreed on a new primary for the slots of the killed one.
    pub async fn wait_until_replaced(&self, killed: usize) {
        let others = || self.nodes.iter().enumerate().filter(|(number, _)| *number != killed);
        eventually("a replica takes over", async || {
            let mut primaries = 0;
            for (_, node) in others() {
                if !is_ok(node).await {
                    return false;
                }
                primaries += usize::from(role(node).await == "master");
            }
            primaries == NODES / 2
        })
        .await;
    }

    /// Starts a node again. It becomes a replica of its former replica.
    pub async fn bring_back(&mut self, env: &Environment, number: usize) {
        self.nodes[number].start_again(env).await;
        self.wait_until_complete().await;
    }

    /// Waits until every node reports a working cluster, and each replica is connected to its
    /// primary.
    async fn wait_until_complete(&self) {
        eventually("the cluster is complete", async || {
            let mut replicas = 0;
            for node in &self.nodes {
                if !is_ok(node).await {
                    return false;
                }
                replicas += usize::from(is_connected_to_primary(node).await);
            }
            replicas == NODES / 2
        })
        .await;
    }
}

async fn is_ok(node: &Redis) -> bool {
    let info: String = node.run(&["CLUSTER", "INFO"]).await;
    info.contains("cluster_state:ok")
}

async fn role(node: &Redis) -> String {
    let role: Vec<redis::Value> = node.run(&["ROLE"]).await;
    redis::from_redis_value(role[0].clone()).unwrap()
}

async fn is_connected_to_primary(node: &Redis) -> bool {
    let info: String = node.run(&["INFO", "replication"]).await;
    info.contains("master_link_status:up")
}
