//! Login: a password for a new session.

use crate::domain::account::{AccountId, Identifier};
use crate::domain::audit::{AuditEvent, EventKind};
use crate::domain::client::ClientInfo;
use crate::domain::credential::AccountCredentials;
use crate::domain::email::Email;
use crate::domain::password::PresentedPassword;
use crate::domain::secret::SecretString;
use crate::domain::username::Username;
use crate::domain::{Error, Result};
use crate::security::PasswordVerification;
use crate::service::metrics::measured;
use crate::service::session::SignedIn;
use crate::service::sign_in::policy::Proof;
use crate::service::sign_in::{ProvedAccount, SignInOutcome, SignInService};
use crate::service::validation::Problems;

/// How often a password is verified again because the account's credentials have changed meanwhile.
pub(crate) const ATTEMPTS: usize = 3;

/// The error after so many attempts.
pub(crate) fn credentials_keep_changing() -> Error {
    Error::unavailable("the credentials of an account keep changing while they are verified")
}

/// A login as the client sent it: an e-mail or a username, and the password.
#[derive(Debug)]
pub struct LoginInput {
    pub email: Option<String>,
    pub username: Option<String>,
    pub password: SecretString,
}

impl SignInService {
    /// Opens a session for a client that knows the password.
    ///
    /// # Errors
    /// `NextStep` if the password alone does not complete the sign-in;
    /// `InvalidCredentials` for a wrong password and for an unknown account alike, after the same
    /// work; `Validation` for an e-mail, username or password that no account can have;
    /// `RateLimited`; `Unavailable`.
    pub async fn login(&self, input: LoginInput, client: &ClientInfo) -> Result<SignedIn> {
        let login = async { self.log_in(input, client).await?.into_result() };
        measured("login", login).await
    }

    async fn log_in(&self, input: LoginInput, client: &ClientInfo) -> Result<SignInOutcome> {
        let (identifier, password) = parse_login(&input)?;
        self.limiter.charge_login_from_network(client).await?;
        let ready = self.sessions.check_ready();
        let ((), mut found) = tokio::try_join!(ready, self.accounts.find_by_identifier(&identifier))?;
        let account = found.as_ref().map(|found| found.account.id);
        let limits = self.limiter.charge_login(&identifier.key(), account, client).await?;
        for _ in 0..ATTEMPTS {
            let (verified, is_at_old_cost) = self.verify(found, &password, account, client).await?;
            self.limiter.forgive_failures(&limits).await;
            let proved = ProvedAccount {
                account: verified.account.clone().into(),
                proof: Proof::Password,
                verified: verified.version,
            };
            if let Some(outcome) = self.complete_sign_in.log_in(proved, client).await? {
                if is_at_old_cost {
                    self.rehash(&verified, password).await;
                }
                return Ok(outcome);
            }
            found = self.accounts.find_by_identifier(&identifier).await?;
        }
        Err(credentials_keep_changing())
    }

    /// The credentials that the password matches, and whether their hash has an old cost.
    async fn verify(
        &self,
        found: Option<AccountCredentials>,
        password: &PresentedPassword,
        account: Option<AccountId>,
        client: &ClientInfo,
    ) -> Result<(AccountCredentials, bool)> {
        let stored = found.as_ref().and_then(|found| found.password_hash.as_ref());
        let verification = self.passwords.verify(password.clone(), stored).await?;
        match (found, verification) {
            (Some(found), PasswordVerification::Matches) => Ok((found, false)),
            (Some(found), PasswordVerification::MatchesAtOldCost) => Ok((found, true)),
            (_, PasswordVerification::Differs) | (None, _) => {
                let failed = AuditEvent::new(EventKind::LoginFailed).account(account);
                self.audit.record(failed, client);
                Err(Error::InvalidCredentials)
            }
        }
    }

    /// Brings a stored hash to the configured cost. The login succeeds without it, and the next
    /// login tries again.
    async fn rehash(&self, found: &AccountCredentials, password: PresentedPassword) {
        let Some(old) = &found.password_hash else { return };
        let rehashed = async {
            let new = self.passwords.hash(password).await?;
            self.accounts.rehash_password(found.account.id, old, &new).await
        };
        if let Err(error) = rehashed.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a password hash of old cost could not be replaced"
            );
        }
    }
}

fn parse_login(input: &LoginInput) -> Result<(Identifier, PresentedPassword)> {
    let mut problems = Problems::default();
    let identifier = match (&input.email, &input.username) {
        (Some(email), None) => problems.check("email", Email::parse(email)).map(Identifier::Email),
        (None, Some(username)) => problems
            .check("username", Username::parse(username))
            .map(Identifier::Username),
        (None, None) => {
            problems.add("email", "or username is required");
            None
        }
        (Some(_), Some(_)) => {
            problems.add("username", "must not be given together with email");
            None
        }
    };
    let password = problems.check("password", PresentedPassword::parse(input.password.expose()));
    identifier.zip(password).ok_or_else(|| problems.into_error())
}
