//! Short-lived tokens in Redis, all others in SQL.

use async_trait::async_trait;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::one_time_token::{
    CodeAttempt, CountedTry, NewOneTimeToken, OpenedToken, TokenDigest, TokenId, TokenPurpose, TokenSubject,
};
use crate::store::one_time_tokens::contract::OneTimeTokenStore;
use crate::store::one_time_tokens::redis::RedisTokens;
use crate::store::one_time_tokens::sql::SqlTokens;

/// The store of an installation with Redis.
pub struct TokensByLifetime {
    redis: RedisTokens,
    sql: SqlTokens,
}

impl TokensByLifetime {
    /// Keeps short-lived tokens in Redis, and all others in SQL.
    #[must_use]
    pub fn new(redis: RedisTokens, sql: SqlTokens) -> Self {
        Self { redis, sql }
    }

    fn store(&self, purpose: TokenPurpose) -> &dyn OneTimeTokenStore {
        if purpose.is_short_lived() {
            &self.redis
        } else {
            &self.sql
        }
    }
}

#[async_trait]
impl OneTimeTokenStore for TokensByLifetime {
    async fn create(&self, token: &NewOneTimeToken) -> Result<()> {
        self.store(token.purpose).create(token).await
    }

    async fn consume(&self, digest: TokenDigest, purpose: TokenPurpose, now: Timestamp) -> Result<Option<OpenedToken>> {
        self.store(purpose).consume(digest, purpose, now).await
    }

    async fn peek(&self, digest: TokenDigest, purpose: TokenPurpose, now: Timestamp) -> Result<Option<OpenedToken>> {
        self.store(purpose).peek(digest, purpose, now).await
    }

    async fn count_try(
        &self,
        digest: TokenDigest,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> Result<Option<CountedTry>> {
        self.store(purpose).count_try(digest, purpose, now).await
    }

    async fn try_code(
        &self,
        id: TokenId,
        purpose: TokenPurpose,
        digests: &[TokenDigest],
        now: Timestamp,
    ) -> Result<CodeAttempt> {
        self.store(purpose).try_code(id, purpose, digests, now).await
    }

    async fn find_code(
        &self,
        subject: &TokenSubject,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> Result<Option<TokenId>> {
        self.store(purpose).find_code(subject, purpose, now).await
    }

    async fn revoke_all(&self, subject: &TokenSubject, purposes: &[TokenPurpose], now: Timestamp) -> Result<()> {
        let (short_lived, others): (Vec<_>, Vec<_>) =
            purposes.iter().copied().partition(|purpose| purpose.is_short_lived());
        // SQL last: if it fails, the caller repeats both.
        if !short_lived.is_empty() {
            self.redis.revoke_all(subject, &short_lived, now).await?;
        }
        if !others.is_empty() {
            self.sql.revoke_all(subject, &others, now).await?;
        }
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64> {
        self.sql.sweep(now).await
    }
}
