//! Connections: how many may be open, and how long a slow client is waited for.

use std::time::Duration;

use clap::Args;

use crate::config::values::{self, HOUR, MILLISECOND, MINUTE};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionSettings {
    /// Most open connections, including WebSockets. Further ones are closed at once
    #[arg(long, global = true, default_value = "10000", value_parser = |text: &str| values::number(text, 1_usize, 1_000_000, 10_000))]
    pub max_connections: usize,
    /// Most open connections from one network: an IPv4 address or an IPv6 /64. `TRUSTED_PROXIES`
    /// are exempt
    #[arg(long, global = true, default_value = "1000", value_parser = |text: &str| values::number(text, 1_usize, 1_000_000, 1000))]
    pub connections_per_address: usize,
    /// How long a connection without a request stays open. Set it higher than the proxy's own
    /// timeout
    #[arg(long, global = true, default_value = "75s", value_parser = |text: &str| values::span(text, MILLISECOND, HOUR, "75s"))]
    pub idle_timeout: Duration,
    /// How long the head of a request may take to arrive
    #[arg(long, global = true, default_value = "10s", value_parser = |text: &str| values::span(text, MILLISECOND, MINUTE * 5, "10s"))]
    pub header_timeout: Duration,
    /// How long a client may read nothing of an answer
    #[arg(long, global = true, default_value = "30s", value_parser = |text: &str| values::span(text, MILLISECOND, MINUTE * 5, "30s"))]
    pub send_timeout: Duration,
}
