//! The profile of a session in Redis: when it expires at the latest, and a copy of its account.
//!
//! A profile stays the same while the session lives and its account does not change. A tag covers
//! it and the session's id, so that a program that can write to Redis cannot change or swap it.

use std::sync::Arc;

use uuid::Uuid;

use crate::bounded_cache::{BoundedCache, CacheWeight};
use crate::domain::account::{Account, AccountId};
use crate::domain::clock::Timestamp;
use crate::domain::message_authenticator::MessageAuthenticator;
use crate::domain::session::{Generation, LiveSession, Session, SessionId};
use crate::domain::{Error, Result};

/// Most memory for parsed profiles, in bytes.
const MAX_BYTES: usize = 16 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    expires_at: Timestamp,
    account: Arc<Account>,
}

impl Profile {
    pub(crate) fn into_live_session(self, id: SessionId, generation: Generation, rotated_at: Timestamp) -> LiveSession {
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

/// Writes and parses profiles.
#[derive(Clone)]
pub(crate) struct Profiles {
    authenticator: Arc<dyn MessageAuthenticator>,
    /// Parsed profiles beside their text. The same text has the same meaning, so this saves the
    /// parsing and never a read of Redis.
    parsed: Arc<BoundedCache<SessionId, Arc<Parsed>>>,
}

struct Parsed {
    text: String,
    profile: Profile,
}

impl CacheWeight for Parsed {
    const TYPICAL_BYTES: usize = 512;

    /// The text contains every text of the account.
    fn bytes(&self) -> usize {
        size_of::<(Self, Account)>() + 2 * self.text.len() + self.profile.account.roles.len() * size_of::<String>()
    }
}

impl Profiles {
    pub(crate) fn new(authenticator: Arc<dyn MessageAuthenticator>) -> Self {
        Self {
            authenticator,
            parsed: Arc::new(BoundedCache::with_capacity(MAX_BYTES)),
        }
    }

    /// The text of a profile: latest expiry in milliseconds, account id, tag, and the account as
    /// JSON, separated by dots.
    pub(crate) fn write(&self, live: &LiveSession) -> Result<String> {
        let LiveSession { session, account } = live;
        let json = serde_json::to_string(account.as_ref()).map_err(Error::internal)?;
        let message = message(session.id, account.id, session.expires_at, &json);
        let tag = self.authenticator.tag(&message);
        Ok(format!("{}.{}.{tag}.{json}", session.expires_at.millis(), account.id.0))
    }

    /// Parses a profile as Redis keeps it: after a replication id and a dot. `None` if this gateway
    /// did not write it for this session.
    pub(crate) fn parse(&self, session: SessionId, kept: &str) -> Option<Profile> {
        if let Some(parsed) = self.parsed.find(&session)
            && parsed.text == kept
        {
            return Some(parsed.profile.clone());
        }
        let profile = self.verify(session, kept.split_once('.')?.1)?;
        let parsed = Parsed {
            text: kept.to_owned(),
            profile: profile.clone(),
        };
        self.parsed.insert(session, Arc::new(parsed));
        Some(profile)
    }

    fn verify(&self, session: SessionId, profile: &str) -> Option<Profile> {
        let mut parts = profile.splitn(4, '.');
        let expires_at = Timestamp::from_millis(parts.next()?.parse().ok()?);
        let id = AccountId(Uuid::parse_str(parts.next()?).ok()?);
        let (tag, json) = (parts.next()?, parts.next()?);
        let message = message(session, id, expires_at, json);
        if !self.authenticator.is_genuine(&message, tag) {
            return None;
        }
        let account: Account = serde_json::from_str(json).ok()?;
        Some(Profile {
            expires_at,
            account: Arc::new(Account { id, ..account }),
        })
    }
}

/// The message that the tag covers. All parts but the JSON have a fixed length, so two different
/// profiles never have the same message.
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

    /// A tag that is the message itself, and a count of verifications.
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
        Profiles::new(Arc::new(Plain::default()))
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
            .into_live_session(session, Generation::FIRST, Timestamp::from_millis(0))
    }

    /// The text as Redis keeps it, with this replication id.
    fn kept(replication_id: &str, written: &str) -> String {
        format!("{replication_id}.{written}")
    }

    #[test]
    fn a_profile_is_parsed_as_it_was_written() {
        let (profiles, session, account) = (profiles(), SessionId::fresh(), account());
        let bare = Account {
            profile_image_url: None,
            roles: Vec::new(),
            ..account.clone()
        };
        for (profile, replication_id) in [account, bare].map(profile).into_iter().zip(["0123456789abcdef", ""]) {
            let written = profiles.write(&live(session, &profile)).unwrap();
            for _ in 0..2 {
                let parsed = profiles.parse(session, &kept(replication_id, &written));
                assert_eq!(parsed.as_ref(), Some(&profile));
            }
        }
    }

    #[test]
    fn a_text_is_verified_once_and_another_text_again() {
        let authenticator = Arc::new(Plain::default());
        let (profiles, session, profile) = (
            Profiles::new(authenticator.clone()),
            SessionId::fresh(),
            profile(account()),
        );
        let written = profiles.write(&live(session, &profile)).unwrap();
        for (replication_id, verified) in [("a", 1), ("a", 1), ("b", 2), ("b", 2)] {
            assert!(profiles.parse(session, &kept(replication_id, &written)).is_some());
            assert_eq!(authenticator.0.load(Ordering::Relaxed), verified);
        }
    }

    #[test]
    fn memory_is_bounded_whatever_the_length_of_the_texts() {
        let profiles = profiles();
        for (length, count) in [(0, 30_000), (100_000, 300)] {
            for _ in 0..count {
                let (session, picture) = (SessionId::fresh(), "x".repeat(length));
                let profile = profile(Account {
                    profile_image_url: Some(picture),
                    ..account()
                });
                let written = profiles.write(&live(session, &profile)).unwrap();
                assert!(profiles.parse(session, &kept("a", &written)).is_some());
            }
            assert!(profiles.parsed.count() > 10, "the cache holds hardly anything");
            assert!(profiles.parsed.bytes() <= MAX_BYTES as u64);
        }
    }

    #[test]
    fn a_profile_that_was_changed_or_belongs_to_another_session_is_refused() {
        let (profiles, session, profile) = (profiles(), SessionId::fresh(), profile(account()));
        let written = profiles.write(&live(session, &profile)).unwrap();
        let own = kept("a", &written);
        assert!(profiles.parse(session, &own).is_some());
        let other_id = AccountId::random().0.to_string();
        for (old, new) in [
            ("\"admin\"", "\"owner\""),
            ("1700000000123", "1800000000123"),
            (profile.account.id.0.to_string().as_str(), other_id.as_str()),
        ] {
            let changed = own.replace(old, new);
            assert_ne!(changed, own);
            assert_eq!(profiles.parse(session, &changed), None, "{changed}");
        }
        assert_eq!(profiles.parse(SessionId::fresh(), &own), None);
        let json = written.splitn(4, '.').last().unwrap();
        for unsigned in [
            &written,
            json,
            &format!("a..{json}"),
            &format!("a...{json}"),
            "",
            ".",
            "....",
        ] {
            assert_eq!(profiles.parse(session, unsigned), None, "{unsigned:?}");
        }
        assert_eq!(
            profiles.parse(session, &own),
            Some(profile),
            "the genuine text is still accepted"
        );
    }

    #[test]
    fn a_field_of_a_later_version_is_ignored() {
        let (profiles, session, account) = (profiles(), SessionId::fresh(), AccountId::random());
        let at = Timestamp::from_millis(7);
        let signed = |json: &str| {
            format!(
                "a.7.{}.{}.{json}",
                account.0,
                Plain::default().tag(&message(session, account, at, json))
            )
        };
        let more = signed(r#"{"email":"a@b.c","username":"a","picture":null,"roles":[],"more":1}"#);
        assert!(profiles.parse(session, &more).is_some());
        assert!(profiles.parse(session, &signed("{}")).is_none());
    }
}
