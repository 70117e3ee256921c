//! Real servers, each a process that can be killed, paused and started again at the same address.

mod cluster;
mod gateway;
mod postgres;
mod process;
mod redis;
mod site;
mod verifier;

pub use cluster::Cluster;
pub use gateway::Gateway;
pub use postgres::{Postgres, PostgresTemplate};
pub use process::eventually;
pub use redis::Redis;
pub use site::Site;
pub use verifier::Verifier;
