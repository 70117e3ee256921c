//! One-time tokens in Redis: each step on a token is one script on one key.
//!
//! The tokens of a subject are in a list of their own, which in a cluster may be on another
//! server. `create` writes the token first and then the list. If it fails in between, the secret
//! is never handed out. Tokens are deleted before they leave the list, so that `revoke_all` can be
//! repeated after a failure.
//!
//! Replication is asynchronous: a failover may lose a token, or bring one back that was used a
//! moment before. So only short-lived purposes belong here, see [`TokenPurpose::is_short_lived`].

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::Result;
use crate::domain::clock::{Timestamp, millis};
use crate::domain::encryption::Encryption;
use crate::domain::one_time_token::{
    CodeAttempt, CountedTry, NewOneTimeToken, OpenedToken, TokenDigest, TokenId, TokenPurpose, TokenSubject,
};
use crate::store::one_time_tokens::contract::OneTimeTokenStore;
use crate::store::one_time_tokens::payload::Payloads;
use crate::store::one_time_tokens::redis::record;
use crate::store::one_time_tokens::redis::scripts::Scripts;
use crate::store::redis::client::Redis;

/// One-time tokens in Redis, one server or a cluster.
pub struct RedisTokens {
    redis: Redis,
    payloads: Payloads,
    scripts: Scripts,
}

impl RedisTokens {
    /// One-time tokens in this Redis, with encrypted payloads.
    #[must_use]
    pub fn new(redis: Redis, encryption: Arc<dyn Encryption>) -> Self {
        Self {
            redis,
            payloads: Payloads::new(encryption),
            scripts: Scripts::load(),
        }
    }

    /// Adds a token to the list of its subject, and ends those that it replaces.
    async fn add_to(&self, subject: &TokenSubject, token: &NewOneTimeToken) -> Result<()> {
        let (now, name) = (token.created_at, record::name_of(token));
        let arguments = [text(now), text(token.expires_at()), name];
        let key = record::subject_key(subject);
        let earlier: Vec<String> = self.redis.run(&self.scripts.subject_add, &key, &arguments).await?;
        if token.purpose.rules().replaces_earlier {
            let replaced = earlier
                .into_iter()
                .filter(|name| record::has_purpose(name, token.purpose));
            self.delete(subject, replaced.collect(), now).await?;
        }
        Ok(())
    }

    /// The tokens in the list of a subject, the oldest first.
    async fn names(&self, subject: &TokenSubject, now: Timestamp) -> Result<Vec<String>> {
        let (key, arguments) = (record::subject_key(subject), [text(now)]);
        self.redis.run(&self.scripts.subject_read, &key, &arguments).await
    }

    async fn delete(&self, subject: &TokenSubject, names: Vec<String>, now: Timestamp) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        for name in &names {
            self.redis.delete(&record::key(name)).await?;
        }
        let (key, arguments) = (record::subject_key(subject), [vec![text(now)], names].concat());
        self.redis.run(&self.scripts.subject_remove, &key, &arguments).await
    }

    fn open(&self, fixed: &str, purpose: TokenPurpose, presented: TokenDigest) -> Option<OpenedToken> {
        self.payloads.open(record::parse(fixed)?, purpose, presented)
    }
}

fn text(time: Timestamp) -> String {
    time.millis().to_string()
}

#[async_trait]
impl OneTimeTokenStore for RedisTokens {
    async fn create(&self, token: &NewOneTimeToken) -> Result<()> {
        // Redis accepts no lifetime of zero.
        let lifetime = millis(token.expires_at().since(token.created_at)).max(1);
        let arguments = [
            record::text_of(token, &self.payloads.seal(token)?),
            lifetime.to_string(),
        ];
        let key = record::key(&record::name_of(token));
        let () = self.redis.run(&self.scripts.create, &key, &arguments).await?;
        match &token.subject {
            Some(subject) => self.add_to(subject, token).await,
            None => Ok(()),
        }
    }

    async fn consume(&self, digest: TokenDigest, purpose: TokenPurpose, now: Timestamp) -> Result<Option<OpenedToken>> {
        let key = record::key(&record::secret_name(purpose, digest));
        let fixed: Option<String> = self.redis.run(&self.scripts.consume, &key, &[text(now)]).await?;
        Ok(fixed.and_then(|fixed| self.open(&fixed, purpose, digest)))
    }

    async fn peek(&self, digest: TokenDigest, purpose: TokenPurpose, now: Timestamp) -> Result<Option<OpenedToken>> {
        let key = record::key(&record::secret_name(purpose, digest));
        let fixed: Option<String> = self.redis.run(&self.scripts.peek, &key, &[text(now)]).await?;
        Ok(fixed.and_then(|fixed| self.open(&fixed, purpose, digest)))
    }

    async fn count_try(
        &self,
        digest: TokenDigest,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> Result<Option<CountedTry>> {
        let key = record::key(&record::secret_name(purpose, digest));
        let counted: Option<(u32, String)> = self.redis.run(&self.scripts.count_try, &key, &[text(now)]).await?;
        Ok(counted.and_then(|(tries_left, fixed)| {
            let token = self.open(&fixed, purpose, digest)?;
            Some(CountedTry { token, tries_left })
        }))
    }

    async fn try_code(
        &self,
        id: TokenId,
        purpose: TokenPurpose,
        digests: &[TokenDigest],
        now: Timestamp,
    ) -> Result<CodeAttempt> {
        let texts = digests.iter().map(|digest| record::digest_text(*digest));
        let arguments: Vec<String> = std::iter::once(text(now)).chain(texts).collect();
        let key = record::key(&record::code_name(purpose, id));
        let (outcome, number, fixed): (String, u32, String) =
            self.redis.run(&self.scripts.try_code, &key, &arguments).await?;
        match outcome.as_str() {
            "right" => {
                let matched = usize::try_from(number).ok().and_then(|index| digests.get(index));
                let token = matched.and_then(|digest| self.open(&fixed, purpose, *digest));
                Ok(token.map_or(CodeAttempt::Gone, CodeAttempt::Right))
            }
            "wrong" => Ok(CodeAttempt::Wrong { tries_left: number }),
            _ => Ok(CodeAttempt::Gone),
        }
    }

    async fn find_code(
        &self,
        subject: &TokenSubject,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> Result<Option<TokenId>> {
        let names = self.names(subject, now).await?;
        Ok(names.iter().rev().find_map(|name| record::code_id(name, purpose)))
    }

    async fn revoke_all(&self, subject: &TokenSubject, purposes: &[TokenPurpose], now: Timestamp) -> Result<()> {
        let mut names = self.names(subject, now).await?;
        names.retain(|name| purposes.iter().any(|purpose| record::has_purpose(name, *purpose)));
        self.delete(subject, names, now).await
    }

    async fn sweep(&self, _now: Timestamp) -> Result<u64> {
        // Redis forgets tokens by itself.
        Ok(0)
    }
}
