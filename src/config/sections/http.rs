//! The APIs: limits on attempts, proxies, browsers and tools.

use std::net::IpAddr;

use clap::Args;
use ipnet::IpNet;
use url::Url;

use crate::config::values::{self, Switch};
use crate::domain::client::ProxyHeader;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "API")]
pub struct HttpSettings {
    /// Limits on attempts by account, address and session. Use `off` only for load tests
    #[arg(long, global = true, default_value = "on", value_parser = values::switch)]
    pub rate_limit: Switch,
    /// Networks of proxies whose `PROXY_HEADER` is trusted, separated by commas
    #[arg(long, global = true, value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Header in which these proxies append the client's address: `x-forwarded-for` or `forwarded`.
    /// The other one is ignored
    #[arg(long, global = true, default_value = "x-forwarded-for", value_parser = proxy_header)]
    pub proxy_header: ProxyHeader,
    /// Origins whose pages may call the gateway, separated by commas
    #[arg(long, global = true, value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<String>,
    /// GraphiQL at GET /graphql. Unset: on in development
    #[arg(long, global = true, value_parser = values::switch)]
    pub graphiql: Option<Switch>,
    /// GraphQL introspection. Unset: on in development
    #[arg(long, global = true, value_parser = values::switch)]
    pub graphql_introspection: Option<Switch>,
}

/// An exact origin as browsers send it (RFC 6454 section 6.2).
fn origin(text: &str) -> Result<String, String> {
    let text = text.trim();
    let origin = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    match origin.map(|url| url.origin().ascii_serialization()) {
        Some(origin) if origin == text => Ok(origin),
        _ => Err("must be exact origins, separated by commas, for example https://app.example.com".to_owned()),
    }
}

/// A network in CIDR notation, or a single address.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse()
        .or_else(|_| text.parse().map(|address: IpAddr| IpNet::from(address)))
        .map_err(|_| "must be networks in CIDR notation, separated by commas, for example 10.0.0.0/8".to_owned())
}

fn proxy_header(text: &str) -> Result<ProxyHeader, String> {
    match text {
        "x-forwarded-for" => Ok(ProxyHeader::XForwardedFor),
        "forwarded" => Ok(ProxyHeader::Forwarded),
        _ => Err("must be x-forwarded-for or forwarded, for example forwarded".to_owned()),
    }
}
