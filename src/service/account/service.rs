//! What the use cases of an account need.

use std::sync::Arc;

use crate::domain::clock::Clock;
use crate::domain::password::PasswordRules;
use crate::security::PasswordPool;
use crate::service::rate_limit::RateLimiter;
use crate::service::session::Authenticator;
use crate::service::sign_in::CompleteSignIn;
use crate::store::SessionStore;

/// The life of an account.
pub struct AccountService {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) limiter: Arc<RateLimiter>,
    pub(crate) passwords: Arc<PasswordPool>,
    pub(crate) password_rules: Arc<PasswordRules>,
    pub(crate) complete_sign_in: Arc<CompleteSignIn>,
    pub(crate) clock: Arc<dyn Clock>,
}
