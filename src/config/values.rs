//! Parsers that several sections use. Each error says what is allowed and gives an example.

use std::fmt;
use std::time::Duration;

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const DAY: Duration = Duration::from_hours(24);

/// `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// `on`
    On,
    /// `off`
    Off,
}

impl Switch {
    #[must_use]
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

pub(super) fn switch(text: &str) -> Result<Switch, String> {
    match text {
        "on" | "true" | "1" => Ok(Switch::On),
        "off" | "false" | "0" => Ok(Switch::Off),
        _ => Err("must be on or off, for example on".to_owned()),
    }
}

/// A span of time such as `15m`, `30d` or `1h 30m`, between two bounds that the error names.
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

/// A whole number between two bounds that the error names.
pub(super) fn number<T>(text: &str, least: T, most: T, example: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + fmt::Display + Copy,
{
    text.parse()
        .ok()
        .filter(|number| *number >= least && *number <= most)
        .ok_or_else(|| format!("must be a whole number from {least} to {most}, for example {example}"))
}

/// A text that is not empty, such as an audience.
pub(super) fn text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        Err("must be a short text, for example auth-gateway".to_owned())
    } else {
        Ok(text.to_owned())
    }
}
