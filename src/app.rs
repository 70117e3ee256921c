//! The only place that wires concrete parts together. It holds no rule.

use std::error::Error as StdError;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api::{self, DoorOptions, Proxies};
use crate::config::{SettingError, Settings};
use crate::domain::Error;
use crate::domain::clock::Clock;
use crate::domain::session::Lifetimes;
use crate::security::{AccessTokens, KeyVault, PasswordPool, RefreshTokens, TokenRules};
use crate::service::{self, Parts, Service};
use crate::store::sessions::{HotSessions, SqlSessions};
use crate::store::{Accounts, Database, MigrationState, Redis, SessionStore, SigningKeys};
use crate::telemetry;

/// How long requests may take to finish once the gateway is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// A gateway, ready to serve.
pub struct App {
    router: Router,
}

/// Why the gateway cannot start: one sentence, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The schema is older than the program, and this is production.
    #[error("{0} migrations are pending; apply them with: auth-gateway migrate up")]
    PendingMigrations(usize),
    /// Something that the gateway needs does not work.
    #[error("{}", sentence(.0))]
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
        let secret = settings.auth_secret()?.0;
        let database = Database::connect(&settings.database.database_url).await?;
        bring_up_to_date(&database, settings).await?;
        let redis = settings.redis.redis_url.as_ref().map(Redis::new).transpose()?;
        let keys = service::load_keys(
            &KeyVault::new(&secret)?,
            &SigningKeys::new(database.clone()),
            clock.now(),
        )
        .await?;
        let lifetimes = settings.tokens.lifetimes();
        let service = Service::new(Parts {
            accounts: Accounts::new(database.clone()),
            sessions: sessions(&database, redis.as_ref(), lifetimes),
            passwords: PasswordPool::start(&settings.passwords)?,
            access_tokens: AccessTokens::new(keys, token_rules(settings)),
            refresh_tokens: RefreshTokens::new(&secret)?,
            clock,
            lifetimes,
            password_min_length: settings.passwords.password_min_length,
            database,
            redis,
        });
        Ok(Self {
            router: api::routes(Arc::new(service), &door_options(settings)),
        })
    }

    /// Serves until `stop` resolves; then takes no new connection and gives the open requests ten seconds.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let listener = listener.tap_io(|connection| {
            // Answers are small: waiting to fill a packet would only delay them.
            let _best_effort = connection.set_nodelay(true);
        });
        let (stopping, mut stopped) = watch::channel(false);
        let mut overdue = stopped.clone();
        tokio::spawn(async move {
            stop.await;
            stopping.send_replace(true);
            stopping.closed().await;
        });
        let service = self.router.into_make_service_with_connect_info::<SocketAddr>();
        let server = axum::serve(listener, service).with_graceful_shutdown(async move {
            let _stopped = stopped.wait_for(|is_stopping| *is_stopping).await.is_ok();
        });
        tokio::select! {
            result = async { server.await } => result,
            () = async {
                let _stopped = overdue.wait_for(|is_stopping| *is_stopping).await.is_ok();
                tokio::time::sleep(GRACE).await;
            } => {
                tracing::warn!("some requests did not finish in time");
                Ok(())
            }
        }
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
pub fn serve_metrics(listener: TcpListener) -> Result<(), StartError> {
    let counts = telemetry::start_metrics()?;
    let routes = api::admin_routes(move || counts.render());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(())
}

async fn bring_up_to_date(database: &Database, settings: &Settings) -> Result<(), StartError> {
    if !settings.is_production() {
        return Ok(database.migrate_up().await?);
    }
    let pending = database
        .migrations()
        .await?
        .iter()
        .filter(|step: &&MigrationState| !step.is_applied)
        .count();
    if pending > 0 {
        Err(StartError::PendingMigrations(pending))
    } else {
        Ok(())
    }
}

fn sessions(database: &Database, redis: Option<&Redis>, lifetimes: Lifetimes) -> Arc<dyn SessionStore> {
    let sql = SqlSessions::new(database.clone(), lifetimes);
    match redis {
        Some(redis) => Arc::new(HotSessions::new(redis.clone(), sql)),
        None => Arc::new(sql),
    }
}

fn token_rules(settings: &Settings) -> TokenRules {
    TokenRules {
        issuer: settings.server.public_url.clone(),
        audience: settings.tokens.jwt_audience.clone(),
        lifetime: settings.tokens.access_token_ttl,
    }
}

fn door_options(settings: &Settings) -> DoorOptions {
    DoorOptions {
        proxies: Proxies(settings.doors.trusted_proxies.clone()),
        cors_origins: settings.doors.cors_origins.clone(),
        is_graphiql_on: settings.is_graphiql_on(),
        is_introspection_on: settings.is_introspection_on(),
    }
}

/// An operator, unlike a client, is told the cause.
fn sentence(error: &Error) -> String {
    let mut sentence = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    if let Error::Unavailable { .. } = error {
        sentence = format!("A dependency does not answer: {sentence}. Check DATABASE_URL and REDIS_URL.");
    }
    sentence
}
