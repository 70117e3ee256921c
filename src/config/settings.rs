//! The settings themselves: names, defaults, bounds and help texts, grouped by who uses them.

use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory};
use ipnet::IpNet;

use crate::config::bounds::{ConnectionSettings, GraphqlSettings, RequestSettings, SocketSettings};
use crate::config::environment::{Environment, SECRETS, SettingError};
use crate::config::values::{self, AuthSecret, DatabaseUrl, LogFormat, RedisUrl, Stage, Switch};
use crate::config::variable;
use crate::domain::client::{AccessClaim, ProxyHeader};
use crate::domain::key_publication::KeyPublicationLead;
use crate::domain::session::Lifetimes;
use crate::domain::signing_key::SigningAlgorithm;
use crate::domain::stored_events::StoredEvents;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const SECOND: Duration = Duration::from_secs(1);

/// All settings, each group for the part of the gateway that uses it.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// The listeners and the surroundings.
    #[command(flatten)]
    pub server: ServerSettings,
    /// The database.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Redis.
    #[command(flatten)]
    pub redis: RedisSettings,
    /// The secret behind refresh tokens and stored keys.
    #[command(flatten)]
    pub keys: KeySettings,
    /// Tokens and sessions.
    #[command(flatten)]
    pub tokens: TokenSettings,
    /// Passwords.
    #[command(flatten)]
    pub passwords: PasswordSettings,
    /// The doors.
    #[command(flatten)]
    pub http: HttpSettings,
    /// GraphQL documents.
    #[command(flatten)]
    pub graphql: GraphqlSettings,
    /// WebSockets.
    #[command(flatten)]
    pub sockets: SocketSettings,
    /// Connections.
    #[command(flatten)]
    pub connections: ConnectionSettings,
    /// Requests.
    #[command(flatten)]
    pub requests: RequestSettings,
    /// Logs.
    #[command(flatten)]
    pub log: LogSettings,
}

/// The listeners and the surroundings.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerSettings {
    /// Address to listen on
    #[arg(long, global = true, default_value = "127.0.0.1", value_parser = parse_host)]
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, global = true, default_value = "8000", value_parser = |text: &str| values::number(text, 0, u16::MAX, 8000))]
    pub port: u16,
    /// Port of a second listener on the same address, for Prometheus at /metrics. Unset: off
    #[arg(long, global = true, value_parser = |text: &str| values::number(text, 0, u16::MAX, 9000))]
    pub admin_port: Option<u16>,
    /// `production` refuses generated secrets and pending migrations, and turns GraphiQL and introspection off
    #[arg(long, global = true, default_value = "development", value_parser = values::stage)]
    pub environment: Stage,
    /// Address under which clients reach the gateway: the issuer of its tokens
    #[arg(long, global = true, default_value = "http://localhost:8000", value_parser = values::public_url)]
    pub public_url: String,
}

/// The database.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "State")]
pub struct DatabaseSettings {
    /// SQLite file, or a PostgreSQL address: `postgres://USER:PASSWORD@HOST/DATABASE`
    #[arg(long, global = true, default_value = "sqlite://data/auth.db", value_parser = values::database_url)]
    pub database_url: DatabaseUrl,
}

/// Redis.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "State")]
pub struct RedisSettings {
    /// Redis address: `redis://HOST:PORT`, `rediss://…` for TLS, or several nodes of one cluster, separated by commas. Unset, token state
    /// lives in the database
    #[arg(long, global = true, value_parser = values::redis_url)]
    pub redis_url: Option<RedisUrl>,
}

/// The secret behind refresh tokens and stored keys.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "State")]
pub struct KeySettings {
    /// At least 32 random bytes in base64; protects refresh tokens and stored signing keys. Of several, separated by commas, the first
    /// seals and all open. In development one is generated beside the database file
    #[arg(long, global = true, value_parser = values::auth_secret)]
    pub auth_secret: Option<AuthSecret>,
}

/// Tokens and sessions.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Tokens and sessions")]
pub struct TokenSettings {
    /// Lifetime of an access token
    #[arg(long, global = true, default_value = "15m", value_parser = |text: &str| values::span(text, SECOND, AccessClaim::LONGEST_LIFE, "15m"))]
    pub access_token_ttl: Duration,
    /// Lifetime of a refresh token that is not used
    #[arg(long, global = true, default_value = "30d", value_parser = |text: &str| values::span(text, SECOND, DAY * 366, "30d"))]
    pub refresh_token_ttl: Duration,
    /// Longest life of a session, however often it is refreshed
    #[arg(long, global = true, default_value = "90d", value_parser = |text: &str| values::span(text, SECOND, DAY * 3660, "90d"))]
    pub session_max_age: Duration,
    /// How long the predecessor of the current refresh token still yields that same current token
    #[arg(long, global = true, default_value = "10s", value_parser = |text: &str| values::span(text, Duration::ZERO, MINUTE * 5, "10s"))]
    pub refresh_grace: Duration,
    /// How long a key signs access tokens before it is succeeded
    #[arg(long, global = true, default_value = "30d", value_parser = |text: &str| values::span(text, HOUR, DAY * 3660, "30d"))]
    pub signing_key_max_age: Duration,
    /// How long a new key is published before it signs; longer where verifiers keep their copy of the JWKS for longer than it says
    #[arg(long, global = true, default_value = "7m", value_parser = |text: &str| values::key_lead(text, "7m"))]
    pub signing_key_lead: KeyPublicationLead,
    /// Algorithm of access tokens: `EdDSA`, `ES256` or `RS256`. A new one takes over `SIGNING_KEY_LEAD` after the start; nobody is signed
    /// out
    #[arg(long, global = true, default_value = "EdDSA", value_parser = values::jwt_algorithm)]
    pub jwt_algorithm: SigningAlgorithm,
    /// Audience of access tokens
    #[arg(long, global = true, default_value = "auth-gateway", value_parser = values::text)]
    pub jwt_audience: String,
}

/// Passwords.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Passwords")]
pub struct PasswordSettings {
    /// Least length of a new password, in characters
    #[arg(long, global = true, default_value = "8", value_parser = |text: &str| values::number(text, 1_usize, 64, 12))]
    pub password_min_length: usize,
    /// Words that no new password may be, besides the account's and the gateway's own names: your company, your product. Separated by
    /// commas
    #[arg(long, global = true, value_delimiter = ',', value_parser = values::text)]
    pub password_context_words: Vec<String>,
    /// The cost of a hash.
    #[command(flatten)]
    pub cost: Argon2Cost,
    /// Threads that hash passwords. Unset: as many as there are cores
    #[arg(long, global = true, value_parser = |text: &str| values::number(text, 1_usize, 1024, 4))]
    pub hash_threads: Option<usize>,
    /// Passwords that may wait for a hashing thread. Unset: 64 for each thread
    #[arg(long, global = true, value_parser = |text: &str| values::number(text, 1_usize, 1_000_000, 256))]
    pub hash_queue: Option<usize>,
    /// How far hashing threads give way to the rest of the gateway, as steps of nice on Linux: 0, not at all, to 19
    #[arg(long, global = true, default_value = "2", value_parser = |text: &str| values::number(text, 0_i32, 19, 2))]
    pub hash_nice: i32,
}

/// The cost of a password hash (RFC 9106). A login whose stored hash has another cost is rehashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
#[command(next_help_heading = "Passwords")]
pub struct Argon2Cost {
    /// Memory of one hash, in KiB
    #[arg(long = "argon2-memory-kib", global = true, default_value = "19456", value_parser = |text: &str| values::number(text, 128_u32, 4_194_304, 19_456))]
    pub memory_kib: u32,
    /// Passes over the memory
    #[arg(long = "argon2-iterations", global = true, default_value = "2", value_parser = |text: &str| values::number(text, 1_u32, 100, 2))]
    pub iterations: u32,
    /// Lanes of the memory
    #[arg(long = "argon2-parallelism", global = true, default_value = "1", value_parser = |text: &str| values::number(text, 1_u32, 16, 1))]
    pub parallelism: u32,
}

/// The doors.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Api")]
pub struct HttpSettings {
    /// Limits on attempts, by account, address and session; `off` only for load tests
    #[arg(long, global = true, default_value = "on", value_parser = values::switch)]
    pub rate_limit: Switch,
    /// Networks of proxies whose `PROXY_HEADER` is believed, separated by commas
    #[arg(long, global = true, value_delimiter = ',', value_parser = values::network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Header that these proxies append the client's address to: `x-forwarded-for` or `forwarded`. No other one is read
    #[arg(long, global = true, default_value = "x-forwarded-for", value_parser = values::proxy_header)]
    pub proxy_header: ProxyHeader,
    /// Origins whose pages may call the gateway, separated by commas
    #[arg(long, global = true, value_delimiter = ',', value_parser = values::origin)]
    pub cors_origins: Vec<String>,
    /// GraphiQL at GET /graphql. Unset: on in development
    #[arg(long, global = true, value_parser = values::switch)]
    pub graphiql: Option<Switch>,
    /// GraphQL introspection. Unset: on in development
    #[arg(long, global = true, value_parser = values::switch)]
    pub graphql_introspection: Option<Switch>,
}

/// Logs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogSettings {
    /// What is logged: a level, or a filter such as `info,auth_gateway=debug`
    #[arg(long, global = true, default_value = "info", value_parser = values::text)]
    pub rust_log: String,
    /// `text` for people, `json` for machines
    #[arg(long, global = true, default_value = "text", value_parser = values::log_format)]
    pub log_format: LogFormat,
    /// How long audit events are kept in the database
    #[arg(long, global = true, default_value = "90d", value_parser = |text: &str| values::span(text, HOUR, DAY * 3660, "90d"))]
    pub audit_retention: Duration,
    /// Audit events that are kept in the database, separated by commas: names, `all`, and `-name` to
    /// take one out. All are logged
    #[arg(long, global = true, default_value_t, value_parser = StoredEvents::parse)]
    pub audit_events: StoredEvents,
}

fn parse_host(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| "must be an IP address, for example 0.0.0.0".to_owned())
}

impl Settings {
    /// Puts the environment's values before the arguments of the command line, so that the latter win.
    #[must_use]
    pub fn arguments<C: CommandFactory>(
        environment: &Environment,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Vec<OsString> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        // Who asks for help may ask because a setting is wrong.
        if arguments.iter().any(|argument| {
            ["-h", "--help", "help", "-V", "--version"]
                .iter()
                .any(|help| argument == help)
        }) {
            return arguments;
        }
        let mut arguments = arguments.into_iter();
        let program = arguments.next().unwrap_or_default();
        let from_environment = options::<C>().into_iter().filter_map(|option| {
            let value = environment.get(&variable(&option))?;
            Some(OsString::from(format!("--{option}={value}")))
        });
        std::iter::once(program)
            .chain(from_environment)
            .chain(arguments)
            .collect()
    }

    /// Turns a complaint about a value into the sentence for it; `None` for complaints about the command line's form.
    #[must_use]
    pub fn complaint(error: &clap::Error) -> Option<SettingError> {
        let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
            return None;
        };
        let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) else {
            return None;
        };
        let name = variable(argument.split([' ', '=']).next()?);
        let rule = std::error::Error::source(error)?.to_string();
        let shown = if SECRETS.contains(&name.as_str()) {
            String::new()
        } else {
            format!(" is \"{value}\", which")
        };
        Some(SettingError(format!("{name}{shown} {rule}.")))
    }

    /// Checks what no single value shows.
    ///
    /// # Errors
    /// Names the variable to set.
    pub fn check(&self) -> Result<(), SettingError> {
        if self.is_production() {
            self.keys.check_for_production()?;
        }
        self.tokens.check()?;
        self.requests.check()?;
        let cost = &self.passwords.cost;
        if cost.memory_kib < 8 * cost.parallelism {
            return Err(SettingError(format!(
                "ARGON2_MEMORY_KIB is \"{}\", which must be at least 8 for each of ARGON2_PARALLELISM, for example 19456.",
                cost.memory_kib
            )));
        }
        Ok(())
    }

    /// Whether this is a production start.
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.server.environment == Stage::Production
    }

    /// Whether GraphiQL is served.
    #[must_use]
    pub fn is_graphiql_on(&self) -> bool {
        self.http.graphiql.map_or(!self.is_production(), Switch::is_on)
    }

    /// Whether the GraphQL schema can be asked for.
    #[must_use]
    pub fn is_introspection_on(&self) -> bool {
        self.http
            .graphql_introspection
            .map_or(!self.is_production(), Switch::is_on)
    }
}

impl KeySettings {
    fn check_for_production(&self) -> Result<(), SettingError> {
        let complaint = match &self.auth_secret {
            None => "must be set in production: at least 32 random bytes in base64",
            Some(secret) if !secret.seems_random() => {
                "must be random in production, and holds a pattern or a sentence that can be guessed; set at least 32 random bytes in base64"
            }
            Some(_) => return Ok(()),
        };
        Err(SettingError(format!(
            "AUTH_SECRET {complaint}, for example the output of: openssl rand -base64 32."
        )))
    }
}

impl TokenSettings {
    /// A successor that is published before its predecessor signs would soon have successors of its own waiting behind it: a JWKS of
    /// hundreds of keys. Half leaves each key as much time to sign as its successor waits.
    fn check(&self) -> Result<(), SettingError> {
        let lead = self.signing_key_lead.span();
        if lead > self.signing_key_max_age / 2 {
            return Err(SettingError(format!(
                "SIGNING_KEY_LEAD is \"{}\", which must be at most half of SIGNING_KEY_MAX_AGE, for example 7m.",
                humantime::format_duration(lead)
            )));
        }
        Ok(())
    }

    /// The lifetimes that sessions live by.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            refresh_token: self.refresh_token_ttl,
            session: self.session_max_age,
            grace: self.refresh_grace,
        }
    }
}

/// The names of all settings, as options of the command line.
fn options<C: CommandFactory>() -> Vec<String> {
    C::command()
        .get_arguments()
        .filter(|argument| argument.get_action().takes_values())
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .collect()
}
