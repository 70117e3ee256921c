//! A session store under test, with one account.

use std::sync::Arc;
use std::time::Duration;

use auth_gateway::config::{DatabaseUrl, RedisUrl};
use auth_gateway::domain::account::{Account, AccountId, NewAccount};
use auth_gateway::domain::clock::Timestamp;
use auth_gateway::domain::credential::{CredentialsUpdate, CredentialsVersion, PasswordChange};
use auth_gateway::domain::email::Email;
use auth_gateway::domain::password::PasswordHash;
use auth_gateway::domain::refresh_token::{RefreshClaim, Rotation};
use auth_gateway::domain::secret::{SecretBytes, SecretString};
use auth_gateway::domain::session::{Device, Generation, Lifetimes, NewSession, SessionId};
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
/// The credentials of a new account.
pub const FIRST_VERSION: CredentialsVersion = CredentialsVersion(1);
/// Far ahead of the machine's clock, which triggers use.
pub const START: Timestamp = Timestamp::from_millis(4_000_000_000_000);

/// Declares each case as three tests, one for each session store.
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

pub struct StoreFixture {
    pub stores: Stores,
    pub sessions: Arc<dyn SessionStore>,
    accounts: Accounts,
    pub account: AccountId,
}

/// The parts of a session in Redis, in order, separated by spaces.
const FIELDS: [&str; 6] = ["generation", "rotated", "saved", "arrival", "lease", "profile"];

pub fn redis_key(session: SessionId) -> String {
    format!("auth-gateway:session:{}", session.0.simple())
}

impl StoreFixture {
    pub async fn new(backend: Backend) -> Self {
        Self::with_lifetimes(LIFETIMES, Stores::new(backend).await, backend).await
    }

    /// Over PostgreSQL and this Redis.
    pub async fn over_redis(url: &str) -> Self {
        let mut stores = Stores::new(Backend::PostgresRedis).await;
        stores.redis_url = Some(url.to_owned());
        Self::with_lifetimes(LIFETIMES, stores, Backend::PostgresRedis).await
    }

    async fn with_lifetimes(lifetimes: Lifetimes, stores: Stores, backend: Backend) -> Self {
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

    /// Creates an account with the session that a registration opens.
    pub async fn add_account(&self, id: AccountId, name: &str) -> SessionId {
        let account = NewAccount {
            id,
            email: Email::parse(&format!("{name}@example.com")).unwrap(),
            username: Username::parse(name).unwrap(),
            password_hash: Some(PasswordHash("$argon2id$".to_owned())),
            created_at: START,
        };
        let session = session_of(id);
        self.accounts.create(&account, &session).await.unwrap();
        session.id
    }

    pub async fn profile(&self) -> Arc<Account> {
        self.accounts.find(self.account).await.unwrap().unwrap().into()
    }

    /// A SQL condition that an id is that of the account.
    pub fn own(&self) -> String {
        if self.stores.database_url.starts_with("sqlite") {
            format!("= X'{}'", self.account.0.simple())
        } else {
            format!("= '{}'", self.account.0)
        }
    }

    /// Deletes the row of the account and leaves its sessions.
    pub async fn delete_account_only(&self) {
        let own = self.own();
        let delete = format!("DELETE FROM accounts WHERE id {own}");
        if self.stores.database_url.starts_with("sqlite") {
            self.stores
                .execute(&format!(
                    "PRAGMA foreign_keys = OFF; {delete}; PRAGMA foreign_keys = ON"
                ))
                .await;
        } else {
            let drop = "ALTER TABLE sessions DROP CONSTRAINT sessions_account_id";
            self.stores.execute(&format!("{drop}; {delete}")).await;
        }
    }

    pub async fn open(&self) -> SessionId {
        let session = session_of(self.account);
        let opened = self.sessions.open(&session, FIRST_VERSION).await.unwrap();
        assert_eq!(opened, CredentialsUpdate::Applied);
        session.id
    }

    /// A change of password, by a session that has verified these credentials.
    pub async fn change(&self, by: SessionId, verified: CredentialsVersion) -> CredentialsUpdate {
        let change = PasswordChange {
            account: self.account,
            by,
            verified,
            new_hash: PasswordHash("$argon2id$new".to_owned()),
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
            Rotation::Ended => Outcome::Ended,
            Rotation::Limited(_) => panic!("no limit was given"),
        }
    }

    pub async fn is_live(&self, session: SessionId, now: Timestamp) -> bool {
        self.sessions.find(session, now).await.unwrap().is_some()
    }

    /// The serialised key of a session.
    pub async fn dump(&self, session: SessionId) -> Vec<u8> {
        query(redis::cmd("DUMP").arg(redis_key(session))).await
    }

    /// Restores the session as it was, under another replication id: a replica that missed later
    /// writes was promoted.
    pub async fn promote_stale_replica(&self, session: SessionId, held: &[u8]) {
        let mut restore = redis::cmd("RESTORE");
        restore.arg(redis_key(session)).arg(60_000).arg(held).arg("REPLACE");
        let _done: String = query(&restore).await;
        let profile = self.field(session, "profile").await;
        let (_replication_id, rest) = profile.split_once('.').unwrap();
        let elsewhere = format!("{}.{rest}", "0".repeat(16));
        self.overwrite_field(session, "profile", &elsewhere).await;
    }

    pub async fn field(&self, session: SessionId, field: &str) -> String {
        self.fields(session).await.swap_remove(index_of(field))
    }

    async fn fields(&self, session: SessionId) -> Vec<String> {
        let text = self.text_of(session).await;
        let fields: Vec<String> = text.splitn(FIELDS.len(), ' ').map(str::to_owned).collect();
        assert_eq!(fields.len(), FIELDS.len(), "{text}");
        fields
    }

    pub async fn text_of(&self, session: SessionId) -> String {
        query(redis::cmd("GET").arg(redis_key(session))).await
    }

    /// Overwrites the key of a session: with a text, or with a value of another type.
    pub async fn put(&self, session: SessionId, text: Option<&str>) {
        self.forget(session).await;
        if let Some(text) = text {
            let _done: String = query(redis::cmd("SET").arg(redis_key(session)).arg(text)).await;
        } else {
            let _added: i64 = query(redis::cmd("HSET").arg(redis_key(session)).arg("generation").arg(2)).await;
        }
    }

    /// Overwrites one part of a session.
    pub async fn overwrite_field(&self, session: SessionId, field: &str, value: &str) {
        let mut fields = self.fields(session).await;
        assert_ne!(fields[index_of(field)], "", "there is no {field}");
        value.clone_into(&mut fields[index_of(field)]);
        let mut set = redis::cmd("SET");
        set.arg(redis_key(session)).arg(fields.join(" ")).arg("KEEPTTL");
        let _done: String = query(&set).await;
    }

    pub async fn forget_field(&self, session: SessionId, field: &str) {
        self.overwrite_field(session, field, "").await;
    }

    /// Deletes the key of a session, as an eviction or a restart does. Without Redis, nothing.
    pub async fn forget(&self, session: SessionId) {
        if self.stores.redis_url.is_some() {
            let _deleted: i64 = query(redis::cmd("DEL").arg(redis_key(session))).await;
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Current(u32),
    Reused,
    Ended,
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

/// The content of the refresh token of this generation.
pub fn claim(session: SessionId, generation: u32) -> RefreshClaim {
    RefreshClaim {
        session,
        generation: Generation(generation),
    }
}

fn index_of(field: &str) -> usize {
    FIELDS.iter().position(|name| *name == field).unwrap()
}

async fn query<T: redis::FromRedisValue>(command: &redis::Cmd) -> T {
    let client = redis::Client::open(redis_url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    command.query_async(&mut connection).await.unwrap()
}
