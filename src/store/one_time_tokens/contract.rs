//! The contract of stores of one-time tokens.

use async_trait::async_trait;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::one_time_token::{
    CodeAttempt, CountedTry, NewOneTimeToken, OpenedToken, TokenDigest, TokenId, TokenPurpose, TokenSubject,
};

/// What the service asks of one-time tokens. Every method is one atomic step, whatever else
/// happens at the same time. `now` is the time of the caller's clock, which alone decides what
/// has expired.
///
/// Each method fails with `Unavailable` while its store is down. After such a failure a token may
/// have been used up, and its owner asks for a new one.
#[async_trait]
pub trait OneTimeTokenStore: Send + Sync {
    /// Stores a token. If its purpose says so, it ends the subject's earlier tokens of that
    /// purpose.
    async fn create(&self, token: &NewOneTimeToken) -> Result<()>;

    /// Uses a token up. Of any number of calls at the same time, exactly one gets the token.
    /// Tries are not checked: count the try first where the purpose allows more than one.
    async fn consume(&self, digest: TokenDigest, purpose: TokenPurpose, now: Timestamp) -> Result<Option<OpenedToken>>;

    /// Reads a token without using it up: mail scanners open links too.
    async fn peek(&self, digest: TokenDigest, purpose: TokenPurpose, now: Timestamp) -> Result<Option<OpenedToken>>;

    /// Counts a try before the caller verifies its code. `None` once all tries are used up: no
    /// number of calls at the same time gets more tries than the purpose allows.
    async fn count_try(&self, digest: TokenDigest, purpose: TokenPurpose, now: Timestamp)
    -> Result<Option<CountedTry>>;

    /// Counts a try and compares the code. A right code uses the token up. The digests are those
    /// of `OneTimeTokens::code_digests`.
    async fn try_code(
        &self,
        id: TokenId,
        purpose: TokenPurpose,
        digests: &[TokenDigest],
        now: Timestamp,
    ) -> Result<CodeAttempt>;

    /// The subject's newest token of a purpose whose owner presents a code alone. It may have been
    /// used or tried too often, which `try_code` then says.
    async fn find_code(&self, subject: &TokenSubject, purpose: TokenPurpose, now: Timestamp)
    -> Result<Option<TokenId>>;

    /// Ends the subject's tokens of these purposes.
    async fn revoke_all(&self, subject: &TokenSubject, purposes: &[TokenPurpose], now: Timestamp) -> Result<()>;

    /// Deletes a batch of tokens that are over, and returns how many. Zero also while another node
    /// sweeps.
    async fn sweep(&self, now: Timestamp) -> Result<u64>;
}
