//! What the product does, one file a use case. Both doors call these methods and nothing else; every rule is here or in
//! `domain`, once.

pub(crate) mod account;
mod audit;
pub(crate) mod credentials;
mod detached;
mod health;
mod maintenance;
mod metrics;
mod rate_limit;
pub(crate) mod session;
pub(crate) mod sign_in;
pub(crate) mod signing_key;
mod validation;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::domain::clock::Clock;
use crate::domain::password::PasswordRules;
use crate::domain::session::Lifetimes;
use crate::security::{AccessTokens, KeyedHash, PasswordPool, RefreshTokens};
use crate::store::{Accounts, AuditLog, Database, Limits, Redis, SessionStore};

use maintenance::Throttle;
use session::watch::Watchers;
use signing_key::rotate::KeyReading;

pub use account::register::RegisterInput;
pub use audit::{Audit, AuditWriter};
pub use credentials::change_password::ChangePasswordInput;
pub use health::Health;
pub use session::end_all::{EndedSessions, SessionEnder};
pub use session::logout::{LogoutInput, LogoutScope};
pub use session::tokens::{SignedIn, Tokens};
pub use session::watch::{SessionWatch, WATCH_INTERVAL};
pub use sign_in::password::LoginInput;
pub use signing_key::discovery::Discovery;
pub use signing_key::rotate::KeyRotation;

/// Everything that the use cases work with.
pub struct Dependencies {
    /// Accounts.
    pub accounts: Accounts,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// How often what has been tried; `None` where nothing is limited.
    pub limits: Option<Arc<dyn Limits>>,
    /// Names for what is counted.
    pub keyed_hash: KeyedHash,
    /// Hashes passwords.
    pub passwords: PasswordPool,
    /// Issues and verifies access tokens.
    pub access_tokens: AccessTokens,
    /// Makes and reads refresh tokens.
    pub refresh_tokens: RefreshTokens,
    /// Keeps the keys of access tokens.
    pub key_rotation: KeyRotation,
    /// Takes note of what happens.
    pub audit: Audit,
    /// Where that is kept.
    pub audit_log: AuditLog,
    /// For how long.
    pub audit_retention: Duration,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How long sessions and their tokens last.
    pub lifetimes: Lifetimes,
    /// What is asked of a new password.
    pub password_rules: PasswordRules,
    /// The database, for its health.
    pub database: Database,
    /// Redis where it is used, for its health.
    pub redis: Option<Redis>,
}

/// The gateway's operations.
pub struct Service {
    parts: Dependencies,
    key_reading: Mutex<KeyReading>,
    last_sweep: Throttle,
    last_audit_sweep: Throttle,
    watchers: Watchers,
}

impl Service {
    /// A service made of these parts.
    #[must_use]
    pub fn new(parts: Dependencies) -> Self {
        let now = parts.clock.now();
        Self {
            parts,
            key_reading: Mutex::new(KeyReading::succeeded(now)),
            last_sweep: Throttle::passed(now),
            last_audit_sweep: Throttle::passed(now),
            watchers: Watchers::none(now),
        }
    }
}
