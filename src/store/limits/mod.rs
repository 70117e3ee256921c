//! The counters of rate limits: in the process for one node, in Redis for many.

mod in_process;
mod in_redis;

use async_trait::async_trait;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::{Allowance, Limit};

pub use in_process::LimitsInProcess;
pub use in_redis::LimitsInRedis;

/// Counts by limit and subject. A subject is any short text. The caller keeps personal data out of
/// it.
#[async_trait]
pub trait Limits: Send + Sync {
    /// Charges one attempt, or refuses it.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn charge(&self, limit: Limit, subject: &str, now: Timestamp) -> Result<Allowance>;

    /// Resets the count of a subject.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn forgive(&self, limit: Limit, subject: &str) -> Result<()>;
}
