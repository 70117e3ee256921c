//! Outages of a store, which must not count against a client.
//!
//! A rotation may be made although its response is lost: the store is cut off at that moment, or
//! hangs and applies the rotation later, or the gateway is killed. The client can only ask again
//! when everything is back. Its token must then be within the grace period, however long the outage
//! lasted. So the grace period stands still during an outage.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

/// How long a gateway that starts may have been down: longer than a restart after a crash takes.
const RESTART: Duration = Duration::from_mins(1);

/// The last outage of a store, as this node saw it.
#[derive(Debug)]
pub(crate) struct Outage {
    grace: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Copy)]
enum Seen {
    /// No response yet: the node has just started.
    Nothing,
    /// Down since this time. The duration is that of an outage that ended shortly before.
    DownSince(Timestamp, Duration),
    /// Up since this time, after an outage of this duration.
    UpSince(Timestamp, Duration),
}

impl Outage {
    pub(crate) fn new(grace: Duration) -> Self {
        Self {
            grace,
            seen: Mutex::new(Seen::Nothing),
        }
    }

    /// Records whether the store responded to a request that was sent at `now`, and returns the
    /// response.
    pub(crate) fn record<T>(&self, response: Result<T>, now: Timestamp) -> Result<T> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_down = matches!(response, Err(Error::Unavailable { .. }));
        *seen = match (*seen, is_down) {
            (Seen::Nothing, true) => Seen::DownSince(now.minus(RESTART), Duration::ZERO),
            (Seen::Nothing, false) => Seen::UpSince(now, RESTART),
            (Seen::DownSince(from, before), false) => Seen::UpSince(now, before + now.since(from)),
            // Two outages within a grace period count as one: clients had no time to come back.
            (Seen::UpSince(until, lasted), true) if now <= until.plus(self.grace) => {
                // This request may have been sent before the first outage ended. No time counts
                // twice.
                Seen::DownSince(now.max(until), lasted)
            }
            (Seen::UpSince(..), true) => Seen::DownSince(now, Duration::ZERO),
            (unchanged @ Seen::DownSince(..), true) | (unchanged @ Seen::UpSince(..), false) => unchanged,
        };
        drop(seen);
        response
    }

    /// The grace period at `now`. It is longer by the duration of an outage that lasts, or that
    /// ended less than a grace period ago.
    pub(crate) fn grace(&self, now: Timestamp) -> Duration {
        let lasted = match *self.seen.lock().unwrap_or_else(PoisonError::into_inner) {
            Seen::Nothing => RESTART,
            Seen::DownSince(from, before) => before + now.since(from),
            Seen::UpSince(until, lasted) if now <= until.plus(self.grace) => lasted,
            Seen::UpSince(..) => Duration::ZERO,
        };
        self.grace.saturating_add(lasted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
    }

    /// The outage after these responses, by their times in seconds.
    fn after(responses: &[(i64, bool)]) -> Outage {
        let outage = Outage::new(GRACE);
        for (seconds, is_up) in responses {
            let response = if *is_up {
                Ok(())
            } else {
                Err(Error::unavailable("down"))
            };
            assert_eq!(outage.record(response, at(*seconds)).is_ok(), *is_up);
        }
        outage
    }

    #[test]
    fn the_grace_period_stands_still_during_an_outage() {
        let outage = after(&[(-100, true), (0, false), (5, false), (30, true), (31, true)]);
        assert_eq!(outage.grace(at(31)), GRACE + Duration::from_secs(30));
        assert_eq!(outage.grace(at(40)), GRACE + Duration::from_secs(30));
        assert_eq!(outage.grace(at(41)), GRACE, "clients have had time to come back");
    }

    #[test]
    fn a_lasting_outage_extends_the_grace_period_until_now() {
        assert_eq!(
            after(&[(-100, true), (0, false)]).grace(at(30)),
            GRACE + Duration::from_secs(30)
        );
    }

    #[test]
    fn two_outages_within_a_grace_period_count_as_one() {
        let outage = after(&[(-100, true), (0, false), (20, true), (25, false), (30, true)]);
        assert_eq!(
            outage.grace(at(31)),
            GRACE + Duration::from_secs(25),
            "without the time it was up"
        );
    }

    #[test]
    fn overlapping_outages_count_once() {
        // Requests sent at 15 and 5 fail late.
        let outage = after(&[
            (-100, true),
            (0, false),
            (20, true),
            (15, false),
            (21, true),
            (5, false),
            (22, true),
        ]);
        assert_eq!(outage.grace(at(22)), GRACE + Duration::from_secs(22));
    }

    #[test]
    fn a_gateway_that_starts_assumes_a_restart() {
        assert_eq!(after(&[]).grace(at(0)), GRACE + RESTART);
        assert_eq!(after(&[(0, true)]).grace(at(10)), GRACE + RESTART);
        assert_eq!(after(&[(0, true)]).grace(at(11)), GRACE);
    }

    #[test]
    fn an_error_that_is_no_outage_changes_nothing() {
        let outage = after(&[(-100, true)]);
        let response: Result<()> = Err(Error::NotFound);
        assert!(outage.record(response, at(0)).is_err());
        assert_eq!(outage.grace(at(30)), GRACE);
    }
}
