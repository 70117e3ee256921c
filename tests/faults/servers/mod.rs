//! Real servers. Each is a process that can be killed, stopped and started again at the same
//! address.

mod cluster;
mod deployment;
mod gateway;
mod postgres;
mod process;
mod redis;
mod verifier;

pub use cluster::Cluster;
pub use deployment::Deployment;
pub use gateway::Gateway;
pub use postgres::{Postgres, PostgresTemplate};
pub use process::eventually;
pub use redis::Redis;
pub use verifier::Verifier;
