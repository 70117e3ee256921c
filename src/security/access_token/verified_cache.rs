//! A cache of verified tokens: verifying a signature again would cost more than the rest of a
//! small request.
//!
//! The cache knows no keys: when other keys verify than before, its owner starts with an empty one.
//! An entry does not mean that the token is valid now; the owner compares it with the clock.

use std::fmt;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::sync::Cache;

use crate::security::access_token::claims::VerifiedToken;

/// Most tokens in the cache. Entries and bookkeeping take less than 16 MiB, allocated as needed.
const CAPACITY: usize = 65_536;

/// The tokens that were found genuine, by their digest.
///
/// Forged tokens are never inserted, so an attacker cannot fill the cache with them. Many sign-ins
/// can push out the least used tokens, which are then verified again.
pub(crate) struct VerifiedTokens(Cache<TokenDigest, VerifiedToken>);

/// The SHA-256 digest of a whole token: header, claims and signature.
///
/// A different token with the same digest would be a second preimage (FIPS 180-4), which is harder
/// to find than a forged signature. The token itself is a bearer token, so it is not kept in
/// memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest([u8; SHA256_OUTPUT_LEN]);

impl TokenDigest {
    pub(crate) fn of(token: &str) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest of a token]")
    }
}

impl VerifiedTokens {
    pub(crate) fn new() -> Self {
        Self(Cache::new(CAPACITY))
    }

    pub(crate) fn find(&self, token: &TokenDigest) -> Option<VerifiedToken> {
        self.0.get(token)
    }

    /// Only for tokens that were verified completely.
    pub(crate) fn insert(&self, token: TokenDigest, verified: VerifiedToken) {
        self.0.insert(token, verified);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::AccountId;
    use crate::domain::client::AccessClaim;
    use crate::domain::clock::Timestamp;
    use crate::domain::session::SessionId;

    #[test]
    fn the_cache_is_bounded() {
        let tokens = VerifiedTokens::new();
        let verified = VerifiedToken {
            claim: AccessClaim {
                account: AccountId::random(),
                session: SessionId::fresh(),
                expires_at: Timestamp::from_millis(0),
            },
            valid_from: 0,
        };
        for number in 0..CAPACITY * 2 {
            let mut digest = TokenDigest([0; SHA256_OUTPUT_LEN]);
            digest.0[..size_of_val(&number)].copy_from_slice(&number.to_le_bytes());
            tokens.insert(digest, verified);
        }
        assert!(tokens.0.len() <= CAPACITY);
        assert!(tokens.0.len() > CAPACITY / 2, "it holds hardly anything");
        assert!(tokens.0.memory_used().total() < 16 << 20);
    }
}
