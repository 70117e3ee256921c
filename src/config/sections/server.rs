//! The server: where it listens, under which address clients reach it, and in which environment.

use std::net::IpAddr;

use clap::Args;
use url::Url;

use crate::config::values;

/// The environment in which the gateway runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A developer's machine: a missing secret or schema is created, and tools are on.
    Development,
    /// For users: nothing is generated, and tools are off unless they are switched on.
    Production,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerSettings {
    /// IP address to listen on
    #[arg(long, global = true, default_value = "127.0.0.1", value_parser = host)]
    pub host: IpAddr,
    /// Port to listen on; 0 picks a free port
    #[arg(long, global = true, default_value = "8000", value_parser = |text: &str| values::number(text, 0, u16::MAX, 8000))]
    pub port: u16,
    /// Port of a second listener on the same address, for Prometheus at /metrics. Unset: off
    #[arg(long, global = true, value_parser = |text: &str| values::number(text, 0, u16::MAX, 9000))]
    pub admin_port: Option<u16>,
    /// `development` or `production`. Production refuses generated secrets and pending migrations,
    /// and turns GraphiQL and introspection off
    #[arg(long, global = true, default_value = "development", value_parser = stage)]
    pub environment: Stage,
    /// Address at which clients reach the gateway; the issuer of its tokens
    #[arg(long, global = true, default_value = "http://localhost:8000", value_parser = public_url)]
    pub public_url: String,
}

fn host(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| "must be an IP address, for example 0.0.0.0".to_owned())
}

fn stage(text: &str) -> Result<Stage, String> {
    match text {
        "development" => Ok(Stage::Development),
        "production" => Ok(Stage::Production),
        _ => Err("must be development or production, for example production".to_owned()),
    }
}

/// The address without a slash at its end.
fn public_url(text: &str) -> Result<String, String> {
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
