//! Builds each subject of the service with the collaborators that it uses.

use std::sync::Arc;

use crate::app::options::{password_rules, token_rules};
use crate::app::start_error::StartError;
use crate::app::stores;
use crate::config::Settings;
use crate::domain::clock::Clock;
use crate::domain::secret::SecretBytes;
use crate::security::{AccessTokens, KeyVault, KeyedHash, PasswordPool, RefreshTokens};
use crate::service::{
    AccountService, Audit, Authenticator, CompleteSignIn, CredentialsService, ExpiredRows, HealthCheck, KeyRotation,
    Maintenance, RateLimiter, Service, SessionEnder, SessionService, SignInPolicy, SignInService, SigningKeyService,
    Throttle, TokenIssuer, Watchers,
};
use crate::store::{Accounts, AuditLog, Database, Redis, SigningKeys};

/// What the subjects are built on.
pub(super) struct Backends {
    pub(super) database: Database,
    pub(super) redis: Option<Redis>,
    pub(super) expired: ExpiredRows,
    pub(super) secrets: Vec<SecretBytes>,
    pub(super) audit: Audit,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sign_in_policy: Arc<dyn SignInPolicy>,
}

/// Builds the service: first what the subjects share, then each subject.
pub(super) async fn build(settings: &Settings, backends: Backends) -> Result<Service, StartError> {
    let signing_keys = Arc::new(signing_keys(settings, &backends).await?);
    backends.database.wait_idle().await;
    let accounts = Accounts::new(backends.database.clone());
    let passwords = Arc::new(PasswordPool::start(&settings.passwords)?);
    passwords.learn_costs(&accounts.sample_password_hashes().await?);
    backends.database.wait_idle().await;
    let Backends {
        database,
        redis,
        expired,
        secrets,
        audit,
        clock,
        sign_in_policy: policy,
    } = backends;
    let sessions = stores::sessions(settings, &database, redis.as_ref(), &secrets)?;
    let (password_rules, lifetimes) = (Arc::new(password_rules(settings)), settings.tokens.lifetimes());
    let limiter = Arc::new(RateLimiter {
        limits: stores::limits(settings, redis.as_ref()),
        keyed_hash: KeyedHash::new(&secrets)?,
        sessions: sessions.clone(),
        audit: audit.clone(),
        clock: clock.clone(),
    });
    let tokens = Arc::new(TokenIssuer {
        access_tokens: signing_keys.access_tokens.clone(),
        refresh_tokens: RefreshTokens::new(&secrets)?,
    });
    let authenticator = Arc::new(Authenticator {
        signing_keys: signing_keys.clone(),
        sessions: sessions.clone(),
        clock: clock.clone(),
    });
    let complete_sign_in = Arc::new(CompleteSignIn {
        policy,
        accounts: accounts.clone(),
        sessions: sessions.clone(),
        tokens: tokens.clone(),
        audit: audit.clone(),
        clock: clock.clone(),
        lifetimes,
    });
    Ok(Service {
        account: AccountService {
            authenticator: authenticator.clone(),
            sessions: sessions.clone(),
            limiter: limiter.clone(),
            passwords: passwords.clone(),
            password_rules: password_rules.clone(),
            complete_sign_in: complete_sign_in.clone(),
            clock: clock.clone(),
        },
        credentials: CredentialsService {
            authenticator: authenticator.clone(),
            accounts: accounts.clone(),
            sessions: sessions.clone(),
            limiter: limiter.clone(),
            passwords: passwords.clone(),
            password_rules,
            audit: audit.clone(),
            clock: clock.clone(),
        },
        sign_in: SignInService {
            accounts,
            sessions: sessions.clone(),
            limiter: limiter.clone(),
            passwords,
            complete_sign_in,
            audit: audit.clone(),
        },
        session: SessionService {
            authenticator,
            sessions: sessions.clone(),
            tokens,
            limiter,
            audit,
            clock: clock.clone(),
            lifetimes,
            watchers: Arc::new(Watchers::new(sessions.clone(), clock.clone())),
        },
        health: HealthCheck {
            database: database.clone(),
            redis: redis.clone(),
        },
        maintenance: Maintenance {
            sessions,
            expired,
            signing_keys: signing_keys.clone(),
            redis,
            audit_log: AuditLog::new(database),
            audit_retention: settings.log.audit_retention,
            last_sweep: Throttle::starting_at(clock.now()),
            last_expired_sweep: Throttle::starting_at(clock.now()),
            last_audit_sweep: Throttle::starting_at(clock.now()),
            clock,
        },
        signing_keys,
    })
}

async fn signing_keys(settings: &Settings, backends: &Backends) -> Result<SigningKeyService, StartError> {
    let audit = backends.audit.clone();
    let rotation = key_rotation(settings, &backends.secrets, &backends.database, audit)?;
    let keys = rotation.open_at_start(backends.clock.now()).await?;
    let access_tokens = Arc::new(AccessTokens::new(keys, token_rules(settings)));
    Ok(SigningKeyService::new(rotation, access_tokens, backends.clock.clone()))
}

/// The rotation of this installation's signing keys.
pub fn key_rotation(
    settings: &Settings,
    secrets: &[SecretBytes],
    database: &Database,
    audit: Audit,
) -> Result<KeyRotation, StartError> {
    Ok(KeyRotation {
        vault: KeyVault::new(secrets)?,
        stored: SigningKeys::new(database.clone()),
        token_lifetime: settings.tokens.access_token_ttl,
        max_age: settings.tokens.signing_key_max_age,
        lead: settings.tokens.signing_key_lead,
        algorithm: settings.tokens.jwt_algorithm,
        audit,
    })
}

/// Ends the sessions of this installation from the command line, without a running node.
pub async fn session_ender(
    settings: &Settings,
    database: Database,
    audit: Audit,
    clock: Arc<dyn Clock>,
) -> Result<SessionEnder, StartError> {
    let (secrets, redis) = (settings.auth_secret()?.0, stores::redis(settings).await?);
    Ok(SessionEnder {
        sessions: stores::sessions(settings, &database, redis.as_ref(), &secrets)?,
        accounts: Accounts::new(database),
        audit,
        clock,
    })
}
