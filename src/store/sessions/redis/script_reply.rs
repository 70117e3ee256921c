//! What the session scripts return.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value, from_redis_value};

use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::{Allowance, Limit};
use crate::domain::session::{Generation, LiveSession, SessionId};
use crate::store::sessions::redis::profile::Profiles;

/// The result of `find.lua`, and the first part of the result of `rotate.lua`.
pub(crate) struct Reply {
    pub(crate) outcome: String,
    profile: String,
    pub(crate) generation: Generation,
    pub(crate) rotated_at: Timestamp,
}

/// The result of `rotate.lua`.
pub(crate) struct RotateReply {
    pub(crate) reply: Reply,
    arrival: Timestamp,
    refused_for: Duration,
}

impl Reply {
    /// The lease that allows putting a missing session back.
    pub(crate) fn lease(&self) -> &str {
        &self.profile
    }

    /// The session and its account; `None` if the gateway did not write the profile in Redis.
    pub(crate) fn live_session(&self, id: SessionId, profiles: &Profiles) -> Option<LiveSession> {
        let profile = profiles.parse(id, &self.profile)?;
        Some(profile.into_live_session(id, self.generation, self.rotated_at))
    }
}

impl RotateReply {
    /// How long the charge is refused for; `None` if it was accepted.
    pub(crate) fn refused_for(&self) -> Option<Duration> {
        Some(self.refused_for).filter(|wait| !wait.is_zero())
    }

    pub(crate) fn allowance(&self, limit: Limit, now: Timestamp) -> Allowance {
        limit.allowance(self.arrival, self.refused_for(), now)
    }
}

impl FromRedisValue for Reply {
    fn from_redis_value(value: Value) -> std::result::Result<Self, ParsingError> {
        let (outcome, profile, generation, rotated_at): (_, Vec<u8>, _, _) = from_redis_value(value)?;
        Ok(Self {
            outcome,
            // Bytes that are no text were not written by the gateway: their tag does not verify.
            profile: String::from_utf8_lossy(&profile).into_owned(),
            generation: Generation(generation),
            rotated_at: Timestamp::from_millis(rotated_at),
        })
    }
}

impl FromRedisValue for RotateReply {
    fn from_redis_value(value: Value) -> std::result::Result<Self, ParsingError> {
        let (reply, arrival, refused_for) = from_redis_value(value)?;
        Ok(Self {
            reply,
            arrival: Timestamp::from_millis(arrival),
            refused_for: Duration::from_millis(refused_for),
        })
    }
}
