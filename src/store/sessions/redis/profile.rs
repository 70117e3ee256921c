//! What stands beside a session in Redis and stays as it is while the session lives and its account does not change: until when that may be,
//! whose it is, and what is public of them. A tag covers all of it and the session, so that nobody who can write to Redis can change or
//! swap it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bounded_cache::{BoundedCache, CacheWeight};
use crate::domain::account::{Account, AccountId};
use crate::domain::clock::Timestamp;
use crate::domain::message_authenticator::MessageAuthenticator;
use crate::domain::session::{Generation, LiveSession, Session, SessionId};
use crate::domain::{Error, Result};

/// Most memory for what profiles say, in bytes.
const MOST: usize = 16 << 20;

/// What a profile says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// When the session ends at the latest.
    expires_at: Timestamp,
    /// Whose it is.
    account: Arc<Account>,
}

#[derive(Serialize, Deserialize)]
struct Public<Text, Texts> {
    email: Text,
    username: Text,
    picture: Option<Text>,
    roles: Texts,
}

impl Profile {
    /// A session with this profile.
    pub(crate) fn of_session(self, id: SessionId, generation: Generation, rotated_at: Timestamp) -> LiveSession {
        let session = Session {
            id,
            account: self.account.id,
            generation,
            rotated_at,
            expires_at: self.expires_at,
        };
        LiveSession {
            session,
            account: self.account,
        }
    }
}

/// Writes and reads profiles under a seal.
#[derive(Clone)]
pub(crate) struct Profiles {
    seal: Arc<dyn MessageAuthenticator>,
    /// What was read before says the same: this saves the work of reading, and never a question to Redis.
    read: Arc<BoundedCache<SessionId, Arc<Read>>>,
}

struct Read {
    text: String,
    profile: Profile,
}

impl CacheWeight for Read {
    const ORDINARY: usize = 512;

    fn bytes(&self) -> usize {
        size_of::<(Self, Account)>() + self.text.len() + self.profile.account.memory()
    }
}

impl Profiles {
    pub(crate) fn under(seal: Arc<dyn MessageAuthenticator>) -> Self {
        Self {
            seal,
            read: Arc::new(BoundedCache::of(MOST)),
        }
    }

    /// The profile of a session: when that ends, in ms, the account's id, the tag, and JSON, with dots between them.
    pub(crate) fn written(&self, live: &LiveSession) -> Result<String> {
        let LiveSession { session, account } = live;
        let public = Public {
            email: account.email.as_str(),
            username: account.username.as_str(),
            picture: account.profile_image_url.as_deref(),
            roles: account.roles.as_slice(),
        };
        let json = serde_json::to_string(&public).map_err(Error::internal)?;
        let tag = self
            .seal
            .tag(&message(session.id, account.id, session.expires_at, &json));
        Ok(format!("{}.{}.{tag}.{json}", session.expires_at.millis(), account.id.0))
    }

    /// What a profile says that is kept after the name of a history and a dot; `None` if it was not written here, for this session.
    pub(crate) fn read(&self, session: SessionId, kept: &str) -> Option<Profile> {
        if let Some(read) = self.read.find(&session)
            && read.text == kept
        {
            return Some(read.profile.clone());
        }
        let profile = self.verified(session, kept.split_once('.')?.1)?;
        let read = Read {
            text: kept.to_owned(),
            profile: profile.clone(),
        };
        self.read.remember(session, Arc::new(read));
        Some(profile)
    }

    fn verified(&self, session: SessionId, profile: &str) -> Option<Profile> {
        let mut parts = profile.splitn(4, '.');
        let expires_at = Timestamp::from_millis(parts.next()?.parse().ok()?);
        let id = AccountId(Uuid::parse_str(parts.next()?).ok()?);
        let (tag, json) = (parts.next()?, parts.next()?);
        if !self.seal.is_genuine(&message(session, id, expires_at, json), tag) {
            return None;
        }
        let public: Public<String, Vec<String>> = serde_json::from_str(json).ok()?;
        let account = Account {
            id,
            email: public.email,
            username: public.username,
            profile_image_url: public.picture,
            roles: public.roles,
        };
        Some(Profile {
            expires_at,
            account: Arc::new(account),
        })
    }
}

/// What is sealed. All but the JSON has one length, so no two subjects share a message.
fn message(session: SessionId, account: AccountId, expires_at: Timestamp, json: &str) -> Vec<u8> {
    [
        session.0.as_bytes().as_slice(),
        account.0.as_bytes().as_slice(),
        &expires_at.millis().to_be_bytes(),
        json.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// Shows what it was given, hides nothing, and counts what it judges.
    #[derive(Default)]
    struct Plain(AtomicU32);

    impl MessageAuthenticator for Plain {
        fn tag(&self, message: &[u8]) -> String {
            URL_SAFE_NO_PAD.encode(message)
        }

        fn is_genuine(&self, message: &[u8], tag: &str) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed);
            self.tag(message) == tag
        }
    }

    fn profiles() -> Profiles {
        Profiles::under(Arc::new(Plain::default()))
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

    fn profile(account: Account) -> Profile {
        Profile {
            expires_at: Timestamp::from_millis(1_700_000_000_123),
            account: Arc::new(account),
        }
    }

    fn live(session: SessionId, profile: &Profile) -> LiveSession {
        profile
            .clone()
            .of_session(session, Generation::FIRST, Timestamp::from_millis(0))
    }

    /// As it is kept, under the history of this name.
    fn kept(history: &str, written: &str) -> String {
        format!("{history}.{written}")
    }

    #[test]
    fn a_profile_is_read_as_it_was_written_however_often() {
        let (profiles, session, account) = (profiles(), SessionId::fresh(), account());
        let bare = Account {
            profile_image_url: None,
            roles: Vec::new(),
            ..account.clone()
        };
        for (profile, history) in [account, bare].map(profile).into_iter().zip(["0123456789abcdef", ""]) {
            let written = profiles.written(&live(session, &profile)).unwrap();
            for _ in 0..2 {
                let read = profiles.read(session, &kept(history, &written));
                assert_eq!(read.as_ref(), Some(&profile));
            }
        }
    }

    #[test]
    fn a_text_is_verified_once_and_another_one_again() {
        let seal = Arc::new(Plain::default());
        let (profiles, session, profile) = (Profiles::under(seal.clone()), SessionId::fresh(), profile(account()));
        let written = profiles.written(&live(session, &profile)).unwrap();
        for (history, verified) in [("a", 1), ("a", 1), ("b", 2), ("b", 2)] {
            assert!(profiles.read(session, &kept(history, &written)).is_some());
            assert_eq!(seal.0.load(Ordering::Relaxed), verified);
        }
    }

    #[test]
    fn memory_is_bounded_however_long_the_texts_are() {
        let profiles = profiles();
        for (length, count) in [(0, 30_000), (100_000, 300)] {
            for _ in 0..count {
                let (session, picture) = (SessionId::fresh(), "x".repeat(length));
                let profile = profile(Account {
                    profile_image_url: Some(picture),
                    ..account()
                });
                let written = profiles.written(&live(session, &profile)).unwrap();
                assert!(profiles.read(session, &kept("a", &written)).is_some());
            }
            assert!(profiles.read.count() > 10, "it hardly remembers anything");
            assert!(profiles.read.bytes() <= MOST as u64);
        }
    }

    #[test]
    fn what_was_written_otherwise_or_for_another_is_nobodys() {
        let (profiles, session, profile) = (profiles(), SessionId::fresh(), profile(account()));
        let written = profiles.written(&live(session, &profile)).unwrap();
        let own = kept("a", &written);
        assert!(profiles.read(session, &own).is_some());
        let other_id = AccountId::random().0.to_string();
        for (old, new) in [
            ("\"admin\"", "\"owner\""),
            ("1700000000123", "1800000000123"),
            (profile.account.id.0.to_string().as_str(), other_id.as_str()),
        ] {
            let changed = own.replace(old, new);
            assert_ne!(changed, own);
            assert_eq!(profiles.read(session, &changed), None, "{changed}");
        }
        assert_eq!(profiles.read(SessionId::fresh(), &own), None);
        let json = written.splitn(4, '.').last().unwrap();
        for unsealed in [
            &written,
            json,
            &format!("a..{json}"),
            &format!("a...{json}"),
            "",
            ".",
            "....",
        ] {
            assert_eq!(profiles.read(session, unsealed), None, "{unsealed:?}");
        }
        assert_eq!(profiles.read(session, &own), Some(profile), "and it stays known");
    }

    #[test]
    fn what_a_later_version_adds_does_no_harm() {
        let (profiles, session, account) = (profiles(), SessionId::fresh(), AccountId::random());
        let at = Timestamp::from_millis(7);
        let sealed = |json: &str| {
            format!(
                "a.7.{}.{}.{json}",
                account.0,
                Plain::default().tag(&message(session, account, at, json))
            )
        };
        let more = sealed(r#"{"email":"a@b.c","username":"a","picture":null,"roles":[],"more":1}"#);
        assert!(profiles.read(session, &more).is_some());
        assert!(profiles.read(session, &sealed("{}")).is_none());
    }
}
