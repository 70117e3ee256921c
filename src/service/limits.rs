//! Charges what an operation costs against its limits, before anything expensive is done.
//!
//! Limits are charged for each operation, not for each request: one GraphQL request can hold many logins. Known and unknown accounts
//! are charged alike, so that a limit tells nothing.

use std::net::IpAddr;

use metrics::counter;

use super::Service;
use crate::domain::account::AccountId;
use crate::domain::audit::Event;
use crate::domain::caller::Visitor;
use crate::domain::limit::{Allowance, Limit, network};
use crate::domain::session::SessionId;
use crate::domain::{Error, Result};

/// The limits of one login, and whom they count.
pub(super) struct LoginLimits {
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
    pub(super) async fn charge_registration(&self, visitor: &Visitor) -> Result<()> {
        self.charge(Limit::RegisterPerAddress, &Subject::at(visitor), visitor)
            .await
    }

    /// Charges a login, as far as it is known before the account is looked for.
    pub(super) async fn charge_visitor_login(&self, visitor: &Visitor) -> Result<()> {
        self.charge(Limit::LoginPerAddress, &Subject::at(visitor), visitor)
            .await
    }

    /// Charges a login at an account, or at a name that is none. Who comes from where the owner has been signed in has an allowance
    /// of their own: a stranger cannot lock the owner out. `name` is what the account is called in the one spelling that counts.
    pub(super) async fn charge_login(
        &self,
        name: &str,
        account: Option<AccountId>,
        visitor: &Visitor,
    ) -> Result<LoginLimits> {
        let subject = |name| Subject {
            name,
            account,
            session: None,
        };
        let limits = if self.is_known_place(account, visitor).await? {
            LoginLimits {
                attempts: Limit::LoginFromKnownAddress,
                failures: Limit::FailuresFromKnownAddress,
                subject: subject(format!("{name} {}", place(visitor))),
            }
        } else {
            LoginLimits {
                attempts: Limit::LoginPerAccount,
                failures: Limit::FailuresPerAccount,
                subject: subject(name.to_owned()),
            }
        };
        self.charge(limits.attempts, &limits.subject, visitor).await?;
        self.charge(limits.failures, &limits.subject, visitor).await?;
        Ok(limits)
    }

    /// Takes the charge for a failure back: the login succeeded. It does so without this, too.
    pub(super) async fn forgive_failures(&self, limits: &LoginLimits) {
        let Some(store) = &self.parts.limits else { return };
        let subject = self.parts.pseudonyms.of(&limits.subject.name);
        if let Err(error) = store.forgive(limits.failures, &subject).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the failed logins before one that succeeded could not be forgotten"
            );
        }
    }

    /// What a renewal is charged against, where anything is limited. The store of sessions does so, in the one step that it takes.
    pub(super) fn renewal_limit(&self) -> Option<Limit> {
        self.parts.limits.as_ref().map(|_| Limit::RefreshPerSession)
    }

    /// Takes note of the charge of a renewal.
    ///
    /// # Errors
    /// `RateLimited`.
    pub(super) fn note_renewal(
        &self,
        allowance: Option<Allowance>,
        session: SessionId,
        visitor: &Visitor,
    ) -> Result<()> {
        let whose = (None, Some(session));
        allowance.map_or(Ok(()), |allowance| self.note(allowance, whose, visitor))
    }

    async fn charge(&self, limit: Limit, subject: &Subject, visitor: &Visitor) -> Result<()> {
        let Some(store) = &self.parts.limits else {
            return Ok(());
        };
        let pseudonym = self.parts.pseudonyms.of(&subject.name);
        let allowance = store.charge(limit, &pseudonym, self.parts.clock.now()).await?;
        self.note(allowance, (subject.account, subject.session), visitor)
    }

    /// Takes note of a charge, and of whom it was charged to.
    fn note(
        &self,
        allowance: Allowance,
        (account, session): (Option<AccountId>, Option<SessionId>),
        visitor: &Visitor,
    ) -> Result<()> {
        visitor.charges.note(allowance);
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
        self.parts.audit.note(limited, visitor);
        Err(Error::RateLimited(wait))
    }

    /// Whether the account has been signed in from the visitor's network. An account that does not exist is looked for all the same.
    async fn is_known_place(&self, account: Option<AccountId>, visitor: &Visitor) -> Result<bool> {
        if self.parts.limits.is_none() {
            return Ok(false);
        }
        let account = account.unwrap_or_else(AccountId::random);
        let here = place(visitor);
        let addresses = self.parts.sessions.addresses(account).await?;
        let mut places = addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok());
        Ok(places.any(|address| network(address).to_string() == here))
    }
}

impl Subject {
    /// Whoever comes from the visitor's network.
    fn at(visitor: &Visitor) -> Self {
        Self {
            name: place(visitor),
            account: None,
            session: None,
        }
    }
}

/// What limits per address count: the visitor's network.
fn place(visitor: &Visitor) -> String {
    visitor
        .address
        .map_or_else(|| "unknown".to_owned(), |address| network(address).to_string())
}
