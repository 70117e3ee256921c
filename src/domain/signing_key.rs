//! Signing keys as they are stored: the public key in the clear, the private key encrypted.

use crate::domain::clock::Timestamp;

/// A signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
}

impl SigningAlgorithm {
    pub const ALL: [Self; 3] = [Self::EdDsa, Self::Es256, Self::Rs256];

    /// The name in JOSE (RFC 7518 section 3.1, RFC 8037 section 3.1).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm of this name; case is ignored.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let is_named = |algorithm: &Self| algorithm.as_str().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(is_named)
    }
}

/// A signing key at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSigningKey {
    /// The id in token headers and in the JWKS: the thumbprint of the public key (RFC 7638).
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    /// The public key. `EdDSA`: the 32 octets of RFC 8032 section 5.1.5. `ES256`: the uncompressed
    /// point in 65 octets (SEC 1 section 2.3.3). `RS256`: the `RSAPublicKey` of RFC 8017 appendix
    /// A.1.1 in DER.
    pub public_key: Vec<u8>,
    /// Nonce, ciphertext and tag of the private key, a PKCS#8 document (RFC 5958).
    pub sealed_private_key: Vec<u8>,
    pub created_at: Timestamp,
    /// When it may begin to sign: after every verifier has had time to load it.
    pub signs_from: Timestamp,
    /// When it stops verifying: after its last token has expired. `None` if it has no successor.
    pub verifies_until: Option<Timestamp>,
}

/// The state of a key at a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// In the JWKS, but does not sign yet.
    Published,
    /// Signs new tokens.
    Signing,
    /// Only verifies the tokens that it signed before.
    Retired,
    /// No longer in the JWKS.
    Gone,
}

impl KeyState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Signing => "signing",
            Self::Retired => "retired",
            Self::Gone => "gone",
        }
    }
}

/// The key that signs at this time: the newest of those that may sign. If none may sign yet,
/// because the node's clock is behind, the one that will be first.
#[must_use]
pub fn signing_key(keys: &[StoredSigningKey], now: Timestamp) -> Option<&StoredSigningKey> {
    let may_sign = keys.iter().filter(|key| key.signs_from <= now);
    may_sign
        .max_by_key(|key| key.signs_from)
        .or_else(|| keys.iter().min_by_key(|key| key.signs_from))
}

/// The state of each key at this time, in the order of the list.
#[must_use]
pub fn key_states(keys: &[StoredSigningKey], now: Timestamp) -> Vec<KeyState> {
    let signing = signing_key(keys, now).map(|key| key.kid.as_str());
    let state = |key: &StoredSigningKey| match key.verifies_until {
        _ if Some(key.kid.as_str()) == signing => KeyState::Signing,
        Some(until) if until <= now => KeyState::Gone,
        _ if key.signs_from > now => KeyState::Published,
        _ => KeyState::Retired,
    };
    keys.iter().map(state).collect()
}

/// A public key as the JWKS publishes it (RFC 7517 section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    /// The required members of its JWK in lexicographic order. The id is their thumbprint (RFC 7638
    /// section 3.2).
    pub members: Vec<(&'static str, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kid: &str, signs_from: i64, verifies_until: Option<i64>) -> StoredSigningKey {
        StoredSigningKey {
            kid: kid.to_owned(),
            algorithm: SigningAlgorithm::EdDsa,
            public_key: Vec::new(),
            sealed_private_key: Vec::new(),
            created_at: Timestamp::from_millis(0),
            signs_from: Timestamp::from_millis(signs_from),
            verifies_until: verifies_until.map(Timestamp::from_millis),
        }
    }

    #[test]
    fn an_algorithm_is_parsed_by_its_name() {
        for algorithm in SigningAlgorithm::ALL {
            let name = algorithm.as_str();
            for name in [name, &name.to_lowercase(), &name.to_uppercase()] {
                assert_eq!(SigningAlgorithm::parse(name), Some(algorithm), "{name}");
            }
        }
        for other in ["", "none", "HS256", "PS256", "ES256K", " ES256"] {
            assert_eq!(SigningAlgorithm::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_key_is_published_then_signs_then_is_retired_then_gone() {
        let keys = [key("new", 200, None), key("old", 100, Some(300))];
        let at = |now| key_states(&keys, Timestamp::from_millis(now));
        assert_eq!(at(100), [KeyState::Published, KeyState::Signing]);
        assert_eq!(at(199), [KeyState::Published, KeyState::Signing]);
        assert_eq!(at(200), [KeyState::Signing, KeyState::Retired]);
        assert_eq!(at(299), [KeyState::Signing, KeyState::Retired]);
        assert_eq!(at(300), [KeyState::Signing, KeyState::Gone]);
        assert_eq!(
            at(0),
            [KeyState::Published, KeyState::Signing],
            "if the clock is behind, the oldest key signs"
        );
    }
}
