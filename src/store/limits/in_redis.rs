//! Counters that all nodes share: one key for each subject, one script call for each charge.

use std::time::Duration;

use async_trait::async_trait;
use redis::Script;

use crate::domain::Result;
use crate::domain::clock::{Timestamp, millis};
use crate::domain::rate_limit::{Allowance, Limit};
use crate::store::Redis;
use crate::store::limits::Limits;

/// Counts in Redis.
pub struct LimitsInRedis {
    redis: Redis,
    charge: Script,
}

impl LimitsInRedis {
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self {
            redis,
            charge: Script::new(include_str!("lua/charge.lua")),
        }
    }
}

#[async_trait]
impl Limits for LimitsInRedis {
    async fn charge(&self, limit: Limit, subject: &str, now: Timestamp) -> Result<Allowance> {
        let quota = limit.quota();
        let arguments = [now.millis(), millis(quota.every), millis(quota.every * quota.burst)];
        let arguments = arguments.map(|argument| argument.to_string());
        let key = key(limit, subject);
        let (arrival, refused_for): (i64, u64) = self.redis.run(&self.charge, &key, &arguments).await?;
        let refused_for = (refused_for > 0).then(|| Duration::from_millis(refused_for));
        Ok(limit.allowance(Timestamp::from_millis(arrival), refused_for, now))
    }

    async fn forgive(&self, limit: Limit, subject: &str) -> Result<()> {
        self.redis.delete(&key(limit, subject)).await
    }
}

fn key(limit: Limit, subject: &str) -> String {
    format!("auth-gateway:limit:{}:{subject}", limit.name())
}
