//! Change of password: the current one for a new one, and the end of all other sessions.

use crate::domain::account::Account;
use crate::domain::audit::Event;
use crate::domain::client::{Caller, ClientInfo, Credentials};
use crate::domain::context_words::AccountNames;
use crate::domain::credential::{AccountCredentials, CredentialsUpdate, PasswordChange};
use crate::domain::error::Refusal;
use crate::domain::password::{NewPassword, PasswordHash, PresentedPassword};
use crate::domain::secret::SecretString;
use crate::domain::{Error, Result};
use crate::security::PasswordVerification;
use crate::service::Service;
use crate::service::detached::spawn_detached;
use crate::service::metrics::measured;
use crate::service::sign_in::password::{ATTEMPTS, replaced_again_and_again};
use crate::service::validation::Problems;

/// What a person types to change their password.
#[derive(Debug)]
pub struct ChangePasswordInput {
    /// The password of now.
    pub current_password: SecretString,
    /// The password to be.
    pub new_password: SecretString,
}

struct Passwords {
    current: PresentedPassword,
    new: PresentedPassword,
}

impl Service {
    /// Changes the password of the caller's account. The session that asks lives on; all others of the account end in the same step.
    ///
    /// # Errors
    /// As `authenticate`; `Validation` for a new password that would not do at registration either, or that is the current one;
    /// `InvalidCredentials` for a wrong current password; `RateLimited`, by the limits of a login: whoever has stolen an access token must
    /// not guess the password with it; `Unavailable`. Nothing has changed then, unless it was the answer of a store that got lost.
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
        let mut caller = self.authenticate(credentials).await?;
        let passwords = self.read_passwords(&input, &caller.account)?;
        self.charge_login_from_network(client).await?;
        self.parts.sessions.check_ready().await?;
        let mut found = self.get_with_password(&caller).await?;
        let limits = self
            .charge_login(&found.email_key, Some(caller.account.id), client)
            .await?;
        for _ in 0..ATTEMPTS {
            self.check_current(&caller, found.password_hash.as_ref(), &passwords, client)
                .await?;
            self.forgive_failures(&limits).await;
            let change = PasswordChange {
                account: caller.account.id,
                by: caller.session,
                verified: found.version,
                new_hash: self.parts.passwords.hash(passwords.new.clone()).await?,
            };
            if self.carry_out(change, client).await? == CredentialsUpdate::Applied {
                return Ok(());
            }
            // Another change came first, or a login that raised the cost of the hash, or the end of this session.
            caller = self.authenticate(credentials).await?;
            found = self.get_with_password(&caller).await?;
        }
        Err(replaced_again_and_again())
    }

    fn read_passwords(&self, input: &ChangePasswordInput, account: &Account) -> Result<Passwords> {
        let mut problems = Problems::default();
        let owner = AccountNames {
            email: &account.email,
            username: &account.username,
        };
        let current = problems.check(
            "current_password",
            PresentedPassword::parse(input.current_password.expose()),
        );
        let new = problems.check(
            "new_password",
            NewPassword::parse(input.new_password.expose(), &self.parts.password_rules, owner),
        );
        let (Some(current), Some(new)) = (current, new) else {
            return Err(problems.into_error());
        };
        if new.is(&current) {
            problems.note("new_password", "must be another than the current one");
            return Err(problems.into_error());
        }
        let new = new.into_presented();
        Ok(Passwords { current, new })
    }

    async fn get_with_password(&self, caller: &Caller) -> Result<AccountCredentials> {
        let found = self.parts.accounts.find_credentials(caller.account.id).await?;
        found.ok_or(Error::Unauthenticated(Refusal::Revoked))
    }

    async fn check_current(
        &self,
        caller: &Caller,
        stored: Option<&PasswordHash>,
        passwords: &Passwords,
        client: &ClientInfo,
    ) -> Result<()> {
        let verification = self.parts.passwords.verify(passwords.current.clone(), stored).await?;
        if verification != PasswordVerification::Differs {
            return Ok(());
        }
        let failed = Event::PasswordChangeFailed {
            account: caller.account.id,
            session: caller.session,
        };
        self.parts.audit.note(failed, client);
        Err(Error::InvalidCredentials)
    }

    async fn carry_out(&self, change: PasswordChange, client: &ClientInfo) -> Result<CredentialsUpdate> {
        let ending = self.ending(client, self.parts.clock.now());
        spawn_detached(async move {
            let step = ending.sessions.change_password(&change, ending.now).await?;
            if step == CredentialsUpdate::Applied {
                ending.note(Event::PasswordChanged {
                    account: change.account,
                    session: change.by,
                });
            }
            Ok(step)
        })
        .await
    }
}
