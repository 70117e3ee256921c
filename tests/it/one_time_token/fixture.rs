//! A store of one-time tokens under test.

use std::sync::Arc;
use std::time::Duration;

use auth_gateway::config::{DatabaseUrl, RedisUrl};
use auth_gateway::domain::account::AccountId;
use auth_gateway::domain::clock::{Clock, Timestamp};
use auth_gateway::domain::one_time_token::{
    CodeAttempt, NewOneTimeToken, TokenDigest, TokenId, TokenPurpose, TokenSubject,
};
use auth_gateway::domain::secret::{SecretBytes, SecretString};
use auth_gateway::security::{OneTimeTokens, PayloadEncryption};
use auth_gateway::store::one_time_tokens::{RedisTokens, SqlTokens, TokensByLifetime};
use auth_gateway::store::{Database, OneTimeTokenStore, Redis};

use crate::harness::{Backend, ManualClock, Stores};

/// A purpose whose owner presents a secret.
pub const SECRET: TokenPurpose = TokenPurpose::PasswordReset;
/// A purpose whose owner presents a secret, and then codes that the caller verifies.
pub const CHALLENGE: TokenPurpose = TokenPurpose::LoginChallenge;
/// A purpose whose owner presents a code.
pub const CODE: TokenPurpose = TokenPurpose::EmailVerificationCode;
/// What is stored with every token.
pub const PAYLOAD: &[u8] = b"jane.doe@example.com";
pub const RIGHT_CODE: &str = "123456";
pub const LIFETIME: Duration = Duration::from_mins(5);

/// Declares each case as three tests, one for each store.
macro_rules! on_each_store {
    ($(async fn $name:ident($fixture:ident: &TokenFixture) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports, reason = "not every case needs all of its file's imports")]
            use super::*;

            async fn case($fixture: &$crate::one_time_token::fixture::TokenFixture) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                case(&$crate::one_time_token::fixture::TokenFixture::new($crate::harness::Backend::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                case(&$crate::one_time_token::fixture::TokenFixture::new($crate::harness::Backend::Postgres).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres_redis() {
                case(&$crate::one_time_token::fixture::TokenFixture::new($crate::harness::Backend::PostgresRedis).await)
                    .await;
            }
        })*
    };
}
pub(crate) use on_each_store;

pub struct TokenFixture {
    pub stores: Stores,
    pub tokens: Arc<dyn OneTimeTokenStore>,
    pub secrets: OneTimeTokens,
    pub clock: ManualClock,
    pub subject: TokenSubject,
}

impl TokenFixture {
    /// With Redis every token is kept there, also the long-lived ones, so that each case runs on
    /// it.
    pub async fn new(backend: Backend) -> Self {
        let stores = Stores::new(backend).await;
        let tokens: Arc<dyn OneTimeTokenStore> = match &stores.redis_url {
            Some(url) => Arc::new(redis_tokens(url)),
            None => Arc::new(sql_tokens(&stores).await),
        };
        Self::over(stores, tokens)
    }

    /// As an installation with Redis has it.
    pub async fn by_lifetime() -> Self {
        let stores = Stores::new(Backend::PostgresRedis).await;
        let redis = redis_tokens(stores.redis_url.as_ref().unwrap());
        let tokens = TokensByLifetime::new(redis, sql_tokens(&stores).await);
        Self::over(stores, Arc::new(tokens))
    }

    fn over(stores: Stores, tokens: Arc<dyn OneTimeTokenStore>) -> Self {
        Self {
            stores,
            tokens,
            secrets: OneTimeTokens::new(&[SecretBytes::new(vec![7; 32])]).unwrap(),
            clock: ManualClock::new(),
            subject: TokenSubject::account(AccountId::random()),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A token of the fixture's subject.
    pub fn token(&self, purpose: TokenPurpose) -> NewOneTimeToken {
        let id = TokenId::random();
        let digest = if purpose == CODE {
            self.secrets.code_digest(purpose, id, RIGHT_CODE)
        } else {
            self.secrets.digest(self.secrets.generate().unwrap().0.expose())
        };
        NewOneTimeToken {
            id,
            purpose,
            digest,
            subject: Some(self.subject.clone()),
            payload: SecretBytes::new(PAYLOAD.to_vec()),
            created_at: self.now(),
            lifetime: LIFETIME,
        }
    }

    /// Stores a token of the fixture's subject.
    pub async fn create(&self, purpose: TokenPurpose) -> NewOneTimeToken {
        let token = self.token(purpose);
        self.tokens.create(&token).await.unwrap();
        token
    }

    /// Whether the token was accepted, and its payload is the right one.
    pub async fn consume(&self, digest: TokenDigest, purpose: TokenPurpose) -> bool {
        let consumed = self.tokens.consume(digest, purpose, self.now()).await.unwrap();
        consumed.is_some_and(|token| token.payload.expose() == PAYLOAD)
    }

    pub async fn peek(&self, digest: TokenDigest, purpose: TokenPurpose) -> bool {
        let peeked = self.tokens.peek(digest, purpose, self.now()).await.unwrap();
        peeked.is_some_and(|token| token.payload.expose() == PAYLOAD)
    }

    pub async fn try_code(&self, id: TokenId, code: &str) -> Attempt {
        let digests = self.secrets.code_digests(CODE, id, code);
        match self.tokens.try_code(id, CODE, &digests, self.now()).await.unwrap() {
            CodeAttempt::Right(token) => {
                assert_eq!(token.payload.expose(), PAYLOAD);
                Attempt::Right
            }
            CodeAttempt::Wrong { tries_left } => Attempt::Wrong(tries_left),
            CodeAttempt::Gone => Attempt::Gone,
        }
    }

    /// How many more tries there are after this one.
    pub async fn count_try(&self, digest: TokenDigest) -> Option<u32> {
        let counted = self.tokens.count_try(digest, CHALLENGE, self.now()).await.unwrap()?;
        assert_eq!(counted.token.payload.expose(), PAYLOAD);
        Some(counted.tries_left)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    Right,
    Wrong(u32),
    Gone,
}

pub fn encryption() -> Arc<PayloadEncryption> {
    Arc::new(PayloadEncryption::new(&[SecretBytes::new(vec![7; 32])], "one-time tokens").unwrap())
}

fn redis_tokens(url: &str) -> RedisTokens {
    let redis = Redis::new(&RedisUrl(vec![SecretString::new(url.to_owned())])).unwrap();
    RedisTokens::new(redis, encryption())
}

async fn sql_tokens(stores: &Stores) -> SqlTokens {
    let url = match stores.database_url.strip_prefix("sqlite://") {
        Some(file) => DatabaseUrl::Sqlite(file.into()),
        None => DatabaseUrl::Postgres(SecretString::new(stores.database_url.clone())),
    };
    let database = Database::connect(&url).await.unwrap();
    database.migrate_up().await.unwrap();
    SqlTokens::new(database, encryption())
}
