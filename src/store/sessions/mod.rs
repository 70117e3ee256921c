//! Sessions: SQL is the truth about which exist; Redis, where configured, holds their hot state.
//!
//! Both stores keep the one contract below, and one suite of tests runs the same cases on each.

mod redis;
mod sql;

use crate::domain::Result;
use crate::domain::account::{AccountId, CredentialsUpdate, PasswordChange, PasswordHash};
use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::Limit;
use crate::domain::refresh_token::RefreshClaim;
use crate::domain::session::{EndReason, LiveSession, NewSession, Renewal, SessionEnd, SessionId, SessionRecord};
use async_trait::async_trait;

pub use redis::RedisSessions;
pub use sql::SqlSessions;

/// What the service asks of sessions. Every method is one atomic step, whatever else happens at the same time,
/// and fails with `Unavailable` when a store that it needs is down.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Whether everything needed to open, renew or end a session answers. Asked before work that would be lost otherwise.
    async fn check_ready(&self) -> Result<()>;

    /// Opens a session on a password, unless its hash is no longer the one that was compared.
    async fn open(&self, session: &NewSession, compared: &PasswordHash) -> Result<CredentialsUpdate>;

    /// Finds a live session and its account; `None` if it has been ended, its time is over, it never was one, or the account is gone. It may
    /// have been renewed since what it says of that.
    async fn find(&self, id: SessionId, now: Timestamp) -> Result<Option<LiveSession>>;

    /// The same, to the last renewal: for whoever judges a refresh token by it.
    async fn find_renewed(&self, id: SessionId, now: Timestamp) -> Result<Option<LiveSession>>;

    /// The account's live sessions, the newest first, at most a hundred.
    async fn list(&self, account: AccountId, now: Timestamp) -> Result<Vec<SessionRecord>>;

    /// Whose session this is, or was; `None` if it never was one or has been forgotten.
    async fn find_owner(&self, id: SessionId) -> Result<Option<AccountId>>;

    /// Renews a session by the rotation table in ARCHITECTURE.md, after charging the session against the limit, where there is one.
    /// A reused token ends the session in the same step. The grace period stands still while the store is down.
    async fn rotate(&self, claim: RefreshClaim, now: Timestamp, limit: Option<Limit>) -> Result<Renewal>;

    /// Ends a session; ending one that is over already changes nothing. Once this returns, the session is over at every
    /// node, and stays so whatever a cache loses. Says whose session it ended; `None` if there was nothing to end.
    async fn end(&self, id: SessionId, reason: EndReason, now: Timestamp) -> Result<Option<AccountId>>;

    /// Ends every session of the account that is open now, except one; as lasting as `end`.
    async fn end_others(&self, account: AccountId, except: SessionId, reason: EndReason, now: Timestamp) -> Result<()>;

    /// Ends every session of the account that is open now; as lasting as `end`. Says how many it ended.
    async fn end_all(&self, account: AccountId, reason: EndReason, now: Timestamp) -> Result<u64>;

    /// Changes a password and ends every session of the account that is open now, except the one that asks: both or neither, and the ends
    /// as lasting as `end`. Nothing changes if the hash is no longer the old one, or the session that asks is over.
    async fn change_password(&self, change: &PasswordChange, now: Timestamp) -> Result<CredentialsUpdate>;

    /// To be called after what is public of an account has changed in SQL: once this returns, no node finds a session of it with
    /// what was there before.
    async fn forget_account(&self, account: AccountId) -> Result<()>;

    /// The addresses from which the account's sessions were opened that have not been forgotten, at most a hundred.
    async fn addresses(&self, account: AccountId) -> Result<Vec<String>>;

    /// How a session was ended; `None` if it was not, was forgotten, or never was.
    async fn find_end(&self, id: SessionId) -> Result<Option<SessionEnd>>;

    /// The sessions that were ended at `since` or later.
    async fn ends_since(&self, since: Timestamp) -> Result<Vec<SessionEnd>>;

    /// Looks for an outage, and finishes what one has left undone. Called every second or so.
    async fn settle(&self, now: Timestamp) -> Result<()>;

    /// Takes note of what others have changed in SQL. Called as often, but apart: there may be very much of it, and marks must not wait.
    async fn follow(&self, now: Timestamp) -> Result<()>;

    /// Forgets some of the sessions that ended or expired a week ago or longer, and says how many: a small batch, so that nobody waits
    /// for it. Nodes that sweep at the same time do not wait for each other either; one of them sweeps.
    async fn sweep(&self, now: Timestamp) -> Result<u64>;
}
