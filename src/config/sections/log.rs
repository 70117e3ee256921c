//! Logs and audit events.

use std::time::Duration;

use clap::Args;

use crate::config::values::{self, DAY, HOUR};
use crate::domain::stored_events::StoredEvents;

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object on each line, for machines.
    Json,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs")]
pub struct LogSettings {
    /// Log level, or a filter such as `info,auth_gateway=debug`
    #[arg(long, global = true, default_value = "info", value_parser = values::text)]
    pub rust_log: String,
    /// Log format: `text` or `json`
    #[arg(long, global = true, default_value = "text", value_parser = log_format)]
    pub log_format: LogFormat,
    /// How long audit events are kept in the database
    #[arg(long, global = true, default_value = "90d", value_parser = |text: &str| values::span(text, HOUR, DAY * 3660, "90d"))]
    pub audit_retention: Duration,
    /// Audit events that are kept in the database, separated by commas: names, `all`, and `-name`
    /// to leave one out. All events are logged
    #[arg(long, global = true, default_value_t, value_parser = StoredEvents::parse)]
    pub audit_events: StoredEvents,
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json, for example json".to_owned()),
    }
}
