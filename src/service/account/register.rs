//! Register: a new account, signed in at once.

use crate::domain::Result;
use crate::domain::account::{AccountId, NewAccount};
use crate::domain::client::ClientInfo;
use crate::domain::context_words::AccountNames;
use crate::domain::email::Email;
use crate::domain::password::NewPassword;
use crate::domain::secret::SecretString;
use crate::domain::username::Username;
use crate::service::account::AccountService;
use crate::service::metrics::measured;
use crate::service::session::SignedIn;
use crate::service::sign_in::SignInOutcome;
use crate::service::validation::Problems;

/// A registration as the client sent it.
#[derive(Debug)]
pub struct RegisterInput {
    pub email: String,
    pub password: SecretString,
    pub username: String,
}

struct Registration {
    email: Email,
    password: NewPassword,
    username: Username,
}

impl AccountService {
    /// Creates an account and its first session.
    ///
    /// # Errors
    /// `NextStep` if the registration alone does not complete the sign-in; `Validation` names every
    /// invalid field; `EmailTaken`, `UsernameTaken`; `RateLimited`;
    /// `Unavailable`. In every case nothing is stored.
    pub async fn register(&self, input: RegisterInput, client: &ClientInfo) -> Result<SignedIn> {
        let registration = async { self.create_account(input, client).await?.into_result() };
        measured("register", registration).await
    }

    async fn create_account(&self, input: RegisterInput, client: &ClientInfo) -> Result<SignInOutcome> {
        let registration = self.parse_registration(&input)?;
        self.limiter.charge_registration(client).await?;
        self.sessions.check_ready().await?;
        let account = NewAccount {
            id: AccountId::random(),
            email: registration.email,
            username: registration.username,
            password_hash: Some(self.passwords.hash(registration.password.into_presented()).await?),
            created_at: self.clock.now(),
        };
        self.complete_sign_in.register(&account, client).await
    }

    fn parse_registration(&self, input: &RegisterInput) -> Result<Registration> {
        let mut problems = Problems::default();
        let names = AccountNames {
            email: &input.email,
            username: &input.username,
        };
        let email = problems.check("email", Email::parse(&input.email));
        let password = problems.check(
            "password",
            NewPassword::parse(input.password.expose(), &self.password_rules, names),
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
