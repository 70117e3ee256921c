//! Whether the stores answer.

use crate::service::Service;

/// The state of each dependency; `None` for one that is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The database answers.
    pub is_database_up: bool,
    /// Redis answers.
    pub is_redis_up: Option<bool>,
}

impl Health {
    /// Whether everything answers.
    #[must_use]
    pub fn is_ready(self) -> bool {
        self.is_database_up && self.is_redis_up.unwrap_or(true)
    }
}

impl Service {
    /// Asks each dependency for a sign of life, at the same time.
    pub async fn health(&self) -> Health {
        let redis = async {
            match &self.parts.redis {
                Some(redis) => Some(redis.ping().await.is_ok() && redis.is_healthy()),
                None => None,
            }
        };
        let (database, is_redis_up) = tokio::join!(self.parts.database.ping(), redis);
        Health {
            is_database_up: database.is_ok(),
            is_redis_up,
        }
    }
}
