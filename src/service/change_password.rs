//! Change of password: the current one for a new one, and the end of all other sessions.

use super::Service;
use super::input::Problems;
use super::login::{ATTEMPTS, replaced_again_and_again};
use super::measure::measured;
use super::unstoppable::unstoppable;
use crate::domain::account::{Account, AccountWithPassword, PasswordChange, PasswordHash, PasswordStep};
use crate::domain::audit::Event;
use crate::domain::caller::{Caller, Credentials, Visitor};
use crate::domain::context_words::Owner;
use crate::domain::error::Refusal;
use crate::domain::password::{NewPassword, PresentedPassword};
use crate::domain::secret::SecretString;
use crate::domain::{Error, Result};
use crate::security::Verdict;

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
        visitor: &Visitor,
    ) -> Result<()> {
        measured("change_password", self.replace_password(input, credentials, visitor)).await
    }

    async fn replace_password(
        &self,
        input: ChangePasswordInput,
        credentials: &Credentials,
        visitor: &Visitor,
    ) -> Result<()> {
        let mut caller = self.authenticate(credentials).await?;
        let passwords = self.read_passwords(&input, &caller.account)?;
        self.charge_visitor_login(visitor).await?;
        self.parts.sessions.check_ready().await?;
        let mut found = self.get_with_password(&caller).await?;
        let limits = self
            .charge_login(&found.email_key, Some(caller.account.id), visitor)
            .await?;
        for _ in 0..ATTEMPTS {
            self.check_current(&caller, &found.password_hash, &passwords, visitor)
                .await?;
            self.forgive_failures(&limits).await;
            let change = PasswordChange {
                account: caller.account.id,
                by: caller.session,
                old: found.password_hash,
                new: self.parts.passwords.hash(passwords.new.clone()).await?,
            };
            if self.carry_out(change, visitor).await? == PasswordStep::Taken {
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
        let owner = Owner {
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

    async fn get_with_password(&self, caller: &Caller) -> Result<AccountWithPassword> {
        let found = self.parts.accounts.find_with_password(caller.account.id).await?;
        found.ok_or(Error::Unauthenticated(Refusal::Revoked))
    }

    async fn check_current(
        &self,
        caller: &Caller,
        stored: &PasswordHash,
        passwords: &Passwords,
        visitor: &Visitor,
    ) -> Result<()> {
        let verdict = self
            .parts
            .passwords
            .verify(passwords.current.clone(), Some(stored))
            .await?;
        if verdict != Verdict::Differs {
            return Ok(());
        }
        let failed = Event::PasswordChangeFailed {
            account: caller.account.id,
            session: caller.session,
        };
        self.parts.audit.note(failed, visitor);
        Err(Error::InvalidCredentials)
    }

    async fn carry_out(&self, change: PasswordChange, visitor: &Visitor) -> Result<PasswordStep> {
        let ending = self.ending(visitor, self.parts.clock.now());
        unstoppable(async move {
            let step = ending.sessions.change_password(&change, ending.now).await?;
            if step == PasswordStep::Taken {
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
