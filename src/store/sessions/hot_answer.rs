//! What the scripts of sessions answer.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value, from_redis_value};
use uuid::Uuid;

use super::profile::Profiles;
use crate::domain::account::{Account, AccountId};
use crate::domain::clock::Timestamp;
use crate::domain::limit::{Allowance, Limit};
use crate::domain::session::{Generation, LiveSession, Session, SessionId};
use crate::domain::{Error, Result};

/// What `find.lua` returns, and the first part of what `rotate.lua` does.
pub(super) struct Answer {
    pub(super) outcome: String,
    account: String,
    pub(super) generation: Generation,
    rotated_at: Timestamp,
    expires_at: Timestamp,
    profile: String,
}

/// What `rotate.lua` returns.
pub(super) struct RotateAnswer {
    pub(super) answer: Answer,
    arrival: Timestamp,
    refused_for: Duration,
}

impl Answer {
    /// The right to put a session back that is missing.
    pub(super) fn lease(&self) -> &str {
        &self.account
    }

    pub(super) fn account_id(&self) -> Result<AccountId> {
        Uuid::parse_str(&self.account).map(AccountId).map_err(Error::internal)
    }

    /// Whose session this is; `None` if Redis holds of it what the gateway has not written.
    pub(super) fn account(&self, id: SessionId, profiles: &Profiles) -> Option<Account> {
        profiles.read(id, self.account_id().ok()?, &self.profile)
    }

    pub(super) fn session(&self, id: SessionId) -> Result<Session> {
        Ok(Session {
            id,
            account: self.account_id()?,
            generation: self.generation,
            rotated_at: self.rotated_at,
            expires_at: self.expires_at,
        })
    }

    /// The session and whose it is; `None` as for the account.
    pub(super) fn live_session(&self, id: SessionId, profiles: &Profiles) -> Option<LiveSession> {
        Some(LiveSession {
            session: self.session(id).ok()?,
            account: self.account(id, profiles)?,
        })
    }
}

impl RotateAnswer {
    /// For how long the charge was refused; `None` if it was not.
    pub(super) fn refused_for(&self) -> Option<Duration> {
        Some(self.refused_for).filter(|wait| !wait.is_zero())
    }

    /// What is left of the limit that was charged.
    pub(super) fn allowance(&self, limit: Limit, now: Timestamp) -> Allowance {
        limit.allowance(self.arrival, self.refused_for(), now)
    }
}

impl FromRedisValue for Answer {
    fn from_redis_value(value: Value) -> std::result::Result<Self, ParsingError> {
        let (outcome, account, generation, rotated_at, expires_at, profile) = from_redis_value(value)?;
        Ok(Self {
            outcome,
            account,
            generation: Generation(generation),
            rotated_at: Timestamp::from_millis(rotated_at),
            expires_at: Timestamp::from_millis(expires_at),
            profile,
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
