//! Change of password: it ends all other sessions of the account.

use crate::domain::account::Account;
use crate::domain::audit::{AuditEvent, EventKind};
use crate::domain::client::{Caller, ClientInfo, Credentials};
use crate::domain::context_words::AccountNames;
use crate::domain::credential::{AccountCredentials, CredentialsUpdate, PasswordChange};
use crate::domain::error::Refusal;
use crate::domain::password::{NewPassword, PasswordHash, PresentedPassword};
use crate::domain::secret::SecretString;
use crate::domain::{Error, Result};
use crate::security::PasswordVerification;
use crate::service::credentials::CredentialsService;
use crate::service::detached::spawn_detached;
use crate::service::metrics::measured;
use crate::service::session::EndSession;
use crate::service::sign_in::{ATTEMPTS, credentials_keep_changing};
use crate::service::validation::Problems;

/// A change of password as the client sent it.
#[derive(Debug)]
pub struct ChangePasswordInput {
    pub current_password: SecretString,
    pub new_password: SecretString,
}

struct Passwords {
    current: PresentedPassword,
    new: PresentedPassword,
}

impl CredentialsService {
    /// Changes the password of the caller's account. The caller's session stays open. All others
    /// of the account end in the same step.
    ///
    /// # Errors
    /// As `Authenticator::authenticate`; `Validation` for a new password that a registration would
    /// refuse, or that is the current one; `InvalidCredentials` for a wrong current password;
    /// `RateLimited`, by the limits of a login, so that a stolen access token does not help to
    /// guess the password; `Unavailable`. Nothing has changed then, unless the store's answer was
    /// lost.
    pub async fn change_password(
        &self,
        input: ChangePasswordInput,
        credentials: &Credentials,
        client: &ClientInfo,
    ) -> Result<()> {
        measured("change_password", self.replace_password(input, credentials, client)).await
    }

    async fn replace_password(
        &self,
        input: ChangePasswordInput,
        credentials: &Credentials,
        client: &ClientInfo,
    ) -> Result<()> {
        let mut caller = self.authenticator.authenticate(credentials).await?;
        let passwords = self.parse_passwords(&input, &caller.account)?;
        self.limiter.charge_login_from_network(client).await?;
        self.sessions.check_ready().await?;
        let mut found = self.get_credentials(&caller).await?;
        let limits = self
            .limiter
            .charge_login(&found.email_key, Some(caller.account.id), client)
            .await?;
        for _ in 0..ATTEMPTS {
            self.verify_current(&caller, found.password_hash.as_ref(), &passwords, client)
                .await?;
            self.limiter.forgive_failures(&limits).await;
            let change = PasswordChange {
                account: caller.account.id,
                by: caller.session,
                verified: found.version,
                new_hash: self.passwords.hash(passwords.new.clone()).await?,
            };
            if self.apply(change, client).await? == CredentialsUpdate::Applied {
                return Ok(());
            }
            // The credentials have changed meanwhile, or the caller's session has ended.
            caller = self.authenticator.authenticate(credentials).await?;
            found = self.get_credentials(&caller).await?;
        }
        Err(credentials_keep_changing())
    }

    fn parse_passwords(&self, input: &ChangePasswordInput, account: &Account) -> Result<Passwords> {
        let mut problems = Problems::default();
        let names = AccountNames {
            email: &account.email,
            username: &account.username,
        };
        let current = problems.check(
            "current_password",
            PresentedPassword::parse(input.current_password.expose()),
        );
        let new = problems.check(
            "new_password",
            NewPassword::parse(input.new_password.expose(), &self.password_rules, names),
        );
        let (Some(current), Some(new)) = (current, new) else {
            return Err(problems.into_error());
        };
        if new.is(&current) {
            problems.add("new_password", "must be another than the current one");
            return Err(problems.into_error());
        }
        let new = new.into_presented();
        Ok(Passwords { current, new })
    }

    async fn get_credentials(&self, caller: &Caller) -> Result<AccountCredentials> {
        let found = self.accounts.find_credentials(caller.account.id).await?;
        found.ok_or(Error::Unauthenticated(Refusal::Revoked))
    }

    async fn verify_current(
        &self,
        caller: &Caller,
        stored: Option<&PasswordHash>,
        passwords: &Passwords,
        client: &ClientInfo,
    ) -> Result<()> {
        let verification = self.passwords.verify(passwords.current.clone(), stored).await?;
        if verification != PasswordVerification::Differs {
            return Ok(());
        }
        let failed = AuditEvent::new(EventKind::PasswordChangeFailed)
            .account(caller.account.id)
            .session(caller.session);
        self.audit.record(failed, client);
        Err(Error::InvalidCredentials)
    }

    async fn apply(&self, change: PasswordChange, client: &ClientInfo) -> Result<CredentialsUpdate> {
        let ending = EndSession::new(&self.sessions, &self.audit, client, self.clock.now());
        spawn_detached(async move {
            let update = ending.sessions.change_password(&change, ending.now).await?;
            if update == CredentialsUpdate::Applied {
                let changed = AuditEvent::new(EventKind::PasswordChanged)
                    .account(change.account)
                    .session(change.by);
                ending.record(changed);
            }
            Ok(update)
        })
        .await
    }
}
