//! What is public of an account, as it stands beside a session in Redis: JSON, without the account's id, which Redis holds apart.

use serde::{Deserialize, Serialize};

use crate::domain::account::{Account, AccountId};
use crate::domain::{Error, Result};

#[derive(Serialize, Deserialize)]
struct Profile<Text, Texts> {
    email: Text,
    username: Text,
    picture: Option<Text>,
    roles: Texts,
}

/// The profile of an account.
pub(super) fn written(account: &Account) -> Result<String> {
    let profile = Profile {
        email: account.email.as_str(),
        username: account.username.as_str(),
        picture: account.profile_image_url.as_deref(),
        roles: account.roles.as_slice(),
    };
    serde_json::to_string(&profile).map_err(Error::internal)
}

/// The account that has this profile.
pub(super) fn read(id: AccountId, profile: &str) -> Result<Account> {
    let profile: Profile<String, Vec<String>> = serde_json::from_str(profile).map_err(Error::internal)?;
    Ok(Account {
        id,
        email: profile.email,
        username: profile.username,
        profile_image_url: profile.picture,
        roles: profile.roles,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_as_it_was_written() {
        let account = Account {
            id: AccountId::random(),
            email: "\"jöhn\"@example.com".to_owned(),
            username: "john".to_owned(),
            profile_image_url: Some("https://example.com/\u{0}\n".to_owned()),
            roles: vec!["user".to_owned(), "admin".to_owned()],
        };
        assert_eq!(read(account.id, &written(&account).unwrap()).unwrap(), account);
        let bare = Account {
            profile_image_url: None,
            roles: Vec::new(),
            ..account
        };
        assert_eq!(read(bare.id, &written(&bare).unwrap()).unwrap(), bare);
    }

    #[test]
    fn what_a_later_version_adds_does_no_harm() {
        let profile = r#"{"email":"a@b.c","username":"a","picture":null,"roles":[],"more":1}"#;
        assert!(read(AccountId::random(), profile).is_ok());
        assert!(read(AccountId::random(), "{}").is_err());
    }
}
