//! What the changes of credentials need.

use std::sync::Arc;

use crate::domain::clock::Clock;
use crate::domain::password::PasswordRules;
use crate::security::PasswordPool;
use crate::service::audit::Audit;
use crate::service::rate_limit::RateLimiter;
use crate::service::session::Authenticator;
use crate::store::{Accounts, SessionStore};

/// What an account signs in with.
pub struct CredentialsService {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) limiter: Arc<RateLimiter>,
    pub(crate) passwords: Arc<PasswordPool>,
    pub(crate) password_rules: Arc<PasswordRules>,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
}
