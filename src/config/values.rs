//! How single values are read. Each parser says what is allowed and gives an example.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use url::Url;

use crate::domain::client::ProxyHeader;
use crate::domain::key_publication::KeyPublicationLead;
use crate::domain::secret::{SecretBytes, SecretString};
use crate::domain::signing_key::SigningAlgorithm;

/// Least length of `AUTH_SECRET`, in bytes: as many as the keys derived from it have.
pub(super) const AUTH_SECRET_BYTES: usize = 32;

/// Where the gateway runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// On a developer's machine: everything missing is made, everything helpful is on.
    Development,
    /// For users: nothing is made up, nothing is shown that need not be.
    Production,
}

/// `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// `on`
    On,
    /// `off`
    Off,
}

impl Switch {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// The database to use.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server; secret, since the address may hold a password.
    Postgres(SecretString),
}

/// One Redis server, or several nodes of one cluster; secret, since an address may hold a password.
#[derive(Debug, Clone)]
pub struct RedisUrl(pub Vec<SecretString>);

/// What refresh tokens and stored signing keys are protected with: the first secret seals, all of them open.
#[derive(Debug, Clone)]
pub struct AuthSecret(pub Vec<SecretBytes>);

pub(super) fn stage(text: &str) -> Result<Stage, String> {
    match text {
        "development" => Ok(Stage::Development),
        "production" => Ok(Stage::Production),
        _ => Err("must be development or production, for example production".to_owned()),
    }
}

pub(super) fn switch(text: &str) -> Result<Switch, String> {
    match text {
        "on" | "true" | "1" => Ok(Switch::On),
        "off" | "false" | "0" => Ok(Switch::Off),
        _ => Err("must be on or off, for example on".to_owned()),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json, for example json".to_owned()),
    }
}

pub(super) fn jwt_algorithm(text: &str) -> Result<SigningAlgorithm, String> {
    SigningAlgorithm::parse(text).ok_or_else(|| "must be EdDSA, ES256 or RS256, for example EdDSA".to_owned())
}

/// A span of time such as `15m`, `30d` or `1h 30m`, between two bounds that are part of the sentence.
pub(super) fn span(text: &str, least: Duration, most: Duration, example: &str) -> Result<Duration, String> {
    let rule = || {
        format!(
            "must be a time between {} and {} with its unit, for example {example}",
            humantime::format_duration(least),
            humantime::format_duration(most)
        )
    };
    let span = humantime::parse_duration(text).map_err(|_| rule())?;
    if (least..=most).contains(&span) {
        Ok(span)
    } else {
        Err(rule())
    }
}

pub(super) fn key_lead(text: &str, example: &str) -> Result<KeyPublicationLead, String> {
    span(text, KeyPublicationLead::LEAST, KeyPublicationLead::MOST, example).map(KeyPublicationLead::new)
}

/// A whole number between two bounds that are part of the sentence.
pub(super) fn number<T>(text: &str, least: T, most: T, example: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + fmt::Display + Copy,
{
    text.parse()
        .ok()
        .filter(|number| *number >= least && *number <= most)
        .ok_or_else(|| format!("must be a whole number from {least} to {most}, for example {example}"))
}

/// The address under which browsers and services reach the gateway, without a slash at its end.
pub(super) fn public_url(text: &str) -> Result<String, String> {
    let rule = || {
        "must be an http or https address without query or fragment, for example https://auth.example.com".to_owned()
    };
    let url = Url::parse(text).map_err(|_| rule())?;
    let is_plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    if matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain {
        Ok(url.as_str().trim_end_matches('/').to_owned())
    } else {
        Err(rule())
    }
}

/// An exact origin as browsers send it (RFC 6454 section 6.2).
pub(super) fn origin(text: &str) -> Result<String, String> {
    let text = text.trim();
    let origin = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    match origin.map(|url| url.origin().ascii_serialization()) {
        Some(origin) if origin == text => Ok(origin),
        _ => Err("must be exact origins, separated by commas, for example https://app.example.com".to_owned()),
    }
}

pub(super) fn network(text: &str) -> Result<ipnet::IpNet, String> {
    let text = text.trim();
    text.parse()
        .or_else(|_| {
            text.parse()
                .map(|address: std::net::IpAddr| ipnet::IpNet::from(address))
        })
        .map_err(|_| "must be networks in CIDR notation, separated by commas, for example 10.0.0.0/8".to_owned())
}

pub(super) fn proxy_header(text: &str) -> Result<ProxyHeader, String> {
    match text {
        "x-forwarded-for" => Ok(ProxyHeader::XForwardedFor),
        "forwarded" => Ok(ProxyHeader::Forwarded),
        _ => Err("must be x-forwarded-for or forwarded, for example forwarded".to_owned()),
    }
}

pub(super) fn database_url(text: &str) -> Result<DatabaseUrl, String> {
    let rule = "must be sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE, for example sqlite://data/auth.db";
    if let Some(path) = text.strip_prefix("sqlite://") {
        let is_file =
            !path.is_empty() && !path.ends_with('/') && !path.contains(['?', '#', '\0']) && !path.starts_with(':');
        return if is_file {
            Ok(DatabaseUrl::Sqlite(PathBuf::from(path)))
        } else {
            Err(rule.to_owned())
        };
    }
    let url = Url::parse(text).map_err(|_| rule.to_owned())?;
    if matches!(url.scheme(), "postgres" | "postgresql") && url.path().len() > 1 {
        Ok(DatabaseUrl::Postgres(SecretString::new(text.to_owned())))
    } else {
        Err(rule.to_owned())
    }
}

pub(super) fn redis_url(text: &str) -> Result<RedisUrl, String> {
    let is_redis =
        |node: &str| Url::parse(node).is_ok_and(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host());
    let nodes: Vec<&str> = text.split(',').map(str::trim).collect();
    if nodes.iter().all(|node| is_redis(node)) {
        Ok(RedisUrl(
            nodes
                .into_iter()
                .map(|node| SecretString::new(node.to_owned()))
                .collect(),
        ))
    } else {
        Err("must be redis://HOST:PORT, rediss://HOST:PORT for TLS, or several nodes of one cluster separated by commas, \
             for example redis://127.0.0.1:6379"
            .to_owned())
    }
}

pub(super) fn auth_secret(text: &str) -> Result<AuthSecret, String> {
    let secrets = text
        .split(',')
        .map(|secret| one_secret(secret.trim()))
        .collect::<Option<_>>();
    secrets.map(AuthSecret).ok_or_else(|| {
        "must be at least 32 random bytes in base64, or several such secrets separated by commas, for example the output of: \
         openssl rand -base64 32"
            .to_owned()
    })
}

impl AuthSecret {
    /// Whether all of them may be random, as far as a look can tell. None of what is refused comes about by chance in 32 random bytes.
    pub(super) fn seems_random(&self) -> bool {
        let mut secrets = self.0.iter().map(SecretBytes::expose);
        secrets.all(|secret| !is_periodic(secret) && !counts(secret) && !is_sentence(secret))
    }
}

/// The same bytes again and again: zeros, say.
fn is_periodic(secret: &[u8]) -> bool {
    let comes_again = |period| secret.iter().zip(secret.iter().skip(period)).all(|(a, b)| a == b);
    (1..=secret.len() / 2).any(comes_again)
}

/// 0, 1, 2, …, or the like.
fn counts(secret: &[u8]) -> bool {
    let mut steps = secret
        .iter()
        .zip(secret.iter().skip(1))
        .map(|(a, b)| b.wrapping_sub(*a));
    let first = steps.next();
    steps.all(|step| Some(step) == first)
}

/// Words, such as stand in examples and tests.
fn is_sentence(secret: &[u8]) -> bool {
    secret.contains(&b' ') && secret.iter().all(|byte| (b' '..=b'~').contains(byte))
}

fn one_secret(text: &str) -> Option<SecretBytes> {
    let engines = [STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD];
    let bytes = engines.iter().find_map(|engine| engine.decode(text).ok())?;
    (bytes.len() >= AUTH_SECRET_BYTES).then(|| SecretBytes::new(bytes))
}

/// Text that may not be empty, such as an audience.
pub(super) fn text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        Err("must be a short text, for example auth-gateway".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

impl DatabaseUrl {
    /// The folder for files that belong to this database: beside a SQLite file, else `data`.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        match self {
            Self::Sqlite(file) => file.parent().unwrap_or(Path::new("")).to_owned(),
            Self::Postgres(_) => PathBuf::from("data"),
        }
    }
}
