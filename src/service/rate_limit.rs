//! Charges what an operation costs against its limits, before anything expensive is done.
//!
//! Limits are charged for each operation, not for each request: one GraphQL request can hold many logins. Known and unknown accounts
//! are charged alike, so that a limit tells nothing.

use std::net::IpAddr;

use metrics::counter;

use crate::domain::account::AccountId;
use crate::domain::audit::Event;
use crate::domain::client::ClientInfo;
use crate::domain::rate_limit::{Allowance, Limit, network};
use crate::domain::session::SessionId;
use crate::domain::{Error, Result};
use crate::service::Service;

/// The limits of one login, and whom they count.
pub(crate) struct LoginLimits {
    attempts: Limit,
    failures: Limit,
    subject: Subject,
}

/// Whom a limit counts.
struct Subject {
    name: String,
    /// Who that is, for the audit log; a name that is no account's is not kept.
    account: Option<AccountId>,
    session: Option<SessionId>,
}

impl Service {
    /// Charges a registration.
    ///
    /// # Errors
    /// `RateLimited`; `Unavailable`.
    pub(crate) async fn charge_registration(&self, client: &ClientInfo) -> Result<()> {
        self.charge(Limit::RegisterPerAddress, &Subject::at(client), client)
            .await
    }

    /// Charges a login, as far as it is known before the account is looked for.
    pub(crate) async fn charge_login_from_network(&self, client: &ClientInfo) -> Result<()> {
        self.charge(Limit::LoginPerAddress, &Subject::at(client), client).await
    }

    /// Charges a login at an account, or at a name that is none. Who comes from where the owner has been signed in has an allowance
    /// of their own: a stranger cannot lock the owner out. `name` is what the account is called in the one spelling that counts.
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
        let limits = if self.is_known_place(account, client).await? {
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

    /// Takes the charge for a failure back: the login succeeded. It does so without this, too.
    pub(crate) async fn forgive_failures(&self, limits: &LoginLimits) {
        let Some(store) = &self.parts.limits else { return };
        let subject = self.parts.keyed_hash.of(&limits.subject.name);
        if let Err(error) = store.forgive(limits.failures, &subject).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the failed logins before one that succeeded could not be forgotten"
            );
        }
    }

    /// What a renewal is charged against, where anything is limited. The store of sessions does so, in the one step that it takes.
    pub(crate) fn renewal_limit(&self) -> Option<Limit> {
        self.parts.limits.as_ref().map(|_| Limit::RefreshPerSession)
    }

    /// Takes note of the charge of a renewal.
    ///
    /// # Errors
    /// `RateLimited`.
    pub(crate) fn note_renewal(
        &self,
        allowance: Option<Allowance>,
        session: SessionId,
        client: &ClientInfo,
    ) -> Result<()> {
        let whose = (None, Some(session));
        allowance.map_or(Ok(()), |allowance| self.note(allowance, whose, client))
    }

    async fn charge(&self, limit: Limit, subject: &Subject, client: &ClientInfo) -> Result<()> {
        let Some(store) = &self.parts.limits else {
            return Ok(());
        };
        let subject_hash = self.parts.keyed_hash.of(&subject.name);
        let allowance = store.charge(limit, &subject_hash, self.parts.clock.now()).await?;
        self.note(allowance, (subject.account, subject.session), client)
    }

    /// Takes note of a charge, and of whom it was charged to.
    fn note(
        &self,
        allowance: Allowance,
        (account, session): (Option<AccountId>, Option<SessionId>),
        client: &ClientInfo,
    ) -> Result<()> {
        client.charges.note(allowance);
        let Some(wait) = allowance.refused_for else {
            return Ok(());
        };
        let limit = allowance.limit;
        counter!("auth_gateway_limited_total", "limit" => limit.name()).increment(1);
        let limited = Event::Limited {
            limit,
            account,
            session,
        };
        self.parts.audit.note(limited, client);
        Err(Error::RateLimited(wait))
    }

    /// Whether the account has been signed in from the client's network. An account that does not exist is looked for all the same.
    async fn is_known_place(&self, account: Option<AccountId>, client: &ClientInfo) -> Result<bool> {
        if self.parts.limits.is_none() {
            return Ok(false);
        }
        let account = account.unwrap_or_else(AccountId::random);
        let here = network_name(client);
        let addresses = self.parts.sessions.addresses(account).await?;
        let mut places = addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok());
        Ok(places.any(|address| network(address).to_string() == here))
    }
}

impl Subject {
    /// Whoever comes from the client's network.
    fn at(client: &ClientInfo) -> Self {
        Self {
            name: network_name(client),
            account: None,
            session: None,
        }
    }
}

/// What limits per address count: the client's network.
fn network_name(client: &ClientInfo) -> String {
    client
        .address
        .map_or_else(|| "unknown".to_owned(), |address| network(address).to_string())
}
