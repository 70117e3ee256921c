//! The command line.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use auth_gateway::app::{self, App, StartError};
use auth_gateway::config::{Environment, SettingError, Settings};
use auth_gateway::domain::account::AccountName;
use auth_gateway::domain::clock::{Clock, SystemClock};
use auth_gateway::domain::signing_key::key_states;
use auth_gateway::service::{Audit, AuditWriter};
use auth_gateway::store::{AuditLog, Database, SigningKeys};
use auth_gateway::{api, server, telemetry};
use clap::{Parser, Subcommand};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};

/// Register, login, refresh, logout and me, over GraphQL and REST
#[derive(Parser)]
#[command(
    name = "auth-gateway",
    version,
    args_override_self = true,
    after_help = "Every option can also be set in the environment or in a .env file: --public-url is PUBLIC_URL there. \
                  AUTH_SECRET, DATABASE_URL and REDIS_URL can also be read from files: AUTH_SECRET_FILE names the file, and so on."
)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Clone)]
enum Command {
    /// Serve both APIs; the default without a command
    Serve,
    /// Change the database's schema, or show its state
    Migrate {
        #[command(subcommand)]
        direction: Option<Migrate>,
    },
    /// Print the GraphQL schema
    Schema,
    /// Print the OpenAPI document of the REST API
    Openapi,
    /// List, rotate or reseal the keys that sign access tokens
    Keys {
        #[command(subcommand)]
        action: Option<Keys>,
    },
    /// End the sessions of an account
    Sessions {
        #[command(subcommand)]
        action: Sessions,
    },
    /// Check whether the gateway on HOST and PORT is ready; exits with 0 if it is
    Healthcheck,
}

#[derive(Subcommand, Clone, Copy)]
enum Migrate {
    /// Apply every pending step; the default of `migrate`
    Up,
    /// Revert the latest steps
    Down {
        /// How many
        #[arg(long, default_value = "1")]
        steps: u32,
    },
    /// List all steps and whether they are applied
    Status,
}

#[derive(Subcommand, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// List the keys and the state of each; the default of `keys`
    List,
    /// Publish a successor to the newest key. It signs after `SIGNING_KEY_LEAD`, when every node
    /// and verifier has read it. No session ends
    Rotate,
    /// Seal the stored keys with the first secret of `AUTH_SECRET`, so that the others can be
    /// removed
    Reseal,
}

#[derive(Subcommand, Clone)]
enum Sessions {
    /// End all sessions of an account. Run it with the same `DATABASE_URL` and `REDIS_URL` as the
    /// nodes: when it is done, every node refuses the sessions' tokens. The password does not
    /// change
    End {
        /// The account's e-mail, username or UUID
        #[arg(long, value_parser = AccountName::parse)]
        account: AccountName,
    },
}

/// How long `healthcheck` waits for a response.
const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// The exit code and the message: 2 for settings and usage, 1 for the rest.
type Failure = (u8, String);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, sentence)) => {
            let _stderr_is_closed = writeln!(std::io::stderr(), "auth-gateway: {sentence}");
            ExitCode::from(code)
        }
    }
}

fn run() -> Result<(), Failure> {
    let environment = Environment::read().map_err(wrong_setting)?;
    let arguments = Settings::arguments::<Cli>(&environment, std::env::args_os());
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => match Settings::value_error(&error) {
            Some(error) => return Err(wrong_setting(error)),
            None => error.exit(),
        },
    };
    // Connections are served by other threads, which `App` starts.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(execute(cli))
}

async fn execute(cli: Cli) -> Result<(), Failure> {
    let settings = cli.settings;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(&settings).await,
        Command::Migrate { direction } => migrate(&settings, direction.unwrap_or(Migrate::Up)).await,
        Command::Schema => print(&api::schema_text()),
        Command::Openapi => print(&api::openapi_text()),
        Command::Keys { action } => keys(&settings, action.unwrap_or(Keys::List)).await,
        Command::Sessions {
            action: Sessions::End { account },
        } => end_sessions(&settings, &account).await,
        Command::Healthcheck => healthcheck(&settings).await,
    }
}

async fn serve(settings: &Settings) -> Result<(), Failure> {
    settings.check().map_err(wrong_setting)?;
    telemetry::start_logs(&settings.log).map_err(wrong_setting)?;
    server::raise_descriptor_limit();
    let listener = app::listen(settings, settings.server.port).await.map_err(not_started)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut metrics = None;
    if let Some(port) = settings.server.admin_port {
        let listener = app::listen(settings, port).await.map_err(not_started)?;
        metrics = Some(listener.local_addr().map_err(failed)?);
        app::serve_metrics(settings, listener).map_err(not_started)?;
    }
    let stop = stop_signal().map_err(failed)?;
    let app = App::assemble(settings, Arc::new(SystemClock))
        .await
        .map_err(not_started)?;
    print(&welcome(settings, address, metrics))?;
    app.serve(listener, stop).await;
    Ok(())
}

fn welcome(settings: &Settings, address: SocketAddr, metrics: Option<SocketAddr>) -> String {
    let base = browsable(address);
    let explorer = if settings.is_graphiql_on() {
        "  (GraphiQL in a browser)"
    } else {
        ""
    };
    let metrics = metrics.map_or(String::new(), |address| {
        format!("  Metrics  {}/metrics\n", browsable(address))
    });
    format!(
        "auth-gateway {version} is ready:\n  GraphQL  {base}/graphql{explorer}\n  REST     {base}/auth/…  \
         (described at {base}/openapi.json)\n  Keys     {base}/.well-known/jwks.json\n{metrics}  \
         Issuer   {issuer}  (PUBLIC_URL: the address that clients use)\n",
        issuer = settings.server.public_url,
        version = env!("CARGO_PKG_VERSION"),
    )
}

fn browsable(address: SocketAddr) -> String {
    let is_local = address.ip().is_loopback() || address.ip().is_unspecified();
    if is_local {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

/// Resolves on SIGTERM and SIGINT.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: open requests have ten seconds to finish");
    })
}

async fn migrate(settings: &Settings, direction: Migrate) -> Result<(), Failure> {
    let database = app::connect(settings).await.map_err(not_started)?;
    match direction {
        Migrate::Up => database.migrate_up().await.map_err(not_started)?,
        Migrate::Down { steps } => {
            database.migrate_down(Some(steps)).await.map_err(not_started)?;
        }
        Migrate::Status => {}
    }
    let steps = database.migrations().await.map_err(not_started)?;
    let lines: Vec<String> = steps.iter().map(|step| format!("{step}\n")).collect();
    print(&lines.concat())
}

async fn keys(settings: &Settings, action: Keys) -> Result<(), Failure> {
    settings.check().map_err(wrong_setting)?;
    let database = app::connect(settings).await.map_err(not_started)?;
    app::check_migrations(&database).await.map_err(not_started)?;
    let now = SystemClock.now();
    if action != Keys::List {
        let secrets = settings.auth_secret().map_err(wrong_setting)?.0;
        let (audit, writer) = start_audit(settings, &database);
        let rotation = app::key_rotation(settings, &secrets, &database, audit).map_err(not_started)?;
        if action == Keys::Rotate {
            rotation.rotate(now).await.map_err(not_started)?;
        } else {
            rotation.reseal().await.map_err(not_started)?;
        }
        writer.finish().await;
    }
    let keys = SigningKeys::new(database).list().await.map_err(not_started)?;
    let states = key_states(&keys, now);
    let lines = keys
        .iter()
        .zip(states)
        .map(|(key, state)| format!("{:<9}  {}  {}\n", state.as_str(), key.algorithm.as_str(), key.kid));
    print(&lines.collect::<String>())
}

async fn end_sessions(settings: &Settings, name: &AccountName) -> Result<(), Failure> {
    let database = app::connect(settings).await.map_err(not_started)?;
    app::check_migrations(&database).await.map_err(not_started)?;
    let (audit, writer) = start_audit(settings, &database);
    let ender = app::session_ender(settings, database, audit, Arc::new(SystemClock))
        .await
        .map_err(not_started)?;
    let outcome = ender.end_all(name).await;
    writer.finish().await;
    let Some(done) = outcome.map_err(not_started)? else {
        return Err((1, "there is no such account; nothing was ended".to_owned()));
    };
    print(&format!(
        "sessions of account {} that were ended: {}\n",
        done.account.0, done.count
    ))
}

fn start_audit(settings: &Settings, database: &Database) -> (Audit, AuditWriter) {
    let log = AuditLog::new(database.clone());
    Audit::start(log, settings.log.audit_events, Arc::new(SystemClock))
}

/// The request is written by hand, so that an image that holds nothing but this program can check
/// itself.
async fn healthcheck(settings: &Settings) -> Result<(), Failure> {
    let host = if settings.server.host.is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        settings.server.host
    };
    let address = SocketAddr::new(host, settings.server.port);
    let response = tokio::time::timeout(HEALTHCHECK_TIMEOUT, get_readiness(address)).await;
    let response = response.map_err(std::io::Error::from).flatten();
    let response = response.map_err(|error| (1, format!("nothing answers on {address} ({error})")))?;
    if response.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    Err((
        1,
        format!("not ready: {}", response.lines().last().unwrap_or("no answer")),
    ))
}

async fn get_readiness(address: SocketAddr) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    connection.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    connection.read_to_string(&mut response).await?;
    Ok(response)
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(failed)
}

fn wrong_setting(error: SettingError) -> Failure {
    (2, error.0)
}

fn not_started(error: impl Into<StartError>) -> Failure {
    let error = error.into();
    let code = if let StartError::Setting(_) = error { 2 } else { 1 };
    (code, error.to_string())
}

fn failed(error: impl std::fmt::Display) -> Failure {
    (1, error.to_string())
}
