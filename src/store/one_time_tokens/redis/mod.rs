//! One-time tokens in Redis.

mod record;
mod scripts;
mod store;

pub use store::RedisTokens;
