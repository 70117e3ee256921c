//! Whether the stores respond.

use crate::store::{Database, Redis};

/// Checks the dependencies of this node.
pub struct HealthCheck {
    pub(crate) database: Database,
    pub(crate) redis: Option<Redis>,
}

/// The state of each dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    pub is_database_up: bool,
    /// `None` if no Redis is configured.
    pub is_redis_up: Option<bool>,
}

impl Health {
    /// Whether every dependency is up.
    #[must_use]
    pub fn is_ready(self) -> bool {
        self.is_database_up && self.is_redis_up.unwrap_or(true)
    }
}

impl HealthCheck {
    /// Pings all dependencies concurrently.
    pub async fn check(&self) -> Health {
        let redis = async {
            match &self.redis {
                Some(redis) => Some(redis.ping().await.is_ok() && redis.is_healthy()),
                None => None,
            }
        };
        let (database, is_redis_up) = tokio::join!(self.database.ping(), redis);
        Health {
            is_database_up: database.is_ok(),
            is_redis_up,
        }
    }
}
