//! The settings that bound what a client may cost: the size of what it sends, and how much of the gateway it may hold.

use std::time::Duration;

use clap::Args;

use crate::config::environment::SettingError;
use crate::config::values;
use crate::domain::document_limits::DocumentLimits;

const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Beyond that many levels the parser itself says no.
const DEEPEST: usize = 60;
const MOST: usize = 100_000;

/// GraphQL documents.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "GraphQL documents")]
pub struct GraphqlSettings {
    /// Levels of braces, brackets and parentheses, with fragments in place
    #[arg(long, global = true, default_value = "20", value_parser = |text: &str| values::number(text, 1_usize, DEEPEST, 20))]
    pub graphql_max_depth: usize,
    /// Fields, with fragments in place
    #[arg(long, global = true, default_value = "300", value_parser = |text: &str| values::number(text, 1_usize, MOST, 300))]
    pub graphql_max_fields: usize,
    /// Aliases, with fragments in place
    #[arg(long, global = true, default_value = "30", value_parser = |text: &str| values::number(text, 0_usize, MOST, 30))]
    pub graphql_max_aliases: usize,
    /// Fields at the top, with fragments in place: each of them is one operation
    #[arg(long, global = true, default_value = "30", value_parser = |text: &str| values::number(text, 1_usize, MOST, 30))]
    pub graphql_max_root_fields: usize,
    /// Directives, with fragments in place
    #[arg(long, global = true, default_value = "30", value_parser = |text: &str| values::number(text, 0_usize, MOST, 30))]
    pub graphql_max_directives: usize,
    /// Lexical tokens, as they are sent
    #[arg(long, global = true, default_value = "2000", value_parser = |text: &str| values::number(text, 1_usize, MOST, 2000))]
    pub graphql_max_tokens: usize,
}

impl GraphqlSettings {
    /// The limits that documents have to keep.
    #[must_use]
    pub fn document_limits(&self) -> DocumentLimits {
        DocumentLimits {
            depth: self.graphql_max_depth,
            fields: self.graphql_max_fields,
            aliases: self.graphql_max_aliases,
            root_fields: self.graphql_max_root_fields,
            directives: self.graphql_max_directives,
            tokens: self.graphql_max_tokens,
        }
    }
}

/// WebSockets.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "WebSockets")]
pub struct SocketSettings {
    /// WebSockets at the same time
    #[arg(long, global = true, default_value = "10000", value_parser = |text: &str| values::number(text, 1_usize, 1_000_000, 10_000))]
    pub max_websockets: usize,
    /// WebSockets at the same time from one network: an IPv4 address or an IPv6 /64
    #[arg(long, global = true, default_value = "50", value_parser = |text: &str| values::number(text, 1_usize, 1_000_000, 50))]
    pub websockets_per_address: usize,
    /// How long a WebSocket stays open without a subscription
    #[arg(long, global = true, default_value = "1m", value_parser = |text: &str| values::span(text, MILLISECOND, HOUR, "1m"))]
    pub websocket_idle_timeout: Duration,
}

/// Connections.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionSettings {
    /// Connections at the same time, WebSockets among them; one more is closed at once
    #[arg(long, global = true, default_value = "10000", value_parser = |text: &str| values::number(text, 1_usize, 1_000_000, 10_000))]
    pub max_connections: usize,
    /// Connections at the same time from one network: an IPv4 address or an IPv6 /64. `TRUSTED_PROXIES` are not counted
    #[arg(long, global = true, default_value = "1000", value_parser = |text: &str| values::number(text, 1_usize, 1_000_000, 1000))]
    pub connections_per_address: usize,
    /// How long a connection stays open without a request; longer than a proxy in front keeps one
    #[arg(long, global = true, default_value = "75s", value_parser = |text: &str| values::span(text, MILLISECOND, HOUR, "75s"))]
    pub idle_timeout: Duration,
    /// How long the head of a request may take to come
    #[arg(long, global = true, default_value = "10s", value_parser = |text: &str| values::span(text, MILLISECOND, MINUTE * 5, "10s"))]
    pub header_timeout: Duration,
    /// How long a client may take none of an answer that it asked for
    #[arg(long, global = true, default_value = "30s", value_parser = |text: &str| values::span(text, MILLISECOND, MINUTE * 5, "30s"))]
    pub send_timeout: Duration,
}

/// Requests.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Requests")]
pub struct RequestSettings {
    /// How long the body of a request may take to come
    #[arg(long, global = true, default_value = "10s", value_parser = |text: &str| values::span(text, MILLISECOND, MINUTE * 5, "10s"))]
    pub body_timeout: Duration,
    /// How long the gateway may work on an answer, the body's time included
    #[arg(long, global = true, default_value = "30s", value_parser = |text: &str| values::span(text, MILLISECOND, MINUTE * 5, "30s"))]
    pub answer_timeout: Duration,
    /// Largest body that is read, in bytes, and largest message over a WebSocket
    #[arg(long, global = true, default_value = "262144", value_parser = |text: &str| values::number(text, 1024_usize, 16 * 1024 * 1024, 262_144))]
    pub body_limit: usize,
}

impl RequestSettings {
    /// The answer to a body that does not come would itself come too late.
    pub(super) fn check(&self) -> Result<(), SettingError> {
        if self.body_timeout >= self.answer_timeout {
            return Err(SettingError(format!(
                "BODY_TIMEOUT is \"{}\", which must be less than ANSWER_TIMEOUT, for example 10s.",
                humantime::format_duration(self.body_timeout)
            )));
        }
        Ok(())
    }
}
