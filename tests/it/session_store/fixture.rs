//! A store of sessions to be tried, and one account in it.

use std::sync::Arc;
use std::time::Duration;

use auth_gateway::config::{DatabaseUrl, RedisUrl};
use auth_gateway::domain::account::{Account, AccountId, CredentialsUpdate, NewAccount, PasswordChange, PasswordHash};
use auth_gateway::domain::clock::Timestamp;
use auth_gateway::domain::email::Email;
use auth_gateway::domain::refresh_token::RefreshClaim;
use auth_gateway::domain::secret::{SecretBytes, SecretString};
use auth_gateway::domain::session::{Device, Generation, Lifetimes, NewSession, Rotation, SessionId};
use auth_gateway::domain::username::Username;
use auth_gateway::security::ProfileAuthenticator;
use auth_gateway::store::sessions::{RedisSessions, SqlSessions};
use auth_gateway::store::{Accounts, Database, Redis, SessionStore};

use crate::harness::{Backend, Stores, redis_url};

pub const LIFETIMES: Lifetimes = Lifetimes {
    refresh_token: Duration::from_hours(24),
    session: Duration::from_hours(72),
    grace: Duration::from_secs(10),
};
/// Far ahead of the machine's clock, which triggers go by.
pub const START: Timestamp = Timestamp::from_millis(4_000_000_000_000);

/// Writes one test for each store of sessions.
macro_rules! on_each_store {
    ($(async fn $name:ident($fixture:ident: &StoreFixture) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn case($fixture: &$crate::session_store::fixture::StoreFixture) $body

            #[tokio::test]
            async fn sql_on_sqlite() {
                case(&$crate::session_store::fixture::StoreFixture::new($crate::harness::Backend::Sqlite).await).await;
            }

            #[tokio::test]
            async fn sql_on_postgres() {
                case(&$crate::session_store::fixture::StoreFixture::new($crate::harness::Backend::Postgres).await).await;
            }

            #[tokio::test]
            async fn redis_over_postgres() {
                case(&$crate::session_store::fixture::StoreFixture::new($crate::harness::Backend::PostgresRedis).await).await;
            }
        })*
    };
}
pub(crate) use on_each_store;

/// A store of sessions, and one account.
pub struct StoreFixture {
    pub stores: Stores,
    pub sessions: Arc<dyn SessionStore>,
    accounts: Accounts,
    pub account: AccountId,
}

/// What Redis holds of a session, in this order and with a space between them.
const FIELDS: [&str; 6] = ["generation", "rotated", "saved", "arrival", "lease", "profile"];

pub fn redis_key(session: SessionId) -> String {
    format!("auth-gateway:session:{}", session.0.simple())
}

impl StoreFixture {
    pub async fn new(backend: Backend) -> Self {
        Self::living_by(LIFETIMES, Stores::new(backend).await, backend).await
    }

    pub async fn without_grace(backend: Backend) -> Self {
        let lifetimes = Lifetimes {
            grace: Duration::ZERO,
            ..LIFETIMES
        };
        Self::living_by(lifetimes, Stores::new(backend).await, backend).await
    }

    /// Over PostgreSQL and the Redis of this address.
    pub async fn over_redis(url: &str) -> Self {
        let mut stores = Stores::new(Backend::PostgresRedis).await;
        stores.redis_url = Some(url.to_owned());
        Self::living_by(LIFETIMES, stores, Backend::PostgresRedis).await
    }

    async fn living_by(lifetimes: Lifetimes, stores: Stores, backend: Backend) -> Self {
        let url = match backend {
            Backend::Sqlite => DatabaseUrl::Sqlite(stores.database_url.trim_start_matches("sqlite://").into()),
            Backend::Postgres | Backend::PostgresRedis => {
                DatabaseUrl::Postgres(SecretString::new(stores.database_url.clone()))
            }
        };
        let database = Database::connect(&url).await.unwrap();
        database.migrate_up().await.unwrap();
        let sql = SqlSessions::new(database.clone(), lifetimes);
        let sessions: Arc<dyn SessionStore> = match &stores.redis_url {
            Some(url) => Arc::new(RedisSessions::new(
                Redis::new(&RedisUrl(vec![SecretString::new(url.clone())])).unwrap(),
                sql,
                Arc::new(ProfileAuthenticator::new(&[SecretBytes::new(vec![7; 32])]).unwrap()),
            )),
            None => Arc::new(sql),
        };
        let account = AccountId::random();
        let fixture = Self {
            stores,
            sessions,
            accounts: Accounts::new(database),
            account,
        };
        fixture.add_account(account, "john").await;
        fixture
    }

    /// An account, and with it the session that a registration opens.
    pub async fn add_account(&self, id: AccountId, name: &str) -> SessionId {
        let account = NewAccount {
            id,
            email: Email::parse(&format!("{name}@example.com")).unwrap(),
            username: Username::parse(name).unwrap(),
            password_hash: hash(""),
            created_at: START,
        };
        let session = session_of(id);
        self.accounts.create(&account, &session).await.unwrap();
        session.id
    }

    /// The account as its owner sees it.
    pub async fn profile(&self) -> Arc<Account> {
        self.accounts.find(self.account).await.unwrap().unwrap().into()
    }

    /// The account, as a condition in SQL.
    pub fn own(&self) -> String {
        if self.stores.database_url.starts_with("sqlite") {
            format!("= X'{}'", self.account.0.simple())
        } else {
            format!("= '{}'", self.account.0)
        }
    }

    pub async fn open(&self) -> SessionId {
        let session = session_of(self.account);
        let opened = self.sessions.open(&session, &hash("")).await.unwrap();
        assert_eq!(opened, CredentialsUpdate::Applied);
        session.id
    }

    /// A change of password, from the hash of one name to that of another.
    pub async fn change(&self, by: SessionId, old: &str, new: &str) -> CredentialsUpdate {
        let change = PasswordChange {
            account: self.account,
            by,
            old: hash(old),
            new: hash(new),
        };
        self.sessions.change_password(&change, START).await.unwrap()
    }

    pub async fn rotate(&self, session: SessionId, generation: u32, now: Timestamp) -> Outcome {
        match self
            .sessions
            .rotate(claim(session, generation), now, None)
            .await
            .unwrap()
            .rotation
        {
            Rotation::Current { account, generation } => {
                assert_eq!(account.id, self.account);
                Outcome::Current(generation.0)
            }
            Rotation::Reused { ended } => {
                assert!(ended.is_none_or(|account| account == self.account));
                Outcome::Reused
            }
            Rotation::Over => Outcome::Over,
            Rotation::Limited(_) => panic!("nothing is charged"),
        }
    }

    pub async fn is_live(&self, session: SessionId, now: Timestamp) -> bool {
        self.sessions.find(session, now).await.unwrap().is_some()
    }

    /// What Redis holds of a session, byte for byte.
    pub async fn key_of(&self, session: SessionId) -> Vec<u8> {
        ask(redis::cmd("DUMP").arg(redis_key(session))).await
    }

    /// Redis is at another history of writes, and there the session is as it was: a replica has taken over that had missed the rest.
    pub async fn fall_back_to(&self, session: SessionId, held: &[u8]) {
        let mut restore = redis::cmd("RESTORE");
        restore.arg(redis_key(session)).arg(60_000).arg(held).arg("REPLACE");
        let _done: String = ask(&restore).await;
        let profile = self.field(session, "profile").await;
        let (_history, rest) = profile.split_once('.').unwrap();
        let elsewhere = format!("{}.{rest}", "0".repeat(16));
        self.overwrite_field(session, "profile", &elsewhere).await;
    }

    /// What Redis has in a field of a session.
    pub async fn field(&self, session: SessionId, field: &str) -> String {
        self.fields(session).await.swap_remove(place_of(field))
    }

    async fn fields(&self, session: SessionId) -> Vec<String> {
        let text = self.text_of(session).await;
        let fields: Vec<String> = text.splitn(FIELDS.len(), ' ').map(str::to_owned).collect();
        assert_eq!(fields.len(), FIELDS.len(), "{text}");
        fields
    }

    /// All that Redis has of a session.
    pub async fn text_of(&self, session: SessionId) -> String {
        ask(redis::cmd("GET").arg(redis_key(session))).await
    }

    /// Somebody puts something else there: a text, or what is none.
    pub async fn put(&self, session: SessionId, text: Option<&str>) {
        self.forget(session).await;
        if let Some(text) = text {
            let _done: String = ask(redis::cmd("SET").arg(redis_key(session)).arg(text)).await;
        } else {
            let _added: i64 = ask(redis::cmd("HSET").arg(redis_key(session)).arg("generation").arg(2)).await;
        }
    }

    /// Somebody writes something else into one of its fields.
    pub async fn overwrite_field(&self, session: SessionId, field: &str, value: &str) {
        let mut fields = self.fields(session).await;
        assert_ne!(fields[place_of(field)], "", "there is no {field}");
        value.clone_into(&mut fields[place_of(field)]);
        let mut set = redis::cmd("SET");
        set.arg(redis_key(session)).arg(fields.join(" ")).arg("KEEPTTL");
        let _done: String = ask(&set).await;
    }

    /// Redis has a session without one of its fields.
    pub async fn forget_field(&self, session: SessionId, field: &str) {
        self.overwrite_field(session, field, "").await;
    }

    /// Redis forgets a session, as after an eviction or a restart. Without Redis there is nothing to forget.
    pub async fn forget(&self, session: SessionId) {
        if self.stores.redis_url.is_some() {
            let _deleted: i64 = ask(redis::cmd("DEL").arg(redis_key(session))).await;
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Current(u32),
    Reused,
    Over,
}

pub fn session_of(account: AccountId) -> NewSession {
    let expires_at = START.plus(LIFETIMES.session);
    NewSession {
        id: SessionId::fresh(),
        account,
        created_at: START,
        expires_at,
        device: Device::default(),
    }
}

/// What the token of this generation says.
pub fn claim(session: SessionId, generation: u32) -> RefreshClaim {
    RefreshClaim {
        session,
        generation: Generation(generation),
    }
}

fn place_of(field: &str) -> usize {
    FIELDS.iter().position(|name| *name == field).unwrap()
}

/// A hash that no password has; the one without a name is that of the account.
pub fn hash(name: &str) -> PasswordHash {
    PasswordHash(format!("$argon2id${name}"))
}

/// What Redis answers.
async fn ask<T: redis::FromRedisValue>(command: &redis::Cmd) -> T {
    let client = redis::Client::open(redis_url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    command.query_async(&mut connection).await.unwrap()
}
