//! Access tokens that were verified before: to verify a signature again costs more than all the rest of a small request.
//!
//! Owns what is remembered and for how many tokens. It knows no keys: whoever changes what verifies begins with an empty memory. Nothing
//! here says whether a token counts now, which `access_tokens.rs` asks the clock at each use.

use std::fmt;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::sync::Cache;

use crate::domain::client::AccessClaim;

/// Most tokens that are remembered. With all that belongs to them they take less than 16 MiB; none of it is taken before it is needed.
const MOST: usize = 65_536;

/// The tokens that this gateway signed, as it found out.
///
/// Only genuine ones are in here, so nobody fills it with what they made up; and whoever signs in ten thousand times pushes out what is
/// used least, which then is verified once more.
pub(crate) struct VerifiedTokens(Cache<TokenDigest, VerifiedToken>);

/// Stands for a token, all of it: header, claims and signature.
///
/// Another text with the same digest would be a second preimage of SHA-256 (FIPS 180-4), and harder to find than a signature is to
/// forge. So the digest is as good as the text, which is a bearer token and need not stay in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest([u8; SHA256_OUTPUT_LEN]);

/// What a genuine token says.
#[derive(Clone, Copy)]
pub(crate) struct VerifiedToken {
    pub(crate) claim: AccessClaim,
    /// The later of `iat` and `nbf`, in seconds since the epoch.
    pub(crate) counts_from: i64,
}

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
    pub(crate) fn none() -> Self {
        Self(Cache::new(MOST))
    }

    pub(crate) fn find(&self, token: &TokenDigest) -> Option<VerifiedToken> {
        self.0.get(token)
    }

    /// For tokens alone of which everything was verified.
    pub(crate) fn remember(&self, token: TokenDigest, says: VerifiedToken) {
        self.0.insert(token, says);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::AccountId;
    use crate::domain::clock::Timestamp;
    use crate::domain::session::SessionId;

    #[test]
    fn it_never_grows_past_what_it_may_take() {
        let tokens = VerifiedTokens::none();
        let says = VerifiedToken {
            claim: AccessClaim {
                account: AccountId::random(),
                session: SessionId::fresh(),
                expires_at: Timestamp::from_millis(0),
            },
            counts_from: 0,
        };
        for number in 0..MOST * 2 {
            let mut digest = TokenDigest([0; SHA256_OUTPUT_LEN]);
            digest.0[..size_of_val(&number)].copy_from_slice(&number.to_le_bytes());
            tokens.remember(digest, says);
        }
        assert!(tokens.0.len() <= MOST);
        assert!(tokens.0.len() > MOST / 2, "it hardly remembers anything");
        assert!(tokens.0.memory_used().total() < 16 << 20);
    }
}
