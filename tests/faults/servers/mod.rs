//! Real servers, each a process that can be killed, paused and started again at the same address.

mod gateway;
mod postgres;
mod process;
mod redis;
mod site;

pub use gateway::Gateway;
pub use postgres::Postgres;
pub use redis::Redis;
pub use site::Site;
