//! What the use cases of a session need.

use std::sync::Arc;

use crate::domain::clock::Clock;
use crate::domain::session::Lifetimes;
use crate::service::audit::Audit;
use crate::service::rate_limit::RateLimiter;
use crate::service::session::{Authenticator, TokenIssuer, Watchers};
use crate::store::SessionStore;

/// Sessions, from sign-in to logout.
pub struct SessionService {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) tokens: Arc<TokenIssuer>,
    pub(crate) limiter: Arc<RateLimiter>,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) watchers: Arc<Watchers>,
}
