//! Access tokens: JWTs in the profile of RFC 9068, signed with the key ring's current key.
//!
//! Algorithm, type, issuer and audience are pinned (RFC 8725 sections 3.1, 3.8, 3.9, 3.11), the algorithm to that of the key. A key
//! that a token brings or points to is never used: only the key ring's own keys verify. A token has one spelling (`compact_form.rs`). A token that was found genuine is remembered (`verified_tokens.rs`) as long as the same keys verify. Expiry
//! is compared by the caller of `verify`, against the gateway's clock.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, TokenData, Validation, decode};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::domain::account::{Account, AccountId};
use crate::domain::client::AccessClaim;
use crate::domain::clock::Timestamp;
use crate::domain::secret::SecretString;
use crate::domain::session::SessionId;
use crate::domain::signing_key::SigningAlgorithm;
use crate::domain::{Error, Result};
use crate::security::access_token::compact_form::{MAX_LENGTH, TYPE, TokenHeader};
use crate::security::access_token::verified_cache::{TokenDigest, VerifiedToken, VerifiedTokens};
use crate::security::signing_key::key_pair::KeyPair;
use crate::security::signing_key::key_ring::{KeyRing, OpenKey};

/// How far the clocks of two nodes may be apart: a token may have been issued so much later than it is read. Nothing is added to its
/// life (RFC 7519 section 4.1.4 allows it).
const LEEWAY: Duration = Duration::from_mins(1);

/// What every access token of this gateway says.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// `iss`: the public address of the gateway.
    pub issuer: String,
    /// `aud`: whom the token is for.
    pub audience: String,
    /// From `iat` to `exp`, in whole seconds.
    pub lifetime: Duration,
}

/// Issues access tokens and verifies them.
pub struct AccessTokens {
    /// Replaced as a whole when keys change; a request uses the ring that it finds.
    keys: RwLock<Arc<Current>>,
    rules: TokenRules,
    /// One for each algorithm, which allows no other.
    validations: [Validation; 3],
}

/// The keys in use, and the tokens that they verified. Together: a token that is being verified while the keys change is remembered
/// beside the ring that verified it, and goes with that.
struct Current {
    keys: Arc<KeyRing>,
    verified: Arc<VerifiedTokens>,
}

/// What verifying a token showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// This gateway signed exactly this token.
    Genuine(AccessClaim),
    /// It names a key that is not in the ring: a forgery, or a key younger than the ring.
    UnknownKey,
    /// Anything else.
    Forged,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    sid: Uuid,
    jti: Uuid,
    iat: i64,
    exp: i64,
    /// Ours have none; one that is there counts.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    roles: Vec<String>,
}

impl AccessTokens {
    /// Signs with `keys` by the given rules.
    #[must_use]
    pub fn new(keys: KeyRing, rules: TokenRules) -> Self {
        let validations = SigningAlgorithm::ALL.map(|algorithm| validation(jose(algorithm), &rules));
        Self {
            keys: RwLock::new(Arc::new(Current {
                keys: Arc::new(keys),
                verified: Arc::new(VerifiedTokens::none()),
            })),
            rules,
            validations,
        }
    }

    /// The keys in use.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        self.current().keys.clone()
    }

    fn current(&self) -> Arc<Current> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses these keys from now on. Unless exactly the same ones verify, every token has to be verified anew.
    pub fn replace_keys(&self, keys: KeyRing) {
        let mut current = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let verified = if keys.verifies_like(&current.keys) {
            current.verified.clone()
        } else {
            Arc::new(VerifiedTokens::none())
        };
        let keys = Arc::new(keys);
        *current = Arc::new(Current { keys, verified });
    }

    /// Issues a token for the account, bound to the session.
    pub fn issue(&self, account: &Account, session: SessionId, now: Timestamp) -> Result<SecretString> {
        let keys = self.keys();
        let key = keys
            .signing(now)
            .ok_or_else(|| Error::internal("there is no signing key"))?;
        let mut header = Header::new(jose(key.shown.algorithm));
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.shown.kid.clone());
        let claims = Claims {
            iss: self.rules.issuer.clone(),
            aud: self.rules.audience.clone(),
            sub: account.id.0,
            sid: session.0,
            jti: Uuid::new_v4(),
            iat: now.seconds(),
            exp: now.plus(self.rules.lifetime).seconds(),
            nbf: None,
            roles: account.roles.clone(),
        };
        sign(&header, &claims, &key.private).map(SecretString::new)
    }

    /// Verifies everything but the expiry, at a time that the token's own must go together with.
    #[must_use]
    pub fn verify(&self, token: &str, now: Timestamp) -> Verification {
        if token.len() > MAX_LENGTH {
            return Verification::Forged;
        }
        let (current, digest) = (self.current(), TokenDigest::of(token));
        // What was true of the token at another time is compared with the clock again.
        let known = current.verified.find(&digest);
        if let Some(known) = known.filter(|known| known.counts_at(now)) {
            return Verification::Genuine(known.claim);
        }
        let verification = self.verify_anew(token, &current.keys, now);
        if let Ok(verified) = verification {
            current.verified.remember(digest, verified);
        }
        verification.map_or_else(|refusal| refusal, |verified| Verification::Genuine(verified.claim))
    }

    /// Verifies a token of which nothing is known.
    fn verify_anew(
        &self,
        token: &str,
        keys: &KeyRing,
        now: Timestamp,
    ) -> std::result::Result<VerifiedToken, Verification> {
        let header = TokenHeader::parse(token).ok_or(Verification::Forged)?;
        let key = keys.find(&header.kid).ok_or(Verification::UnknownKey)?;
        let claims = self.claims(token, &header, key).ok_or(Verification::Forged)?;
        let verified = claims.verified().ok_or(Verification::Forged)?;
        if verified.counts_at(now) {
            Ok(verified)
        } else {
            Err(Verification::Forged)
        }
    }

    /// What a token says that this key signed. The algorithm that it names is compared with the key's, never followed.
    fn claims(&self, token: &str, header: &TokenHeader, key: &OpenKey) -> Option<Claims> {
        let algorithm = key.shown.algorithm;
        if header.alg != algorithm.as_str() {
            return None;
        }
        let mut validations = self.validations.iter();
        let validation = validations.find(|validation| validation.algorithms == [jose(algorithm)])?;
        let TokenData { claims, .. } = decode(token, &key.public, validation).ok()?;
        Some(claims)
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

impl Claims {
    /// What is kept of a token; `None` for one that lives longer than any setting allows.
    fn verified(self) -> Option<VerifiedToken> {
        let life = self.exp.saturating_sub(self.iat);
        let longest = i64::try_from(AccessClaim::LONGEST_LIFE.as_secs()).unwrap_or(i64::MAX);
        (1..=longest).contains(&life).then(|| VerifiedToken {
            counts_from: self.nbf.map_or(self.iat, |nbf| nbf.max(self.iat)),
            claim: AccessClaim {
                account: AccountId(self.sub),
                session: SessionId(self.sid),
                expires_at: Timestamp::from_millis(self.exp.saturating_mul(1000)),
            },
        })
    }
}

impl VerifiedToken {
    /// Whether a node could have issued this by then: not in the future.
    fn counts_at(&self, now: Timestamp) -> bool {
        self.counts_from <= now.plus(LEEWAY).seconds()
    }
}

/// A number where there is a member: `null` is none (RFC 7519 section 2, `NumericDate`).
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<i64>, D::Error> {
    i64::deserialize(deserializer).map(Some)
}

fn validation(algorithm: Algorithm, rules: &TokenRules) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[&rules.issuer]);
    validation.set_audience(&[&rules.audience]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    // The library would ask the machine's clock, which tests cannot move.
    validation.validate_exp = false;
    validation
}

fn jose(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        SigningAlgorithm::Es256 => Algorithm::ES256,
        SigningAlgorithm::Rs256 => Algorithm::RS256,
    }
}

/// A JWT in the compact serialisation (RFC 7515 section 7.1).
fn sign(header: &Header, claims: &impl Serialize, key: &KeyPair) -> Result<String> {
    let header = serde_json::to_vec(header).map_err(Error::internal)?;
    let claims = serde_json::to_vec(claims).map_err(Error::internal)?;
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes())?);
    Ok(format!("{message}.{signature}"))
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, encode};

    use super::*;
    use crate::domain::account::Account;
    use crate::domain::secret::SecretBytes;
    use crate::domain::signing_key::StoredSigningKey;
    use crate::security::{FreshKey, KeyVault};

    const START: Timestamp = Timestamp::from_millis(0);

    fn tokens(secret: u8, issuer: &str, audience: &str) -> AccessTokens {
        let rules = TokenRules {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            lifetime: Duration::from_mins(15),
        };
        let key = stored(&vault(secret), SigningAlgorithm::EdDsa);
        AccessTokens::new(vault(secret).open(vec![key]).unwrap(), rules)
    }

    fn vault(secret: u8) -> KeyVault {
        KeyVault::new(&[SecretBytes::new(vec![secret; 32])]).unwrap()
    }

    fn stored(vault: &KeyVault, algorithm: SigningAlgorithm) -> StoredSigningKey {
        let key = FreshKey::generate(algorithm).unwrap();
        vault.seal_fresh(&key, START, START).unwrap()
    }

    fn header(algorithm: Algorithm, kid: &str) -> Header {
        let mut header = Header::new(algorithm);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(kid.to_owned());
        header
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

    fn sign(tokens: &AccessTokens, header: &Header, claims: &serde_json::Value) -> String {
        super::sign(header, claims, &tokens.keys().signing(START).unwrap().private).unwrap()
    }

    fn claims() -> serde_json::Value {
        serde_json::json!({
            "iss": "https://auth.example", "aud": "api", "sub": Uuid::new_v4(), "sid": Uuid::new_v4(), "jti": Uuid::new_v4(),
            "iat": 1, "exp": 901, "roles": ["user"],
        })
    }

    #[test]
    fn a_token_names_its_account_session_and_end() {
        let (tokens, account, session) = (tokens(1, "https://auth.example", "api"), account(), SessionId::fresh());
        let token = tokens.issue(&account, session, Timestamp::from_millis(1_500)).unwrap();
        let claim = tokens.verify(token.expose(), START);
        assert_eq!(
            claim,
            Verification::Genuine(AccessClaim {
                account: account.id,
                session,
                expires_at: Timestamp::from_millis(901_000)
            })
        );
    }

    #[test]
    fn a_token_of_another_gateway_or_for_another_audience_is_refused() {
        let ours = tokens(1, "https://auth.example", "api");
        let theirs = tokens(2, "https://auth.example", "api");
        let token = theirs
            .issue(&account(), SessionId::fresh(), Timestamp::from_millis(0))
            .unwrap();
        assert_eq!(ours.verify(token.expose(), START), Verification::UnknownKey);
        let header = header(Algorithm::EdDSA, &ours.keys().signing(START).unwrap().shown.kid);
        assert!(matches!(
            ours.verify(&sign(&ours, &header, &claims()), START),
            Verification::Genuine(_)
        ));
        for (claim, value) in [("iss", "https://other.example"), ("aud", "other")] {
            let mut forged = claims();
            forged[claim] = value.into();
            assert_eq!(
                ours.verify(&sign(&ours, &header, &forged), START),
                Verification::Forged,
                "{claim} was not checked"
            );
            forged.as_object_mut().unwrap().remove(claim);
            assert_eq!(
                ours.verify(&sign(&ours, &header, &forged), START),
                Verification::Forged,
                "{claim} may be missing"
            );
        }
    }

    #[test]
    fn type_and_key_are_pinned() {
        let tokens = tokens(1, "https://auth.example", "api");
        let kid = Some(tokens.keys().signing(START).unwrap().shown.kid.clone());
        let header = |typ: Option<&str>, kid: &Option<String>| {
            let mut header = Header::new(Algorithm::EdDSA);
            header.typ = typ.map(str::to_owned);
            header.kid.clone_from(kid);
            header
        };
        for header in [
            header(Some("JWT"), &kid),
            header(None, &kid),
            header(Some(TYPE), &None),
            header(Some(TYPE), &Some("x".to_owned())),
        ] {
            let verification = tokens.verify(&sign(&tokens, &header, &claims()), START);
            assert!(
                !matches!(verification, Verification::Genuine(_)),
                "{header:?} was accepted"
            );
        }
    }

    /// The attacks of RFC 8725 section 2.1: a token that names an algorithm, or a key, other than the one it was signed with.
    #[test]
    fn the_algorithm_of_a_token_must_be_that_of_its_key() {
        let vault = vault(1);
        let keys: Vec<StoredSigningKey> = SigningAlgorithm::ALL.map(|algorithm| stored(&vault, algorithm)).into();
        let rules = tokens(1, "https://auth.example", "api").rules;
        let tokens = AccessTokens::new(vault.open(keys.clone()).unwrap(), rules);
        let ring = tokens.keys();
        for signing in &keys {
            let private = &ring.find(&signing.kid).unwrap().private;
            for named in &keys {
                for claimed in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256, Algorithm::PS256] {
                    let token = super::sign(&header(claimed, &named.kid), &claims(), private).unwrap();
                    let is_genuine = matches!(tokens.verify(&token, START), Verification::Genuine(_));
                    let is_right = signing == named && claimed == jose(signing.algorithm);
                    assert_eq!(
                        is_genuine, is_right,
                        "{claimed:?}: {:?} as {:?}",
                        signing.algorithm, named.algorithm
                    );
                }
            }
            let secret = EncodingKey::from_secret(&signing.public_key);
            let forged = encode(&header(Algorithm::HS256, &signing.kid), &claims(), &secret).unwrap();
            assert_eq!(
                tokens.verify(&forged, START),
                Verification::Forged,
                "a public key served as an HMAC secret"
            );
        }
        let rsa = &keys[2];
        // Behind 26 bytes of PKCS#8 stands what the library reads.
        let document = vault.unseal(&rsa.sealed_private_key, &rsa.kid).unwrap();
        let private = EncodingKey::from_rsa_der(&document[26..]);
        let right = encode(&header(Algorithm::RS256, &rsa.kid), &claims(), &private).unwrap();
        assert!(matches!(tokens.verify(&right, START), Verification::Genuine(_)));
        let forged = encode(&header(Algorithm::PS256, &rsa.kid), &claims(), &private).unwrap();
        assert_eq!(
            tokens.verify(&forged, START),
            Verification::Forged,
            "the right key, used in another way"
        );
    }

    /// A genuine token is remembered by then; nothing that is nearly it may pass for it.
    #[test]
    fn what_is_remembered_of_a_token_helps_no_other_one() {
        let tokens = tokens(1, "https://auth.example", "api");
        let token = tokens.issue(&account(), SessionId::fresh(), START).unwrap();
        let token = token.expose();
        let genuine = tokens.verify(token, START);
        assert!(matches!(genuine, Verification::Genuine(_)));
        assert!(is_remembered(&tokens, token));
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
            assert!(
                !matches!(tokens.verify(&other, START), Verification::Genuine(_)),
                "{other}"
            );
            assert!(
                !is_remembered(&tokens, &other),
                "what was refused takes no place: {other}"
            );
        }
        assert_eq!(tokens.verify(token, START), genuine);
    }

    #[test]
    fn a_remembered_token_is_compared_with_the_clock_each_time() {
        let tokens = tokens(1, "https://auth.example", "api");
        let header = header(Algorithm::EdDSA, &tokens.keys().signing(START).unwrap().shown.kid);
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        for (claim, value) in [("iat", 1000), ("nbf", 1100)] {
            let mut claims = claims();
            (claims["iat"], claims["exp"]) = (1000.into(), 1900.into());
            claims[claim] = value.into();
            let token = sign(&tokens, &header, &claims);
            let leeway = i64::try_from(LEEWAY.as_secs()).unwrap();
            assert_eq!(tokens.verify(&token, at(value - leeway - 1)), Verification::Forged);
            assert!(!is_remembered(&tokens, &token), "{claim}: it does not count yet");
            let genuine = tokens.verify(&token, at(value));
            let Verification::Genuine(says) = genuine else {
                panic!("{claim}");
            };
            assert_eq!(says.expires_at, at(1900), "for the caller to compare");
            assert!(is_remembered(&tokens, &token));
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
    fn tokens_are_forgotten_with_their_key() {
        let vault = vault(1);
        let [first, second] = [(); 2].map(|()| stored(&vault, SigningAlgorithm::EdDsa));
        let rules = tokens(1, "https://auth.example", "api").rules;
        let ring = |keys: &[&StoredSigningKey]| vault.open(keys.iter().map(|key| (*key).clone()).collect()).unwrap();
        let tokens = AccessTokens::new(ring(&[&first]), rules);
        let token = tokens.issue(&account(), SessionId::fresh(), START).unwrap();
        let token = token.expose();
        let genuine = tokens.verify(token, START);
        assert!(matches!(genuine, Verification::Genuine(_)));
        tokens.replace_keys(ring(&[&first]));
        assert!(is_remembered(&tokens, token), "the keys were only read again");
        tokens.replace_keys(ring(&[&second]));
        assert_eq!(tokens.verify(token, START), Verification::UnknownKey);
        tokens.replace_keys(ring(&[&second, &first]));
        assert!(!is_remembered(&tokens, token));
        assert_eq!(tokens.verify(token, START), genuine);
    }

    fn is_remembered(tokens: &AccessTokens, token: &str) -> bool {
        tokens.current().verified.find(&TokenDigest::of(token)).is_some()
    }

    #[test]
    fn a_changed_or_huge_token_is_refused() {
        let tokens = tokens(1, "https://auth.example", "api");
        let token = tokens
            .issue(&account(), SessionId::fresh(), Timestamp::from_millis(0))
            .unwrap();
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
