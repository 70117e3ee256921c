//! What the scripts of sessions answer.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value, from_redis_value};

use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::{Allowance, Limit};
use crate::domain::session::{Generation, LiveSession, SessionId};
use crate::store::sessions::redis::profile::Profiles;

/// What `find.lua` returns, and the first part of what `rotate.lua` does.
pub(crate) struct Answer {
    pub(crate) outcome: String,
    profile: String,
    pub(crate) generation: Generation,
    pub(crate) rotated_at: Timestamp,
}

/// What `rotate.lua` returns.
pub(crate) struct RotateAnswer {
    pub(crate) answer: Answer,
    arrival: Timestamp,
    refused_for: Duration,
}

impl Answer {
    /// The right to put a session back that is missing.
    pub(crate) fn lease(&self) -> &str {
        &self.profile
    }

    /// The session and whose it is; `None` if Redis holds of that what the gateway has not written.
    pub(crate) fn live_session(&self, id: SessionId, profiles: &Profiles) -> Option<LiveSession> {
        let profile = profiles.read(id, &self.profile)?;
        Some(profile.of_session(id, self.generation, self.rotated_at))
    }
}

impl RotateAnswer {
    /// For how long the charge was refused; `None` if it was not.
    pub(crate) fn refused_for(&self) -> Option<Duration> {
        Some(self.refused_for).filter(|wait| !wait.is_zero())
    }

    /// What is left of the limit that was charged.
    pub(crate) fn allowance(&self, limit: Limit, now: Timestamp) -> Allowance {
        limit.allowance(self.arrival, self.refused_for(), now)
    }
}

impl FromRedisValue for Answer {
    fn from_redis_value(value: Value) -> std::result::Result<Self, ParsingError> {
        let (outcome, profile, generation, rotated_at): (_, Vec<u8>, _, _) = from_redis_value(value)?;
        Ok(Self {
            outcome,
            // What is no text was not written here, and is refused by its tag.
            profile: String::from_utf8_lossy(&profile).into_owned(),
            generation: Generation(generation),
            rotated_at: Timestamp::from_millis(rotated_at),
        })
    }
}

impl FromRedisValue for RotateAnswer {
    fn from_redis_value(value: Value) -> std::result::Result<Self, ParsingError> {
        let (answer, arrival, refused_for) = from_redis_value(value)?;
        Ok(Self {
            answer,
            arrival: Timestamp::from_millis(arrival),
            refused_for: Duration::from_millis(refused_for),
        })
    }
}
