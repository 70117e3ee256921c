//! Log lines: for people or for machines, on standard error, so that standard output is free for what a command prints.

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings, SettingError};

/// Starts logging.
///
/// # Errors
/// When `RUST_LOG` is no filter.
pub fn start(settings: &LogSettings) -> Result<(), SettingError> {
    // A start with nothing to do should say nothing; a directive of the operator's own comes later, and wins.
    let filter = EnvFilter::try_new(format!("sea_orm_migration=warn,{}", settings.rust_log)).map_err(|_| {
        SettingError(format!(
            "RUST_LOG is \"{}\", which must be a level or a filter, for example info,auth_gateway=debug.",
            settings.rust_log
        ))
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| SettingError(format!("Logging cannot be started: {error}.")))
}
