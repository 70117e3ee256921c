//! The contract of session stores.

use async_trait::async_trait;

use crate::domain::Result;
use crate::domain::account::AccountId;
use crate::domain::clock::Timestamp;
use crate::domain::credential::{CredentialsUpdate, CredentialsVersion, PasswordChange};
use crate::domain::rate_limit::Limit;
use crate::domain::refresh_token::{RefreshClaim, Renewal};
use crate::domain::session::{EndReason, Lifetimes, LiveSession, NewSession, SessionEnd, SessionId, SessionRecord};

/// What the service asks of sessions. Every method is one atomic step, whatever else happens at the
/// same time. It fails with `Unavailable` while a store that it needs is down.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Whether every store that opening, rotating or ending a session needs can be written. Called
    /// before expensive work.
    async fn check_ready(&self) -> Result<()>;

    /// Opens a session, unless the account's credentials have changed since they were verified.
    async fn open(&self, session: &NewSession, verified: CredentialsVersion) -> Result<CredentialsUpdate>;

    /// Finds a live session and its account. `None` if it has ended or expired, never existed, or
    /// the account is gone.
    async fn find(&self, id: SessionId, now: Timestamp) -> Result<Option<LiveSession>>;

    /// The account's live sessions, newest first, at most 100.
    async fn list(&self, account: AccountId, now: Timestamp) -> Result<Vec<SessionRecord>>;

    /// The account of a session, live or not. `None` if it never existed or was swept.
    async fn find_owner(&self, id: SessionId) -> Result<Option<AccountId>>;

    /// Rotates a session by the rotation table in ARCHITECTURE.md, after charging it against the
    /// limit, if one is given. A reused token ends the session in the same step. The grace period
    /// stands still while a store is down.
    async fn rotate(&self, claim: RefreshClaim, now: Timestamp, limit: Option<Limit>) -> Result<Renewal>;

    /// The lifetimes by which a refresh token is judged at `now`. The grace period is longer by the
    /// duration of a recent outage.
    fn lifetimes_at(&self, now: Timestamp) -> Lifetimes;

    /// Ends a session. Once this returns, every node refuses the session, and a store that loses
    /// data does not bring it back. Returns the account, or `None` if the session was not open.
    async fn end(&self, id: SessionId, reason: EndReason, now: Timestamp) -> Result<Option<AccountId>>;

    /// Ends every open session of the account except one, as durably as [`Self::end`].
    async fn end_others(&self, account: AccountId, except: SessionId, reason: EndReason, now: Timestamp) -> Result<()>;

    /// Ends every open session of the account, as durably as [`Self::end`]. Returns how many.
    async fn end_all(&self, account: AccountId, reason: EndReason, now: Timestamp) -> Result<u64>;

    /// Changes a password and ends every other open session of the account: both or neither, as
    /// durably as [`Self::end`]. `Conflict` if the credentials have changed since they were
    /// verified, or the session that asks has ended.
    async fn change_password(&self, change: &PasswordChange, now: Timestamp) -> Result<CredentialsUpdate>;

    /// Must be called after a public field of an account has changed in SQL. Once this returns, no
    /// node finds a session with the old value.
    async fn invalidate_account(&self, account: AccountId) -> Result<()>;

    /// The addresses from which the account's sessions were opened, at most 100.
    async fn addresses(&self, account: AccountId) -> Result<Vec<String>>;

    /// How a session ended. `None` if it has not, was swept, or never existed.
    async fn find_end(&self, id: SessionId) -> Result<Option<SessionEnd>>;

    /// The sessions that ended at `since` or later.
    async fn ends_since(&self, since: Timestamp) -> Result<Vec<SessionEnd>>;

    /// Detects outages, and completes steps that one has interrupted. Called about once a second.
    async fn flush_pending(&self, now: Timestamp) -> Result<()>;

    /// Applies what other programs have changed in SQL. Called about once a second, apart from
    /// `flush_pending`, because there may be much of it.
    async fn apply_external_changes(&self, now: Timestamp) -> Result<()>;

    /// Removes a small batch of the sessions that ended or expired at least a week ago, and returns
    /// how many. One node sweeps at a time; the others return at once.
    async fn sweep(&self, now: Timestamp) -> Result<u64>;
}
