//! The scalar for points in time.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::Utc;

use crate::domain::clock::Timestamp;

pub(crate) struct DateTime(chrono::DateTime<Utc>);

impl From<Timestamp> for DateTime {
    fn from(at: Timestamp) -> Self {
        Self(at.date_time())
    }
}

/// A point in time: RFC 3339, always in UTC (`+00:00`), with three digits of milliseconds unless
/// these are zero. For example `2026-01-31T12:00:00.250+00:00`.
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        Ok(Self(text.parse()?))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_shown_unless_they_are_zero() {
        for (millis, text) in [
            (1_769_860_800_000, "2026-01-31T12:00:00+00:00"),
            (1_769_860_800_250, "2026-01-31T12:00:00.250+00:00"),
        ] {
            let at = DateTime::from(Timestamp::from_millis(millis));
            assert_eq!(at.to_value(), Value::String(text.to_owned()));
        }
    }
}
