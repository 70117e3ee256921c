//! What is public of an account, as it stands beside a session in Redis: a tag, a dot, and JSON without the account's id, which Redis
//! holds apart. The tag covers the session, the account and the JSON, so that nobody who can write to Redis can change or swap them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::account::{Account, AccountId};
use crate::domain::seal::Seal;
use crate::domain::session::SessionId;
use crate::domain::{Error, Result};

#[derive(Serialize, Deserialize)]
struct Profile<Text, Texts> {
    email: Text,
    username: Text,
    picture: Option<Text>,
    roles: Texts,
}

/// Writes and reads profiles under a seal.
#[derive(Clone)]
pub(super) struct Profiles {
    seal: Arc<dyn Seal>,
}

impl Profiles {
    pub(super) fn under(seal: Arc<dyn Seal>) -> Self {
        Self { seal }
    }

    /// The profile of an account, beside one of its sessions.
    pub(super) fn written(&self, session: SessionId, account: &Account) -> Result<String> {
        let profile = Profile {
            email: account.email.as_str(),
            username: account.username.as_str(),
            picture: account.profile_image_url.as_deref(),
            roles: account.roles.as_slice(),
        };
        let json = serde_json::to_string(&profile).map_err(Error::internal)?;
        let tag = self.seal.tag(&message(session, account.id, &json));
        Ok(format!("{tag}.{json}"))
    }

    /// The account that has this profile; `None` if it was not written here, for this session of this account.
    pub(super) fn read(&self, session: SessionId, account: AccountId, profile: &str) -> Option<Account> {
        let (tag, json) = profile.split_once('.')?;
        if !self.seal.is_genuine(&message(session, account, json), tag) {
            return None;
        }
        let profile: Profile<String, Vec<String>> = serde_json::from_str(json).ok()?;
        Some(Account {
            id: account,
            email: profile.email,
            username: profile.username,
            profile_image_url: profile.picture,
            roles: profile.roles,
        })
    }
}

/// What is sealed. The ids have one length, so no two subjects share a message.
fn message(session: SessionId, account: AccountId, json: &str) -> Vec<u8> {
    [
        session.0.as_bytes().as_slice(),
        account.0.as_bytes().as_slice(),
        json.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// Shows what it was given; hides nothing.
    struct Plain;

    impl Seal for Plain {
        fn tag(&self, message: &[u8]) -> String {
            URL_SAFE_NO_PAD.encode(message)
        }

        fn is_genuine(&self, message: &[u8], tag: &str) -> bool {
            self.tag(message) == tag
        }
    }

    fn account() -> Account {
        Account {
            id: AccountId::random(),
            email: "\"jöhn\"@example.com".to_owned(),
            username: "john".to_owned(),
            profile_image_url: Some("https://example.com/\u{0}\n".to_owned()),
            roles: vec!["user".to_owned(), "admin".to_owned()],
        }
    }

    #[test]
    fn an_account_is_read_as_it_was_written() {
        let (profiles, session, account) = (Profiles::under(Arc::new(Plain)), SessionId::fresh(), account());
        let bare = Account {
            profile_image_url: None,
            roles: Vec::new(),
            ..account.clone()
        };
        for account in [account, bare] {
            let written = profiles.written(session, &account).unwrap();
            assert_eq!(profiles.read(session, account.id, &written), Some(account));
        }
    }

    #[test]
    fn what_was_written_otherwise_or_for_another_is_nobodys() {
        let (profiles, session, account) = (Profiles::under(Arc::new(Plain)), SessionId::fresh(), account());
        let written = profiles.written(session, &account).unwrap();
        let changed = written.replace("\"admin\"", "\"owner\"");
        assert_ne!(changed, written);
        assert_eq!(profiles.read(session, account.id, &changed), None);
        assert_eq!(profiles.read(SessionId::fresh(), account.id, &written), None);
        assert_eq!(profiles.read(session, AccountId::random(), &written), None);
        let json = written.split_once('.').unwrap().1;
        for unsealed in [json, &format!(".{json}"), "", "."] {
            assert_eq!(profiles.read(session, account.id, unsealed), None, "{unsealed:?}");
        }
    }

    #[test]
    fn what_a_later_version_adds_does_no_harm() {
        let (profiles, session, account) = (
            Profiles::under(Arc::new(Plain)),
            SessionId::fresh(),
            AccountId::random(),
        );
        let sealed = |json: &str| format!("{}.{json}", Plain.tag(&message(session, account, json)));
        let more = sealed(r#"{"email":"a@b.c","username":"a","picture":null,"roles":[],"more":1}"#);
        assert!(profiles.read(session, account, &more).is_some());
        assert!(profiles.read(session, account, &sealed("{}")).is_none());
    }
}
