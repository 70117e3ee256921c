//! Charges operations against their rate limits, before anything expensive is done.
//!
//! Limits are charged for each operation, not for each request: one GraphQL request can hold many
//! logins. Known and unknown accounts are charged alike, so that a limit does not reveal whether an
//! account exists.

use std::net::IpAddr;
use std::sync::Arc;

use metrics::counter;

use crate::domain::account::AccountId;
use crate::domain::audit::{AuditEvent, EventKind};
use crate::domain::client::ClientInfo;
use crate::domain::clock::Clock;
use crate::domain::rate_limit::{Allowance, Limit, network};
use crate::domain::session::SessionId;
use crate::domain::{Error, Result};
use crate::security::KeyedHash;
use crate::service::audit::Audit;
use crate::store::{Limits, SessionStore};

/// Charges rate limits.
pub struct RateLimiter {
    /// `None` if rate limits are off.
    pub(crate) limits: Option<Arc<dyn Limits>>,
    /// Replaces the names of subjects, so that the counters hold no personal data.
    pub(crate) keyed_hash: KeyedHash,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The limits that one login is charged against, and their subject.
pub(crate) struct LoginLimits {
    attempts: Limit,
    failures: Limit,
    subject: Subject,
}

/// What a limit counts by.
struct Subject {
    name: String,
    /// For the audit log. A login name that belongs to no account is not recorded.
    account: Option<AccountId>,
    session: Option<SessionId>,
}

impl RateLimiter {
    /// Charges a registration.
    ///
    /// # Errors
    /// `RateLimited`; `Unavailable`.
    pub(crate) async fn charge_registration(&self, client: &ClientInfo) -> Result<()> {
        self.charge(Limit::RegisterPerAddress, &Subject::network(client), client)
            .await
    }

    /// Charges a login by network, before the account is looked up.
    pub(crate) async fn charge_login_from_network(&self, client: &ClientInfo) -> Result<()> {
        self.charge(Limit::LoginPerAddress, &Subject::network(client), client)
            .await
    }

    /// Charges a login by account, or by a name that belongs to no account. Clients in a network
    /// where the account has signed in before have an allowance of their own: an attacker
    /// elsewhere cannot lock the owner out. `name` is the normalised e-mail or username.
    pub(crate) async fn charge_login(
        &self,
        name: &str,
        account: Option<AccountId>,
        client: &ClientInfo,
    ) -> Result<LoginLimits> {
        let subject = |name| Subject {
            name,
            account,
            session: None,
        };
        let limits = if self.is_known_network(account, client).await? {
            LoginLimits {
                attempts: Limit::LoginFromKnownAddress,
                failures: Limit::FailuresFromKnownAddress,
                subject: subject(format!("{name} {}", network_name(client))),
            }
        } else {
            LoginLimits {
                attempts: Limit::LoginPerAccount,
                failures: Limit::FailuresPerAccount,
                subject: subject(name.to_owned()),
            }
        };
        self.charge(limits.attempts, &limits.subject, client).await?;
        self.charge(limits.failures, &limits.subject, client).await?;
        Ok(limits)
    }

    /// Resets the count of failures after a login that succeeded. The login succeeds even if this
    /// fails.
    pub(crate) async fn forgive_failures(&self, limits: &LoginLimits) {
        let Some(store) = &self.limits else { return };
        let subject = self.keyed_hash.of(&limits.subject.name);
        if let Err(error) = store.forgive(limits.failures, &subject).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the count of failed logins could not be reset after a login that succeeded"
            );
        }
    }

    /// The limit of renewals; `None` if rate limits are off. The session store charges it, in the
    /// same step as the rotation.
    pub(crate) fn renewal_limit(&self) -> Option<Limit> {
        self.limits.as_ref().map(|_| Limit::RefreshPerSession)
    }

    /// Records the charge of a renewal.
    ///
    /// # Errors
    /// `RateLimited`.
    pub(crate) fn record_renewal(
        &self,
        allowance: Option<Allowance>,
        session: SessionId,
        client: &ClientInfo,
    ) -> Result<()> {
        let subject = (None, Some(session));
        allowance.map_or(Ok(()), |allowance| self.record(allowance, subject, client))
    }

    async fn charge(&self, limit: Limit, subject: &Subject, client: &ClientInfo) -> Result<()> {
        let Some(store) = &self.limits else {
            return Ok(());
        };
        let subject_hash = self.keyed_hash.of(&subject.name);
        let allowance = store.charge(limit, &subject_hash, self.clock.now()).await?;
        self.record(allowance, (subject.account, subject.session), client)
    }

    /// Records a charge for the answer's headers, and a refusal in the audit log too.
    fn record(
        &self,
        allowance: Allowance,
        (account, session): (Option<AccountId>, Option<SessionId>),
        client: &ClientInfo,
    ) -> Result<()> {
        client.charges.record(allowance);
        let Some(wait) = allowance.refused_for else {
            return Ok(());
        };
        let limit = allowance.limit;
        counter!("auth_gateway_limited_total", "limit" => limit.name()).increment(1);
        let limited = AuditEvent::new(EventKind::Limited)
            .account(account)
            .session(session)
            .detail(limit.name());
        self.audit.record(limited, client);
        Err(Error::RateLimited(wait))
    }

    /// Whether the account has signed in from the client's network before. For an unknown account
    /// the lookup happens all the same, so that the time does not reveal whether it exists.
    async fn is_known_network(&self, account: Option<AccountId>, client: &ClientInfo) -> Result<bool> {
        if self.limits.is_none() {
            return Ok(false);
        }
        let account = account.unwrap_or_else(AccountId::random);
        let current = network_name(client);
        let addresses = self.sessions.addresses(account).await?;
        let mut known = addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok());
        Ok(known.any(|address| network(address).to_string() == current))
    }
}

impl Subject {
    fn network(client: &ClientInfo) -> Self {
        Self {
            name: network_name(client),
            account: None,
            session: None,
        }
    }
}

/// The client's network, by which limits per address count.
fn network_name(client: &ClientInfo) -> String {
    client
        .address
        .map_or_else(|| "unknown".to_owned(), |address| network(address).to_string())
}
