//! Register: a new account, signed in at once.

use crate::domain::Result;
use crate::domain::account::{AccountId, NewAccount};
use crate::domain::audit::Event;
use crate::domain::client::ClientInfo;
use crate::domain::context_words::AccountNames;
use crate::domain::email::Email;
use crate::domain::password::NewPassword;
use crate::domain::secret::SecretString;
use crate::domain::session::Generation;
use crate::domain::username::Username;
use crate::service::metrics::measured;
use crate::service::validation::Problems;
use crate::service::{Service, SignedIn};

/// What a person types to register.
#[derive(Debug)]
pub struct RegisterInput {
    /// The e-mail.
    pub email: String,
    /// The password.
    pub password: SecretString,
    /// The username.
    pub username: String,
}

struct Registration {
    email: Email,
    password: NewPassword,
    username: Username,
}

impl Service {
    /// Makes an account and its first session.
    ///
    /// # Errors
    /// `Validation` names every unacceptable field; `EmailTaken`, `UsernameTaken`; `RateLimited`; `Unavailable`. In every case nothing is stored.
    pub async fn register(&self, input: RegisterInput, client: &ClientInfo) -> Result<SignedIn> {
        measured("register", self.create_account(input, client)).await
    }

    async fn create_account(&self, input: RegisterInput, client: &ClientInfo) -> Result<SignedIn> {
        let registration = self.read_registration(&input)?;
        self.charge_registration(client).await?;
        self.parts.sessions.check_ready().await?;
        let password_hash = self
            .parts
            .passwords
            .hash(registration.password.into_presented())
            .await?;
        let now = self.parts.clock.now();
        let account = NewAccount {
            id: AccountId::random(),
            email: registration.email,
            username: registration.username,
            password_hash: Some(password_hash),
            created_at: now,
        };
        let session = self.new_session(account.id, client.device.clone(), now);
        // Signed before anything is stored: after the commit nothing is left that could fail.
        let signed_in = self.sign_in(account.public().into(), session.id, Generation::FIRST, now)?;
        self.parts.accounts.create(&account, &session).await?;
        let registered = Event::Registered {
            account: account.id,
            session: session.id,
        };
        self.parts.audit.note(registered, client);
        Ok(signed_in)
    }

    fn read_registration(&self, input: &RegisterInput) -> Result<Registration> {
        let mut problems = Problems::default();
        let owner = AccountNames {
            email: &input.email,
            username: &input.username,
        };
        let email = problems.check("email", Email::parse(&input.email));
        let password = problems.check(
            "password",
            NewPassword::parse(input.password.expose(), &self.parts.password_rules, owner),
        );
        let username = problems.check("username", Username::parse(&input.username));
        match (email, password, username) {
            (Some(email), Some(password), Some(username)) => Ok(Registration {
                email,
                password,
                username,
            }),
            _ => Err(problems.into_error()),
        }
    }
}
