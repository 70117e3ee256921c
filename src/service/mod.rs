//! What the product does, one file a use case. Both doors call these methods and nothing else; every rule is here or in
//! `domain`, once.

mod audit;
mod authenticate;
mod change_password;
mod discovery;
mod ending;
mod health;
mod housekeeping;
mod input;
mod keys;
mod limits;
mod login;
mod logout;
mod me;
mod measure;
mod refresh;
mod register;
mod session_ender;
mod sessions;
mod tokens;
mod unstoppable;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::domain::clock::Clock;
use crate::domain::password::PasswordRules;
use crate::domain::session::Lifetimes;
use crate::security::{AccessTokens, PasswordPool, Pseudonyms, RefreshTokens};
use crate::store::{Accounts, AuditLog, Database, Limits, Redis, SessionStore};

use housekeeping::Turnstile;
use keys::KeyReading;
use watch::Watchers;

pub use audit::{Audit, AuditWriter};
pub use change_password::ChangePasswordInput;
pub use discovery::Discovery;
pub use health::Health;
pub use keys::KeyKeeper;
pub use login::LoginInput;
pub use logout::{LogoutInput, LogoutScope};
pub use register::RegisterInput;
pub use session_ender::{EndedSessions, SessionEnder};
pub use tokens::{SignedIn, Tokens};
pub use watch::{SessionWatch, WATCH_INTERVAL};

/// Everything that the use cases work with.
pub struct Parts {
    /// Accounts.
    pub accounts: Accounts,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// How often what has been tried; `None` where nothing is limited.
    pub limits: Option<Arc<dyn Limits>>,
    /// Names for what is counted.
    pub pseudonyms: Pseudonyms,
    /// Hashes passwords.
    pub passwords: PasswordPool,
    /// Issues and verifies access tokens.
    pub access_tokens: AccessTokens,
    /// Makes and reads refresh tokens.
    pub refresh_tokens: RefreshTokens,
    /// Keeps the keys of access tokens.
    pub key_keeper: KeyKeeper,
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
    parts: Parts,
    key_reading: Mutex<KeyReading>,
    last_sweep: Turnstile,
    last_audit_sweep: Turnstile,
    watchers: Watchers,
}

impl Service {
    /// A service made of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let now = parts.clock.now();
        Self {
            parts,
            key_reading: Mutex::new(KeyReading::succeeded(now)),
            last_sweep: Turnstile::passed(now),
            last_audit_sweep: Turnstile::passed(now),
            watchers: Watchers::none(now),
        }
    }
}
