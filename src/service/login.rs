//! Login: a password for a new session.

use super::input::Problems;
use super::measure::measured;
use super::{Service, SignedIn};
use crate::domain::account::{AccountWithPassword, Identifier};
use crate::domain::audit::Event;
use crate::domain::caller::Visitor;
use crate::domain::email::Email;
use crate::domain::password::PresentedPassword;
use crate::domain::secret::SecretString;
use crate::domain::session::Generation;
use crate::domain::username::Username;
use crate::domain::{Error, Result};
use crate::security::Verdict;

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
    pub async fn login(&self, input: LoginInput, visitor: &Visitor) -> Result<SignedIn> {
        measured("login", self.open_session(input, visitor)).await
    }

    async fn open_session(&self, input: LoginInput, visitor: &Visitor) -> Result<SignedIn> {
        let (identifier, password) = read_login(&input)?;
        self.charge_visitor_login(visitor).await?;
        self.parts.sessions.check_ready().await?;
        let found = self.parts.accounts.find_for_login(&identifier).await?;
        let account = found.as_ref().map(|found| found.account.id);
        let limits = self.charge_login(&identifier, account, visitor).await?;
        let stored = found.as_ref().map(|found| &found.password_hash);
        let verdict = self.parts.passwords.verify(password.clone(), stored).await?;
        let (Some(found), Verdict::Matches | Verdict::MatchesAtOldCost) = (found, verdict) else {
            self.parts.audit.note(Event::LoginFailed { account }, visitor);
            return Err(Error::InvalidCredentials);
        };
        if verdict == Verdict::MatchesAtOldCost {
            self.rehash(&found, password).await;
        }
        self.forgive_failures(&limits).await;
        let now = self.parts.clock.now();
        let session = self.new_session(found.account.id, visitor.device.clone(), now);
        self.parts.sessions.open(&session).await?;
        let logged_in = Event::LoggedIn {
            account: session.account,
            session: session.id,
        };
        self.parts.audit.note(logged_in, visitor);
        self.sign_in(found.account, session.id, Generation::FIRST, now)
    }

    /// Brings a stored hash to the configured cost. The login succeeds without it, and the next one tries again.
    async fn rehash(&self, found: &AccountWithPassword, password: PresentedPassword) {
        let rehashed = async {
            let new = self.parts.passwords.hash(password).await?;
            self.parts
                .accounts
                .replace_password_hash(found.account.id, &found.password_hash, &new)
                .await
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
