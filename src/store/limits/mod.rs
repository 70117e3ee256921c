//! How much of each limit has been used: in the process on one node, in Redis for many.

mod in_process;
mod in_redis;

use async_trait::async_trait;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::{Allowance, Limit};

pub use in_process::LimitsInProcess;
pub use in_redis::LimitsInRedis;

/// Counts by limit and subject. A subject is any short text; whoever chooses it keeps personal data out of it.
#[async_trait]
pub trait Limits: Send + Sync {
    /// Charges one, or says for how long not.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn charge(&self, limit: Limit, subject: &str, now: Timestamp) -> Result<Allowance>;

    /// Forgets what has been charged.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn forgive(&self, limit: Limit, subject: &str) -> Result<()>;
}
