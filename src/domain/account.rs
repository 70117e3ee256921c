//! Accounts: who may sign in, as the gateway knows them.

use uuid::Uuid;

use super::clock::Timestamp;
use super::email::Email;
use super::username::Username;

/// Names an account for ever; the `sub` of its access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountId(pub Uuid);

impl AccountId {
    /// A fresh id. Random, since ids are public and must not tell when an account was made.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

/// The public side of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The e-mail as it was typed.
    pub email: String,
    /// The username as it was typed.
    pub username: String,
    /// Where its picture is.
    pub profile_image_url: Option<String>,
    /// What other services may let it do; the `roles` of its access tokens.
    pub roles: Vec<String>,
}

/// An account together with what a password is checked against.
#[derive(Debug, Clone)]
pub struct AccountWithPassword {
    /// The account.
    pub account: Account,
    /// The stored hash.
    pub password_hash: PasswordHash,
}

/// A password hash as a PHC string (`$argon2id$v=19$…`). Not shown in `Debug`: it can be attacked off line.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[password hash]")
    }
}

/// An account that is about to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its id.
    pub id: AccountId,
    /// Its e-mail.
    pub email: Email,
    /// Its username.
    pub username: Username,
    /// The hash of its password.
    pub password_hash: PasswordHash,
    /// When it was made.
    pub created_at: Timestamp,
}

impl NewAccount {
    /// The public side of the account to be.
    #[must_use]
    pub fn public(&self) -> Account {
        Account {
            id: self.id,
            email: self.email.as_str().to_owned(),
            username: self.username.as_str().to_owned(),
            profile_image_url: None,
            roles: vec![DEFAULT_ROLE.to_owned()],
        }
    }
}

/// The role of every account that registers itself.
pub const DEFAULT_ROLE: &str = "user";

/// What an account is looked up by at login.
#[derive(Debug, Clone)]
pub enum Identifier {
    /// Its e-mail.
    Email(Email),
    /// Its username.
    Username(Username),
}

impl Identifier {
    /// The one spelling under which it is looked for and counted.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Email(email) => email.key().to_owned(),
            Self::Username(username) => username.key(),
        }
    }
}
