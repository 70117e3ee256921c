//! What the ways to sign in need.

use std::sync::Arc;

use crate::security::PasswordPool;
use crate::service::audit::Audit;
use crate::service::rate_limit::RateLimiter;
use crate::service::sign_in::CompleteSignIn;
use crate::store::{Accounts, SessionStore};

/// The ways to sign in.
pub struct SignInService {
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) limiter: Arc<RateLimiter>,
    pub(crate) passwords: Arc<PasswordPool>,
    pub(crate) complete_sign_in: Arc<CompleteSignIn>,
    pub(crate) audit: Audit,
}
