//! Verifies access tokens: form, key, algorithm, signature and claims.
//!
//! Algorithm, type, issuer and audience are pinned (RFC 8725 sections 3.1, 3.8, 3.9, 3.11), and the
//! algorithm is that of the key. A key that a token carries or points to is never used: only keys
//! of the ring verify. The expiry is left to the caller, who compares it with the gateway's clock.

use jsonwebtoken::{Algorithm, TokenData, Validation, decode};

use crate::domain::client::AccessClaim;
use crate::domain::clock::Timestamp;
use crate::domain::signing_key::SigningAlgorithm;
use crate::security::access_token::algorithm::jwt_algorithm;
use crate::security::access_token::claims::{Claims, TokenRules, VerifiedToken};
use crate::security::access_token::compact_form::TokenHeader;
use crate::security::signing_key::key_ring::{KeyRing, OpenKey};

/// The result of verifying a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// This gateway signed exactly this token. It may have expired.
    Genuine(AccessClaim),
    /// The token names a key that is not in the ring: a forgery, or a key newer than the ring.
    UnknownKey,
    /// Anything else.
    Forged,
}

/// Verifies the signature and the claims of tokens.
pub(crate) struct Verifier {
    /// One for each algorithm, which allows no other.
    validations: [Validation; SigningAlgorithm::ALL.len()],
}

impl Verifier {
    pub(crate) fn new(rules: &TokenRules) -> Self {
        Self {
            validations: SigningAlgorithm::ALL.map(|algorithm| validation(jwt_algorithm(algorithm), rules)),
        }
    }

    /// Verifies everything except the expiry.
    ///
    /// # Errors
    /// `UnknownKey` or `Forged`, never `Genuine`.
    pub(crate) fn verify(&self, token: &str, keys: &KeyRing, now: Timestamp) -> Result<VerifiedToken, Verification> {
        let header = TokenHeader::parse(token).ok_or(Verification::Forged)?;
        let key = keys.find(&header.kid).ok_or(Verification::UnknownKey)?;
        self.claims(token, &header, key)
            .and_then(Claims::into_verified)
            .filter(|token| token.is_valid_at(now))
            .ok_or(Verification::Forged)
    }

    /// The claims, if this key signed them. The algorithm of the header must be the key's: a
    /// verifier that follows the header could be made to use a public key as an HMAC secret.
    fn claims(&self, token: &str, header: &TokenHeader, key: &OpenKey) -> Option<Claims> {
        let algorithm = key.shown.algorithm;
        if header.alg != algorithm.as_str() {
            return None;
        }
        let mut validations = self.validations.iter();
        let validation = validations.find(|validation| validation.algorithms == [jwt_algorithm(algorithm)])?;
        let TokenData { claims, .. } = decode(token, &key.public, validation).ok()?;
        Some(claims)
    }
}

fn validation(algorithm: Algorithm, rules: &TokenRules) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[&rules.issuer]);
    validation.set_audience(&[&rules.audience]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    // The library would read the machine's clock, which tests cannot advance.
    validation.validate_exp = false;
    validation
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jsonwebtoken::{EncodingKey, Header, encode};
    use uuid::Uuid;

    use super::*;
    use crate::domain::secret::SecretBytes;
    use crate::domain::signing_key::StoredSigningKey;
    use crate::security::access_token::compact_form::TYPE;
    use crate::security::access_token::issue::sign;
    use crate::security::{FreshKey, KeyVault};

    const NOW: Timestamp = Timestamp::from_millis(0);

    fn verifier() -> Verifier {
        Verifier::new(&TokenRules {
            issuer: "https://auth.example".to_owned(),
            audience: "api".to_owned(),
            lifetime: Duration::from_mins(15),
        })
    }

    fn vault() -> KeyVault {
        KeyVault::new(&[SecretBytes::new(vec![1; 32])]).unwrap()
    }

    fn stored(algorithm: SigningAlgorithm) -> StoredSigningKey {
        let key = FreshKey::generate(algorithm).unwrap();
        vault().seal_fresh(&key, NOW, NOW).unwrap()
    }

    fn ring() -> KeyRing {
        vault().open(vec![stored(SigningAlgorithm::EdDsa)]).unwrap()
    }

    fn header(algorithm: Algorithm, kid: &str) -> Header {
        let mut header = Header::new(algorithm);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(kid.to_owned());
        header
    }

    fn claims() -> serde_json::Value {
        serde_json::json!({
            "iss": "https://auth.example", "aud": "api", "sub": Uuid::new_v4(), "sid": Uuid::new_v4(), "jti": Uuid::new_v4(),
            "iat": 1, "exp": 901, "roles": ["user"],
        })
    }

    #[test]
    fn a_token_of_another_gateway_or_audience_is_refused() {
        let (keys, other_keys) = (ring(), ring());
        let key = keys.signing(NOW).unwrap();
        let header = header(Algorithm::EdDSA, &key.shown.kid);
        let verify = |claims: &serde_json::Value, keys: &KeyRing| {
            let token = sign(&header, claims, &key.private).unwrap();
            verifier().verify(&token, keys, NOW)
        };
        assert!(verify(&claims(), &keys).is_ok());
        assert_eq!(verify(&claims(), &other_keys).err(), Some(Verification::UnknownKey));
        for (claim, value) in [("iss", "https://other.example"), ("aud", "other")] {
            let mut forged = claims();
            forged[claim] = value.into();
            assert_eq!(
                verify(&forged, &keys).err(),
                Some(Verification::Forged),
                "other {claim}"
            );
            forged.as_object_mut().unwrap().remove(claim);
            assert_eq!(verify(&forged, &keys).err(), Some(Verification::Forged), "no {claim}");
        }
    }

    #[test]
    fn a_token_needs_the_right_type_and_a_key_id() {
        let keys = ring();
        let key = keys.signing(NOW).unwrap();
        let right = header(Algorithm::EdDSA, &key.shown.kid);
        let with = |typ: Option<&str>, kid: Option<&str>| Header {
            typ: typ.map(str::to_owned),
            kid: kid.map(str::to_owned),
            ..right.clone()
        };
        let kid = Some(key.shown.kid.as_str());
        for header in [
            with(Some("JWT"), kid),
            with(None, kid),
            with(Some(TYPE), None),
            with(Some(TYPE), Some("x")),
        ] {
            let token = sign(&header, &claims(), &key.private).unwrap();
            assert!(
                verifier().verify(&token, &keys, NOW).is_err(),
                "{header:?} was accepted"
            );
        }
    }

    /// The attacks of RFC 8725 section 2.1: a token that names an algorithm, or a key, other than
    /// the one it was signed with.
    #[test]
    fn the_algorithm_of_a_token_must_be_that_of_its_key() {
        let stored: Vec<StoredSigningKey> = SigningAlgorithm::ALL.map(stored).into();
        let ring = vault().open(stored.clone()).unwrap();
        let verify = |token: &str| verifier().verify(token, &ring, NOW);
        for signing in &stored {
            let private = &ring.find(&signing.kid).unwrap().private;
            for named in &stored {
                for claimed in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256, Algorithm::PS256] {
                    let token = sign(&header(claimed, &named.kid), &claims(), private).unwrap();
                    let is_right = signing == named && claimed == jwt_algorithm(signing.algorithm);
                    assert_eq!(
                        verify(&token).is_ok(),
                        is_right,
                        "{claimed:?}: {:?} as {:?}",
                        signing.algorithm,
                        named.algorithm
                    );
                }
            }
            let secret = EncodingKey::from_secret(&signing.public_key);
            let forged = encode(&header(Algorithm::HS256, &signing.kid), &claims(), &secret).unwrap();
            assert!(verify(&forged).is_err(), "a public key served as an HMAC secret");
        }
    }

    #[test]
    fn an_rsa_key_does_not_verify_pss() {
        let stored = stored(SigningAlgorithm::Rs256);
        let ring = vault().open(vec![stored.clone()]).unwrap();
        // The library reads the key that follows 26 bytes of PKCS#8.
        let document = vault().unseal(&stored.sealed_private_key, &stored.kid).unwrap();
        let private = EncodingKey::from_rsa_der(&document[26..]);
        for (algorithm, is_right) in [(Algorithm::RS256, true), (Algorithm::PS256, false)] {
            let token = encode(&header(algorithm, &stored.kid), &claims(), &private).unwrap();
            assert_eq!(verifier().verify(&token, &ring, NOW).is_ok(), is_right, "{algorithm:?}");
        }
    }
}
