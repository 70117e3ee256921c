//! The only place that wires concrete parts together. It holds no rule.

use std::error::Error as StdError;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use tokio::net::TcpListener;

use crate::api::{self, Api, ApiOptions, BodyRules, BrowserOptions, Proxies};
use crate::config::{SettingError, Settings};
use crate::domain::Error;
use crate::domain::clock::Clock;
use crate::domain::connection_limit::ConnectionLimit;
use crate::domain::context_words::ContextWords;
use crate::domain::password::PasswordRules;
use crate::domain::secret::SecretBytes;
use crate::domain::session::Lifetimes;
use crate::security::{
    AccessTokens, KeyVault, KeyedHash, PasswordPool, ProfileAuthenticator, RefreshTokens, TokenRules,
};
use crate::server::{self, ConnectionRules, RequestHandler, Timeouts};
use crate::service::{Audit, AuditWriter, Dependencies, KeyRotation, Service, SessionEnder, WATCH_INTERVAL};
use crate::store::limits::{LimitsInProcess, LimitsInRedis};
use crate::store::sessions::{RedisSessions, SqlSessions};
use crate::store::{Accounts, AuditLog, Database, Limits, MigrationState, Redis, SessionStore, SigningKeys};
use crate::telemetry;
use crate::threads::Threads;

/// How long requests may take to finish once the gateway is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Connections at the same time to the admin listener: a few monitors, and whoever should not be there must not take more.
const ADMIN_CONNECTIONS: usize = 64;

/// How often the service is asked to look after its keys and sessions; it decides by its own clock what is to be done.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// A gateway, ready to serve.
pub struct App {
    api: Api,
    connections: ConnectionRules,
    audit_writer: AuditWriter,
    threads: Threads,
}

/// Why the gateway cannot start: one sentence, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The schema is older than the program, and this is production.
    #[error("The database is not up to date; apply what is pending with: auth-gateway migrate up ({0} to go)")]
    PendingMigrations(usize),
    /// The database cannot be used.
    #[error("DATABASE_URL names a database that cannot be used ({}); check that it runs, and the address, user and password in the setting.", cause(.0))]
    Database(#[source] Error),
    /// Something that the gateway needs does not work.
    #[error("{}", cause(.0))]
    Failed(#[from] Error),
    /// The address cannot be listened on.
    #[error("The gateway cannot listen on {address} ({cause}); choose another PORT or HOST, for example PORT=8001.")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        cause: std::io::Error,
    },
}

impl App {
    /// Connects the stores, brings the schema up to date (in production it must be so already), and wires the parts.
    pub async fn assemble(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let secrets = settings.auth_secret()?.0;
        let (database, redis) = tokio::try_join!(open_database(settings), redis(settings))?;
        let audit_log = AuditLog::new(database.clone());
        let (audit, audit_writer) = Audit::start(audit_log.clone(), clock.clone());
        let key_rotation = key_rotation(settings, &secrets, &database, audit.clone())?;
        let keys = key_rotation.open_at_start(clock.now()).await?;
        database.wait_idle().await;
        let lifetimes = settings.tokens.lifetimes();
        let (accounts, passwords) = (
            Accounts::new(database.clone()),
            PasswordPool::start(&settings.passwords)?,
        );
        passwords.learn_costs(&accounts.sample_password_hashes().await?);
        database.wait_idle().await;
        let service = Arc::new(Service::new(Dependencies {
            accounts,
            sessions: sessions(&database, redis.as_ref(), lifetimes, &secrets)?,
            limits: limits(settings, redis.as_ref()),
            keyed_hash: KeyedHash::new(&secrets)?,
            passwords,
            access_tokens: AccessTokens::new(keys, token_rules(settings)),
            refresh_tokens: RefreshTokens::new(&secrets)?,
            key_rotation,
            audit,
            audit_log,
            audit_retention: settings.log.audit_retention,
            clock,
            lifetimes,
            password_rules: password_rules(settings),
            database,
            redis,
        }));
        let own_work = Arc::downgrade(&service);
        tokio::spawn(repeat(HOUSEKEEPING, own_work.clone(), |service| async move {
            service.run_maintenance().await
        }));
        tokio::spawn(repeat(HOUSEKEEPING, own_work.clone(), |service| async move {
            service.apply_external_changes().await
        }));
        tokio::spawn(repeat(HOUSEKEEPING, own_work.clone(), |service| async move {
            service.sweep_audit().await
        }));
        tokio::spawn(repeat(WATCH_INTERVAL, own_work.clone(), |service| async move {
            service.tell_watchers().await
        }));
        let threads = Threads::start().map_err(Error::internal)?;
        threads.on_each(|| {
            repeat(HOUSEKEEPING, own_work.clone(), |service| async move {
                service.maintain_thread().await;
                Ok(())
            })
        });
        Ok(Self {
            api: Api::new(service, &api_options(settings)),
            connections: connection_rules(settings),
            audit_writer,
            threads,
        })
    }

    /// All that is served, for whoever brings requests by another way than a connection.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// Serves until `stop` resolves; then takes no new connection and gives the open requests ten seconds.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        server::serve(listener, self.api, self.connections, &self.threads, stop).await;
        // Before the threads end: connections to the database may be theirs.
        self.audit_writer.finish().await;
    }
}

impl RequestHandler for Api {
    fn answer(self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send + 'static {
        Self::answer(self, request)
    }
}

/// Binds a listener on the configured address.
pub async fn listen(settings: &Settings, port: u16) -> Result<TcpListener, StartError> {
    let address = SocketAddr::new(settings.server.host, port);
    TcpListener::bind(address)
        .await
        .map_err(|cause| StartError::Listen { address, cause })
}

/// Serves the counts on the admin listener for as long as the process lives.
pub fn serve_metrics(settings: &Settings, listener: TcpListener) -> Result<(), StartError> {
    let counts = telemetry::start_metrics()?;
    let routes = api::admin_routes(move || counts.render());
    let rules = ConnectionRules {
        limit: ConnectionLimit::new(ADMIN_CONNECTIONS, ADMIN_CONNECTIONS),
        ..connection_rules(settings)
    };
    tokio::spawn(async move {
        server::serve(listener, routes, rules, &Threads::none(), std::future::pending()).await;
    });
    Ok(())
}

/// Connects to the database.
pub async fn connect(settings: &Settings) -> Result<Database, StartError> {
    Database::connect(&settings.database.database_url)
        .await
        .map_err(StartError::Database)
}

/// The gateway starts without a Redis that is down, but says so.
async fn redis(settings: &Settings) -> Result<Option<Redis>, StartError> {
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

/// Where this installation keeps its signing keys.
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

/// What ends the sessions of this installation without a node.
pub async fn session_ender(
    settings: &Settings,
    database: Database,
    audit: Audit,
    clock: Arc<dyn Clock>,
) -> Result<SessionEnder, StartError> {
    let (secrets, redis) = (settings.auth_secret()?.0, redis(settings).await?);
    Ok(SessionEnder {
        sessions: sessions(&database, redis.as_ref(), settings.tokens.lifetimes(), &secrets)?,
        accounts: Accounts::new(database),
        audit,
        clock,
    })
}

/// Lets the service do a part of its own work again and again, for as long as it lives.
async fn repeat<F>(interval: Duration, service: Weak<Service>, work: impl Fn(Arc<Service>) -> F)
where
    F: Future<Output = Result<(), Error>>,
{
    loop {
        tokio::time::sleep(interval).await;
        let Some(service) = service.upgrade() else { return };
        if let Err(error) = work(service).await {
            tracing::warn!(
                error = &error as &dyn StdError,
                "a part of the gateway's own work failed, and is tried again"
            );
        }
    }
}

/// Connects to the database, whose schema is up to date then.
async fn open_database(settings: &Settings) -> Result<Database, StartError> {
    let database = connect(settings).await?;
    if settings.is_production() {
        check_migrations(&database).await?;
    } else {
        database.migrate_up().await?;
    }
    database.wait_idle().await;
    Ok(database)
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

fn sessions(
    database: &Database,
    redis: Option<&Redis>,
    lifetimes: Lifetimes,
    secrets: &[SecretBytes],
) -> Result<Arc<dyn SessionStore>, Error> {
    let sql = SqlSessions::new(database.clone(), lifetimes);
    Ok(match redis {
        Some(redis) => Arc::new(RedisSessions::new(
            redis.clone(),
            sql,
            Arc::new(ProfileAuthenticator::new(secrets)?),
        )),
        None => Arc::new(sql),
    })
}

fn limits(settings: &Settings, redis: Option<&Redis>) -> Option<Arc<dyn Limits>> {
    let limits: Arc<dyn Limits> = match redis {
        Some(redis) => Arc::new(LimitsInRedis::new(redis.clone())),
        None => Arc::new(LimitsInProcess::default()),
    };
    settings.http.rate_limit.is_on().then_some(limits)
}

fn password_rules(settings: &Settings) -> PasswordRules {
    let (passwords, public_url) = (&settings.passwords, &settings.server.public_url);
    PasswordRules {
        min_length: passwords.password_min_length,
        context_words: ContextWords::of(public_url, &passwords.password_context_words),
    }
}

fn token_rules(settings: &Settings) -> TokenRules {
    TokenRules {
        issuer: settings.server.public_url.clone(),
        audience: settings.tokens.jwt_audience.clone(),
        lifetime: settings.tokens.access_token_ttl,
    }
}

fn connection_rules(settings: &Settings) -> ConnectionRules {
    let connections = &settings.connections;
    ConnectionRules {
        limit: ConnectionLimit::new(connections.max_connections, connections.connections_per_address),
        proxies: settings.http.trusted_proxies.clone(),
        timeouts: Timeouts {
            head: connections.header_timeout,
            answer: settings.requests.answer_timeout + connections.send_timeout,
            send: connections.send_timeout,
            idle: connections.idle_timeout,
        },
        grace: GRACE,
    }
}

fn api_options(settings: &Settings) -> ApiOptions {
    ApiOptions {
        proxies: Proxies {
            networks: settings.http.trusted_proxies.clone(),
            header: settings.http.proxy_header,
        },
        browsers: BrowserOptions {
            public_url: settings.server.public_url.clone(),
            cors_origins: settings.http.cors_origins.clone(),
            refresh_token_ttl: settings.tokens.refresh_token_ttl,
        },
        is_graphiql_on: settings.is_graphiql_on(),
        is_introspection_on: settings.is_introspection_on(),
        document_limits: settings.graphql.document_limits(),
        bodies: BodyRules {
            limit: settings.requests.body_limit,
            timeout: settings.requests.body_timeout,
        },
        answer_timeout: settings.requests.answer_timeout,
        websocket_limit: ConnectionLimit::new(settings.sockets.max_websockets, settings.sockets.websockets_per_address),
        socket_idle_timeout: settings.sockets.websocket_idle_timeout,
    }
}

/// An operator, unlike a client, is told the cause.
fn cause(error: &Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}
