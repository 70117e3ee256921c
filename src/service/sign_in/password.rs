//! Login: a password for a new session.

use std::sync::Arc;

use crate::domain::account::{Account, Identifier};
use crate::domain::audit::Event;
use crate::domain::client::ClientInfo;
use crate::domain::credential::{AccountCredentials, CredentialsUpdate};
use crate::domain::email::Email;
use crate::domain::password::PresentedPassword;
use crate::domain::secret::SecretString;
use crate::domain::session::{Generation, NewSession};
use crate::domain::username::Username;
use crate::domain::{Error, Result};
use crate::security::PasswordVerification;
use crate::service::metrics::measured;
use crate::service::validation::Problems;
use crate::service::{Service, SignedIn};

/// How often a password is compared anew because its hash has been replaced meanwhile: by another login that raised its cost, or by a
/// change of the password, after which it is wrong.
pub(crate) const ATTEMPTS: usize = 3;

/// What there is to say after so many.
pub(crate) fn replaced_again_and_again() -> Error {
    Error::unavailable("the password hash of an account is replaced again and again")
}

/// What a person types to sign in: an e-mail or a username, and the password.
#[derive(Debug)]
pub struct LoginInput {
    /// The e-mail.
    pub email: Option<String>,
    /// The username.
    pub username: Option<String>,
    /// The password.
    pub password: SecretString,
}

impl Service {
    /// Opens a session for whoever knows the password.
    ///
    /// # Errors
    /// `InvalidCredentials` for a wrong password and for an unknown account alike, after the same work; `Validation` for what can be no
    /// account's e-mail, username or password; `RateLimited`; `Unavailable`.
    pub async fn login(&self, input: LoginInput, client: &ClientInfo) -> Result<SignedIn> {
        measured("login", self.open_session(input, client)).await
    }

    async fn open_session(&self, input: LoginInput, client: &ClientInfo) -> Result<SignedIn> {
        let (identifier, password) = read_login(&input)?;
        self.charge_login_from_network(client).await?;
        let ready = self.parts.sessions.check_ready();
        let ((), mut found) = tokio::try_join!(ready, self.parts.accounts.find_by_identifier(&identifier))?;
        let account = found.as_ref().map(|found| found.account.id);
        let limits = self.charge_login(&identifier.key(), account, client).await?;
        for _ in 0..ATTEMPTS {
            let stored = found.as_ref().and_then(|found| found.password_hash.as_ref());
            let verification = self.parts.passwords.verify(password.clone(), stored).await?;
            let (Some(right), PasswordVerification::Matches | PasswordVerification::MatchesAtOldCost) =
                (found, verification)
            else {
                self.parts.audit.note(Event::LoginFailed { account }, client);
                return Err(Error::InvalidCredentials);
            };
            self.forgive_failures(&limits).await;
            let session = self.new_session(right.account.id, client.device.clone(), self.parts.clock.now());
            if self.parts.sessions.open(&session, right.version).await? == CredentialsUpdate::Applied {
                if verification == PasswordVerification::MatchesAtOldCost {
                    self.rehash(&right, password).await;
                }
                return self.opened(right.account.into(), &session, client);
            }
            found = self.parts.accounts.find_by_identifier(&identifier).await?;
        }
        Err(replaced_again_and_again())
    }

    fn opened(&self, account: Arc<Account>, session: &NewSession, client: &ClientInfo) -> Result<SignedIn> {
        let logged_in = Event::LoggedIn {
            account: session.account,
            session: session.id,
        };
        self.parts.audit.note(logged_in, client);
        self.sign_in(account, session.id, Generation::FIRST, session.created_at)
    }

    /// Brings a stored hash to the configured cost. The login succeeds without it, and the next one tries again.
    async fn rehash(&self, found: &AccountCredentials, password: PresentedPassword) {
        let Some(old) = &found.password_hash else { return };
        let rehashed = async {
            let new = self.parts.passwords.hash(password).await?;
            self.parts.accounts.rehash_password(found.account.id, old, &new).await
        };
        if let Err(error) = rehashed.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a password hash of old cost could not be replaced"
            );
        }
    }
}

fn read_login(input: &LoginInput) -> Result<(Identifier, PresentedPassword)> {
    let mut problems = Problems::default();
    let identifier = match (&input.email, &input.username) {
        (Some(email), None) => problems.check("email", Email::parse(email)).map(Identifier::Email),
        (None, Some(username)) => problems
            .check("username", Username::parse(username))
            .map(Identifier::Username),
        (None, None) => {
            problems.note("email", "or username is required");
            None
        }
        (Some(_), Some(_)) => {
            problems.note("username", "must not be given together with email");
            None
        }
    };
    let password = problems.check("password", PresentedPassword::parse(input.password.expose()));
    identifier.zip(password).ok_or_else(|| problems.into_error())
}
