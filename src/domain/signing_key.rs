//! Signing keys as they are stored: the public half in the clear, the private half sealed.

use crate::domain::clock::Timestamp;

/// How a key signs.
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
    /// All that there are.
    pub const ALL: [Self; 3] = [Self::EdDsa, Self::Es256, Self::Rs256];

    /// Its name in JOSE (RFC 7518 section 3.1, RFC 8037 section 3.1).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm of this name, in whatever case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let is_named = |algorithm: &Self| algorithm.as_str().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(is_named)
    }
}

/// A signing key at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSigningKey {
    /// Its id in token headers and in the JWKS: the thumbprint of its public half (RFC 7638).
    pub kid: String,
    /// How it signs; stored by its name in JOSE.
    pub algorithm: SigningAlgorithm,
    /// The public half: for `EdDSA` the 32 octets of RFC 8032 section 5.1.5, for `ES256` the uncompressed point in 65 octets (SEC 1
    /// section 2.3.3), for `RS256` the `RSAPublicKey` of RFC 8017 appendix A.1.1 in DER.
    pub public_key: Vec<u8>,
    /// Nonce, ciphertext and tag of the private half, which is a PKCS#8 document (RFC 5958) whatever the algorithm.
    pub sealed_private_key: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it may sign: after every verifier has had the time to see it.
    pub signs_from: Timestamp,
    /// Until when it verifies: after the last token that it signed has expired. `None` as long as it has no successor.
    pub verifies_until: Option<Timestamp>,
}

/// What a key does at a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// In the JWKS, to be seen before it signs.
    Published,
    /// Signs new tokens.
    Signing,
    /// Only verifies tokens that it signed before.
    Retired,
    /// No longer in the JWKS.
    Gone,
}

impl KeyState {
    /// How the state is shown.
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

/// The key that signs at this time: the one that may sign since most recently. Where none may yet, as when a node's clock is behind, the
/// first one that will.
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

/// The public half of a key, as the JWKS shows it (RFC 7517 section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The key's id.
    pub kid: String,
    /// How it signs.
    pub algorithm: SigningAlgorithm,
    /// The required members of its JWK by their names, in lexicographic order: what its id is the thumbprint of (RFC 7638 section 3.2).
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
    fn a_key_is_published_signs_is_retired_and_goes() {
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
            "a clock that is behind signs with the oldest"
        );
    }
}
