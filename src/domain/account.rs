//! Accounts: who may sign in, as the gateway knows them.

use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::email::Email;
use crate::domain::session::SessionId;
use crate::domain::username::Username;

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

impl Account {
    /// How much memory its texts take, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        let roles = self.roles.iter().map(|role| role.len() + size_of::<String>());
        let picture = self.profile_image_url.as_ref().map_or(0, String::len);
        self.email.len() + self.username.len() + picture + roles.sum::<usize>()
    }
}

/// An account together with what a password is checked against.
#[derive(Debug, Clone)]
pub struct AccountWithPassword {
    /// The account.
    pub account: Account,
    /// The one spelling of its e-mail under which it is looked for and counted.
    pub email_key: String,
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

/// A password hash that takes the place of another.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// Whose.
    pub account: AccountId,
    /// The session that asks, and lives on.
    pub by: SessionId,
    /// The hash that the current password was compared with.
    pub old: PasswordHash,
    /// The hash of the new one.
    pub new: PasswordHash,
}

/// What became of a step that rests on a password. To compare one takes its time, and meanwhile the stored hash may become another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialsUpdate {
    /// The hash was still the one that was compared, and the step was taken.
    Applied,
    /// It was another, and nothing has changed.
    Conflict,
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

/// What an operator calls an account.
#[derive(Debug, Clone)]
pub enum AccountName {
    /// Its id.
    Id(AccountId),
    /// What it signs in with.
    Login(Identifier),
}

impl AccountName {
    /// Reads a name. No two kinds look alike: a UUID with its hyphens is longer than a username, and an e-mail alone has an `@`.
    ///
    /// # Errors
    /// What is allowed, as a clause that follows the option's name.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "must be an account's e-mail, username or UUID, for example john.doe@example.com";
        if let Some(id) = Uuid::parse_str(text)
            .ok()
            .filter(|id| id.to_string().len() == text.len())
        {
            return Ok(Self::Id(AccountId(id)));
        }
        let login = if text.contains('@') {
            Email::parse(text).map(Identifier::Email)
        } else {
            Username::parse(text).map(Identifier::Username)
        };
        login.map(Self::Login).map_err(|_| RULE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_may_use_any_name_of_an_account() {
        let parsed = |text: &str| AccountName::parse(text);
        let id = "6a9a5f10-dc19-41df-9831-57f37f7f9687";
        assert!(matches!(parsed(id), Ok(AccountName::Id(AccountId(found))) if found.to_string() == id));
        assert!(matches!(
            parsed("John.Doe@example.com"),
            Ok(AccountName::Login(Identifier::Email(_)))
        ));
        let hexadecimal = id.replace('-', "");
        for username in ["johndoe", &hexadecimal] {
            assert!(matches!(
                parsed(username),
                Ok(AccountName::Login(Identifier::Username(_)))
            ));
        }
        for text in ["", "jd", "john@", "john doe", "<b>"] {
            assert!(parsed(text).is_err(), "{text:?} was accepted");
        }
    }
}
