//! Accounts: who may sign in, as the gateway knows them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::email::Email;
use crate::domain::password::PasswordHash;
use crate::domain::username::Username;

/// Identifies an account for its whole life; the `sub` of its access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AccountId(pub Uuid);

impl AccountId {
    /// A new id. It is random (UUID version 4), because ids are public and must not reveal when an
    /// account was created.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

/// The public side of an account.
///
/// The session profile in Redis holds its serialised form, so a new field needs a serde default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Stored beside the serialised form, not in it.
    #[serde(skip)]
    pub id: AccountId,
    /// As the person typed it.
    pub email: String,
    /// As the person typed it.
    pub username: String,
    #[serde(rename = "picture")]
    pub profile_image_url: Option<String>,
    /// What other services may let the account do; the `roles` of its access tokens.
    pub roles: Vec<String>,
}

/// An account that is about to be created.
#[derive(Debug, Clone)]
pub struct NewAccount {
    pub id: AccountId,
    pub email: Email,
    pub username: Username,
    /// `None` for an account that signs in without a password.
    pub password_hash: Option<PasswordHash>,
    pub created_at: Timestamp,
}

impl NewAccount {
    /// The public side of the account once it exists.
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

/// What a login names an account by.
#[derive(Debug, Clone)]
pub enum Identifier {
    Email(Email),
    Username(Username),
}

impl Identifier {
    /// The normalised form: unique among accounts, and the subject of rate limits.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Email(email) => email.key().to_owned(),
            Self::Username(username) => username.key(),
        }
    }
}

/// What an operator names an account by.
#[derive(Debug, Clone)]
pub enum AccountName {
    Id(AccountId),
    Login(Identifier),
}

impl AccountName {
    /// Parses an e-mail, a username or a UUID. The three forms cannot be confused: a hyphenated
    /// UUID is longer than any username, and only an e-mail contains `@`.
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
    fn an_operator_may_name_an_account_by_email_username_or_uuid() {
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
