//! Connects to the database and to Redis, and chooses the stores that use them.

use std::error::Error as StdError;
use std::sync::Arc;

use crate::app::start_error::{StartError, cause};
use crate::config::{SettingError, Settings};
use crate::domain::Error;
use crate::domain::secret::SecretBytes;
use crate::security::{PayloadEncryption, ProfileAuthenticator};
use crate::store::limits::{LimitsInProcess, LimitsInRedis};
use crate::store::one_time_tokens::{RedisTokens, SqlTokens, TokensByLifetime};
use crate::store::sessions::{RedisSessions, SqlSessions};
use crate::store::{Database, Limits, MigrationState, OneTimeTokenStore, Outbox, Redis, SessionStore};

/// Connects to the database.
pub async fn connect(settings: &Settings) -> Result<Database, StartError> {
    Database::connect(&settings.database.database_url)
        .await
        .map_err(StartError::Database)
}

/// Refuses a database whose schema is older than the program.
pub async fn check_migrations(database: &Database) -> Result<(), StartError> {
    let steps = database.migrations().await?;
    let pending = steps.iter().filter(|step: &&MigrationState| !step.is_applied).count();
    if pending > 0 {
        Err(StartError::PendingMigrations(pending))
    } else {
        Ok(())
    }
}

/// Connects to the database and brings its schema up to date. In production the schema must be up
/// to date already.
pub(super) async fn open_database(settings: &Settings) -> Result<Database, StartError> {
    let database = connect(settings).await?;
    if settings.is_production() {
        check_migrations(&database).await?;
    } else {
        database.migrate_up().await?;
    }
    database.wait_idle().await;
    Ok(database)
}

/// The Redis of `REDIS_URL`. The gateway starts without a Redis that is down, and logs a warning.
pub(super) async fn redis(settings: &Settings) -> Result<Option<Redis>, StartError> {
    let Some(url) = &settings.redis.redis_url else {
        return Ok(None);
    };
    let redis = Redis::new(url).map_err(|error| {
        SettingError(format!(
            "REDIS_URL cannot be used ({}); set it, for example to redis://127.0.0.1:6379.",
            cause(&error)
        ))
    })?;
    if let Err(error) = redis.ping().await {
        tracing::warn!(
            error = &error as &dyn StdError,
            "REDIS_URL names a Redis that does not answer yet"
        );
    }
    Ok(Some(redis))
}

pub(super) fn sessions(
    settings: &Settings,
    database: &Database,
    redis: Option<&Redis>,
    secrets: &[SecretBytes],
) -> Result<Arc<dyn SessionStore>, Error> {
    let sql = SqlSessions::new(database.clone(), settings.tokens.lifetimes());
    Ok(match redis {
        Some(redis) => Arc::new(RedisSessions::new(
            redis.clone(),
            sql,
            Arc::new(ProfileAuthenticator::new(secrets)?),
        )),
        None => Arc::new(sql),
    })
}

/// One-time tokens in SQL. With Redis the short-lived ones are there.
pub(super) fn one_time_tokens(
    database: &Database,
    redis: Option<&Redis>,
    secrets: &[SecretBytes],
) -> Result<Arc<dyn OneTimeTokenStore>, Error> {
    let encryption = Arc::new(PayloadEncryption::new(secrets, "one-time tokens")?);
    let sql = SqlTokens::new(database.clone(), encryption.clone());
    Ok(match redis {
        Some(redis) => Arc::new(TokensByLifetime::new(RedisTokens::new(redis.clone(), encryption), sql)),
        None => Arc::new(sql),
    })
}

pub(super) fn outbox(database: &Database, secrets: &[SecretBytes]) -> Result<Outbox, Error> {
    let encryption = PayloadEncryption::new(secrets, "outbox")?;
    Ok(Outbox::new(database.clone(), Arc::new(encryption)))
}

/// The counters of rate limits; `None` if `RATE_LIMIT` is off.
pub(super) fn limits(settings: &Settings, redis: Option<&Redis>) -> Option<Arc<dyn Limits>> {
    let limits: Arc<dyn Limits> = match redis {
        Some(redis) => Arc::new(LimitsInRedis::new(redis.clone())),
        None => Arc::new(LimitsInProcess::default()),
    };
    settings.http.rate_limit.is_on().then_some(limits)
}
