//! Access tokens: JWTs in the profile of RFC 9068, signed with the key ring's current key.
//!
//! Algorithm, type, issuer and audience are pinned (RFC 8725 sections 3.1, 3.8, 3.9, 3.11). A key that a token brings or points to is
//! never used: only the key ring's own keys verify. Expiry is compared by the caller of `verify`, against the gateway's clock.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::{Algorithm, Header, TokenData, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::signing_keys::KeyRing;
use crate::domain::account::{Account, AccountId};
use crate::domain::caller::AccessClaim;
use crate::domain::clock::Timestamp;
use crate::domain::secret::SecretString;
use crate::domain::session::SessionId;
use crate::domain::{Error, Result};

/// The type in the header of every access token (RFC 9068 section 2.1).
const TYPE: &str = "at+jwt";

/// Longest token that is looked at, in bytes; ours have a third of that.
const MAX_LENGTH: usize = 4096;

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
    keys: RwLock<Arc<KeyRing>>,
    rules: TokenRules,
    validation: Validation,
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
    roles: Vec<String>,
}

impl AccessTokens {
    /// Signs with `keys` by the given rules.
    #[must_use]
    pub fn new(keys: KeyRing, rules: TokenRules) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&rules.issuer]);
        validation.set_audience(&[&rules.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // The library would ask the machine's clock, which tests cannot move.
        validation.validate_exp = false;
        Self {
            keys: RwLock::new(Arc::new(keys)),
            rules,
            validation,
        }
    }

    /// The keys in use.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses these keys from now on.
    pub fn replace_keys(&self, keys: KeyRing) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Issues a token for the account, bound to the session.
    pub fn issue(&self, account: &Account, session: SessionId, now: Timestamp) -> Result<SecretString> {
        let keys = self.keys();
        let key = keys
            .signing(now)
            .ok_or_else(|| Error::internal("there is no signing key"))?;
        let mut header = Header::new(key.algorithm);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        let claims = Claims {
            iss: self.rules.issuer.clone(),
            aud: self.rules.audience.clone(),
            sub: account.id.0,
            sid: session.0,
            jti: Uuid::new_v4(),
            iat: now.seconds(),
            exp: now.plus(self.rules.lifetime).seconds(),
            roles: account.roles.clone(),
        };
        encode(&header, &claims, &key.private)
            .map(SecretString::new)
            .map_err(Error::internal)
    }

    /// Verifies everything but the expiry.
    #[must_use]
    pub fn verify(&self, token: &str) -> Verification {
        let Some(header) = our_header(token) else {
            return Verification::Forged;
        };
        let keys = self.keys();
        let Some(key) = header.kid.as_deref().and_then(|kid| keys.find(kid)) else {
            return Verification::UnknownKey;
        };
        if key.algorithm != header.alg {
            return Verification::Forged;
        }
        let Ok(TokenData { claims, .. }) = decode::<Claims>(token, &key.public, &self.validation) else {
            return Verification::Forged;
        };
        Verification::Genuine(AccessClaim {
            account: AccountId(claims.sub),
            session: SessionId(claims.sid),
            expires_at: Timestamp::from_millis(claims.exp.saturating_mul(1000)),
        })
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

/// The header of a token that could be one of ours.
fn our_header(token: &str) -> Option<Header> {
    if token.len() > MAX_LENGTH {
        return None;
    }
    let header = decode_header(token).ok()?;
    (header.typ.as_deref() == Some(TYPE) && header.crit.is_none() && header.kid.is_some()).then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::Account;
    use crate::domain::secret::SecretBytes;
    use crate::security::KeyVault;

    const START: Timestamp = Timestamp::from_millis(0);

    fn tokens(secret: u8, issuer: &str, audience: &str) -> AccessTokens {
        let vault = KeyVault::new(&[SecretBytes::new(vec![secret; 32])]).unwrap();
        let key = vault.generate(START, START).unwrap();
        let rules = TokenRules {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            lifetime: Duration::from_mins(15),
        };
        AccessTokens::new(vault.open(vec![key]).unwrap(), rules)
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
        encode(header, claims, &tokens.keys().signing(START).unwrap().private).unwrap()
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
        let claim = tokens.verify(token.expose());
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
        assert_eq!(ours.verify(token.expose()), Verification::UnknownKey);
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(ours.keys().signing(START).unwrap().kid.clone());
        assert!(matches!(
            ours.verify(&sign(&ours, &header, &claims())),
            Verification::Genuine(_)
        ));
        for (claim, value) in [("iss", "https://other.example"), ("aud", "other")] {
            let mut forged = claims();
            forged[claim] = value.into();
            assert_eq!(
                ours.verify(&sign(&ours, &header, &forged)),
                Verification::Forged,
                "{claim} was not checked"
            );
            forged.as_object_mut().unwrap().remove(claim);
            assert_eq!(
                ours.verify(&sign(&ours, &header, &forged)),
                Verification::Forged,
                "{claim} may be missing"
            );
        }
    }

    #[test]
    fn type_key_and_algorithm_are_pinned() {
        let tokens = tokens(1, "https://auth.example", "api");
        let kid = Some(tokens.keys().signing(START).unwrap().kid.clone());
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
            let verification = tokens.verify(&sign(&tokens, &header, &claims()));
            assert!(
                !matches!(verification, Verification::Genuine(_)),
                "{header:?} was accepted"
            );
        }
        let public = tokens.keys().public_keys(START).remove(0).x;
        let mut confused = Header::new(Algorithm::HS256);
        confused.typ = Some(TYPE.to_owned());
        confused.kid = kid;
        let forged = encode(
            &confused,
            &claims(),
            &jsonwebtoken::EncodingKey::from_secret(public.as_bytes()),
        )
        .unwrap();
        assert_eq!(
            tokens.verify(&forged),
            Verification::Forged,
            "the public key served as an HMAC secret"
        );
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
            assert_eq!(tokens.verify(&forged), Verification::Forged);
        }
    }
}
