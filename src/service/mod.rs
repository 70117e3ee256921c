//! What the product does: a folder for each subject, a file for each use case.
//!
//! Both APIs call the methods of [`Service`] and nothing else. Every rule stands here or in
//! `domain`, once. A use case goes into its subject's folder. The subject's struct holds the
//! collaborators that its use cases need; `app` builds it.

mod account;
mod audit;
mod credentials;
mod detached;
mod expired;
mod facade;
mod health;
mod maintenance;
mod metrics;
mod outbox;
mod rate_limit;
mod session;
mod sign_in;
mod signing_key;
mod throttle;
mod validation;

pub use account::{AccountService, RegisterInput};
pub use audit::{Audit, AuditWriter};
pub use credentials::{ChangePasswordInput, CredentialsService};
pub use expired::ExpiredRows;
pub use facade::Service;
pub use health::{Health, HealthCheck};
pub use maintenance::Maintenance;
pub use outbox::{Delivery, DeliveryError, OutboxWorker};
pub use rate_limit::RateLimiter;
pub use session::{
    Authenticator, EndedSessions, LogoutInput, LogoutScope, SessionEnder, SessionService, SessionWatch, SignedIn,
    TokenIssuer, Tokens, WATCH_INTERVAL, Watchers,
};
pub use sign_in::{CompleteSignIn, LoginInput, OneProofSuffices, Proof, SignInPolicy, SignInService};
pub use signing_key::{Discovery, KeyRotation, SigningKeyService};
pub use throttle::Throttle;
