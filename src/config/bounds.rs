//! The settings that bound what a client may cost: the size of what it sends, and how much of the gateway it may hold.

use std::time::Duration;

use clap::Args;

use super::values;
use crate::domain::document::DocumentLimits;

const MILLISECOND: Duration = Duration::from_millis(1);
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

/// Requests.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Requests")]
pub struct RequestSettings {
    /// Largest body that is read, in bytes, and largest message over a WebSocket
    #[arg(long, global = true, default_value = "262144", value_parser = |text: &str| values::number(text, 1024_usize, 16 * 1024 * 1024, 262_144))]
    pub body_limit: usize,
}
