//! Sessions. SQL is the truth about which sessions exist. Redis, where it is configured, holds
//! their current generation and a copy of the account.
//!
//! Both stores implement [`SessionStore`], and one suite of tests runs the same cases on each.

mod contract;
mod redis;
mod sql;

pub use contract::SessionStore;
pub use redis::RedisSessions;
pub use sql::SqlSessions;
