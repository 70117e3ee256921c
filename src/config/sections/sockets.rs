//! WebSockets: how many may be open, and for how long without a subscription.

use std::time::Duration;

use clap::Args;

use crate::config::values::{self, HOUR, MILLISECOND};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "WebSockets")]
pub struct SocketSettings {
    /// Most open WebSockets
    #[arg(long, global = true, default_value = "10000", value_parser = |text: &str| values::number(text, 1_usize, 1_000_000, 10_000))]
    pub max_websockets: usize,
    /// Most open WebSockets from one network: an IPv4 address or an IPv6 /64
    #[arg(long, global = true, default_value = "50", value_parser = |text: &str| values::number(text, 1_usize, 1_000_000, 50))]
    pub websockets_per_address: usize,
    /// How long a WebSocket without a subscription stays open
    #[arg(long, global = true, default_value = "1m", value_parser = |text: &str| values::span(text, MILLISECOND, HOUR, "1m"))]
    pub websocket_idle_timeout: Duration,
}
