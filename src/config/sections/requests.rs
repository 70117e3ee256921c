//! Requests: the time and the size that they may have.

use std::time::Duration;

use clap::Args;

use crate::config::environment::SettingError;
use crate::config::values::{self, MILLISECOND, MINUTE};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Requests")]
pub struct RequestSettings {
    /// How long the body of a request may take to arrive
    #[arg(long, global = true, default_value = "10s", value_parser = |text: &str| values::span(text, MILLISECOND, MINUTE * 5, "10s"))]
    pub body_timeout: Duration,
    /// How long a request may take to be answered, including its body
    #[arg(long, global = true, default_value = "30s", value_parser = |text: &str| values::span(text, MILLISECOND, MINUTE * 5, "30s"))]
    pub answer_timeout: Duration,
    /// Largest request body and largest WebSocket message, in bytes
    #[arg(long, global = true, default_value = "262144", value_parser = |text: &str| values::number(text, 1024_usize, 16 * 1024 * 1024, 262_144))]
    pub body_limit: usize,
}

impl RequestSettings {
    /// Otherwise a late body would be answered with the wrong error: `ANSWER_TIMEOUT` would end
    /// first.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        if self.body_timeout >= self.answer_timeout {
            return Err(SettingError(format!(
                "BODY_TIMEOUT is \"{}\", which must be less than ANSWER_TIMEOUT, for example 10s.",
                humantime::format_duration(self.body_timeout)
            )));
        }
        Ok(())
    }
}
