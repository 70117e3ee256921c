//! One-time tokens: in SQL, or in Redis for those that live for minutes.
//!
//! Every store implements [`OneTimeTokenStore`], and one suite of tests runs the same cases on
//! each. The payloads are encrypted. Neither a database nor a Redis that leaks reveals a secret,
//! a code or a payload. `domain::one_time_token` explains how to add a purpose.
//!
//! Payloads are never sealed anew. After a change of `AUTH_SECRET` a payload opens only while the
//! old secret is kept beside the new one. The longest purpose, `email_change_revert`, lasts seven
//! days: the old secret must be kept that long.

mod by_lifetime;
mod contract;
mod payload;
mod redis;
mod sql;

pub use by_lifetime::TokensByLifetime;
pub use contract::OneTimeTokenStore;
pub use redis::RedisTokens;
pub use sql::SqlTokens;
