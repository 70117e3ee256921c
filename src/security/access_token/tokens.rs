//! Issues and verifies access tokens with the current signing keys.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::domain::account::Account;
use crate::domain::clock::Timestamp;
use crate::domain::secret::SecretString;
use crate::domain::session::SessionId;
use crate::domain::{Error, Result};
use crate::security::access_token::claims::{Claims, TokenRules};
use crate::security::access_token::compact_form::MAX_LENGTH;
use crate::security::access_token::issue::issue;
use crate::security::access_token::verified_cache::{TokenDigest, VerifiedTokens};
use crate::security::access_token::verify::{Verification, Verifier};
use crate::security::signing_key::key_ring::KeyRing;

/// Issues access tokens and verifies them.
pub struct AccessTokens {
    /// Replaced as a whole when keys change; a request uses one version throughout.
    current: RwLock<Arc<Current>>,
    rules: TokenRules,
    verifier: Verifier,
}

/// The keys, and the tokens that they verified. They are replaced together: a token that is being
/// verified while the keys change is cached beside the keys that verified it, and goes with them.
struct Current {
    keys: Arc<KeyRing>,
    verified: Arc<VerifiedTokens>,
}

impl AccessTokens {
    #[must_use]
    pub fn new(keys: KeyRing, rules: TokenRules) -> Self {
        Self {
            current: RwLock::new(Arc::new(Current {
                keys: Arc::new(keys),
                verified: Arc::new(VerifiedTokens::new()),
            })),
            verifier: Verifier::new(&rules),
            rules,
        }
    }

    /// The keys in use.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        self.current().keys.clone()
    }

    fn current(&self) -> Arc<Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses these keys from now on. If other keys verify than before, the cache is emptied.
    pub fn replace_keys(&self, keys: KeyRing) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let verified = if keys.verifies_like(&current.keys) {
            current.verified.clone()
        } else {
            Arc::new(VerifiedTokens::new())
        };
        let keys = Arc::new(keys);
        *current = Arc::new(Current { keys, verified });
    }

    /// Issues a token for the account, bound to the session.
    ///
    /// # Errors
    /// When there is no signing key, or signing fails.
    pub fn issue(&self, account: &Account, session: SessionId, now: Timestamp) -> Result<SecretString> {
        let keys = self.keys();
        let key = keys
            .signing(now)
            .ok_or_else(|| Error::internal("there is no signing key"))?;
        issue(&Claims::new(&self.rules, account, session, now), key)
    }

    /// Verifies everything except the expiry, which the caller compares with the gateway's clock.
    ///
    /// A token that was found genuine is cached, because verifying a signature is the most
    /// expensive part of a small request. `iat` and `nbf` are compared with the clock each time.
    #[must_use]
    pub fn verify(&self, token: &str, now: Timestamp) -> Verification {
        if token.len() > MAX_LENGTH {
            return Verification::Forged;
        }
        let (current, digest) = (self.current(), TokenDigest::of(token));
        let cached = current.verified.find(&digest);
        if let Some(cached) = cached.filter(|cached| cached.is_valid_at(now)) {
            return Verification::Genuine(cached.claim);
        }
        match self.verifier.verify(token, &current.keys, now) {
            Ok(verified) => {
                current.verified.insert(digest, verified);
                Verification::Genuine(verified.claim)
            }
            Err(refused) => refused,
        }
    }

    /// The lifetime of a token, in whole seconds.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.rules.lifetime
    }

    /// The issuer of every token.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.rules.issuer
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, Header};
    use uuid::Uuid;

    use super::*;
    use crate::domain::account::AccountId;
    use crate::domain::client::AccessClaim;
    use crate::domain::secret::SecretBytes;
    use crate::domain::signing_key::{SigningAlgorithm, StoredSigningKey};
    use crate::security::access_token::claims::LEEWAY;
    use crate::security::access_token::compact_form::TYPE;
    use crate::security::access_token::issue::sign;
    use crate::security::{FreshKey, KeyVault};

    const START: Timestamp = Timestamp::from_millis(0);

    fn rules() -> TokenRules {
        TokenRules {
            issuer: "https://auth.example".to_owned(),
            audience: "api".to_owned(),
            lifetime: Duration::from_mins(15),
        }
    }

    fn vault() -> KeyVault {
        KeyVault::new(&[SecretBytes::new(vec![1; 32])]).unwrap()
    }

    fn stored() -> StoredSigningKey {
        let key = FreshKey::generate(SigningAlgorithm::EdDsa).unwrap();
        vault().seal_fresh(&key, START, START).unwrap()
    }

    fn ring(keys: &[&StoredSigningKey]) -> KeyRing {
        vault().open(keys.iter().copied().cloned().collect()).unwrap()
    }

    fn tokens() -> AccessTokens {
        AccessTokens::new(ring(&[&stored()]), rules())
    }

    fn account() -> Account {
        Account {
            id: AccountId::random(),
            email: "john.doe@example.com".to_owned(),
            username: "johndoe".to_owned(),
            profile_image_url: None,
            roles: vec!["user".to_owned()],
        }
    }

    fn is_cached(tokens: &AccessTokens, token: &str) -> bool {
        tokens.current().verified.find(&TokenDigest::of(token)).is_some()
    }

    #[test]
    fn a_token_names_its_account_session_and_expiry() {
        let (tokens, account, session) = (tokens(), account(), SessionId::fresh());
        let token = tokens.issue(&account, session, Timestamp::from_millis(1_500)).unwrap();
        assert_eq!(
            tokens.verify(token.expose(), START),
            Verification::Genuine(AccessClaim {
                account: account.id,
                session,
                expires_at: Timestamp::from_millis(901_000)
            })
        );
    }

    #[test]
    fn no_variant_of_a_cached_token_is_accepted() {
        let tokens = tokens();
        let token = tokens.issue(&account(), SessionId::fresh(), START).unwrap();
        let token = token.expose();
        let genuine = tokens.verify(token, START);
        assert!(matches!(genuine, Verification::Genuine(_)));
        assert!(is_cached(&tokens, token));
        let mut others = vec![
            String::new(),
            format!("{token}="),
            format!("{token}."),
            format!(" {token}"),
            token.to_lowercase(),
        ];
        for (at, c) in token.char_indices() {
            let (before, after) = (&token[..at], &token[at + 1..]);
            others.push(format!("{before}{after}"));
            others.extend(
                "A0.-"
                    .chars()
                    .filter(|other| *other != c)
                    .map(|other| format!("{before}{other}{after}")),
            );
        }
        for other in others {
            let verification = tokens.verify(&other, START);
            assert!(!matches!(verification, Verification::Genuine(_)), "{other}");
            assert!(!is_cached(&tokens, &other), "a refused token was cached: {other}");
        }
        assert_eq!(tokens.verify(token, START), genuine);
    }

    #[test]
    fn a_cached_token_is_compared_with_the_clock_each_time() {
        let tokens = tokens();
        let keys = tokens.keys();
        let key = keys.signing(START).unwrap();
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.shown.kid.clone());
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        for (claim, value) in [("iat", 1000), ("nbf", 1100)] {
            let mut claims = serde_json::json!({
                "iss": "https://auth.example", "aud": "api", "sub": Uuid::new_v4(), "sid": Uuid::new_v4(), "jti": Uuid::new_v4(),
                "iat": 1000, "exp": 1900, "roles": ["user"],
            });
            claims[claim] = value.into();
            let token = sign(&header, &claims, &key.private).unwrap();
            let leeway = i64::try_from(LEEWAY.as_secs()).unwrap();
            assert_eq!(tokens.verify(&token, at(value - leeway - 1)), Verification::Forged);
            assert!(!is_cached(&tokens, &token), "{claim}: it is not valid yet");
            let genuine = tokens.verify(&token, at(value));
            let Verification::Genuine(verified) = genuine else {
                panic!("{claim}");
            };
            assert_eq!(verified.expires_at, at(1900), "for the caller to compare");
            assert!(is_cached(&tokens, &token));
            assert_eq!(
                tokens.verify(&token, at(value - leeway - 1)),
                Verification::Forged,
                "{claim}: the clock went back"
            );
            assert_eq!(tokens.verify(&token, at(value - leeway)), genuine);
            assert_eq!(tokens.verify(&token, at(1900)), genuine);
        }
    }

    #[test]
    fn the_cache_is_emptied_when_other_keys_verify() {
        let (first, second) = (stored(), stored());
        let tokens = AccessTokens::new(ring(&[&first]), rules());
        let token = tokens.issue(&account(), SessionId::fresh(), START).unwrap();
        let token = token.expose();
        let genuine = tokens.verify(token, START);
        assert!(matches!(genuine, Verification::Genuine(_)));
        tokens.replace_keys(ring(&[&first]));
        assert!(is_cached(&tokens, token), "the same keys were read again");
        tokens.replace_keys(ring(&[&second]));
        assert_eq!(tokens.verify(token, START), Verification::UnknownKey);
        tokens.replace_keys(ring(&[&second, &first]));
        assert!(!is_cached(&tokens, token));
        assert_eq!(tokens.verify(token, START), genuine);
    }

    #[test]
    fn a_changed_or_huge_token_is_refused() {
        let tokens = tokens();
        let token = tokens.issue(&account(), SessionId::fresh(), START).unwrap();
        let (body, signature) = token.expose().rsplit_once('.').unwrap();
        for forged in [
            body.to_owned(),
            format!("{body}."),
            format!("{body}.{}", signature.replace(|_: char| true, "A")),
            "x".repeat(100_000),
        ] {
            assert_eq!(tokens.verify(&forged, START), Verification::Forged);
        }
    }
}
