//! When a store could not be asked: time that must not count against a client.
//!
//! A renewal may be made although its answer is lost: the store is cut off at that very moment, or hangs and does later what it was
//! told before, or the gateway itself is killed. The client can do nothing but ask again when everything is back, and must then find
//! its token within the grace period, however long the outage lasted. So the grace period stands still during an outage.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

/// How long a gateway that starts may have been gone: longer than a restart after a crash takes.
const RESTART: Duration = Duration::from_mins(1);

/// The last outage of a store, as this node saw it.
#[derive(Debug)]
pub(crate) struct Outage {
    grace: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Copy)]
enum Seen {
    /// The node has been up, or will find its first answer to be the end of this.
    Never,
    /// Down since then; and the outage before this, if it was over only just, lasted so long.
    Since(Timestamp, Duration),
    /// Up again since then, after so long.
    Over(Timestamp, Duration),
}

impl Outage {
    /// For clients that have this grace period.
    pub(crate) fn new(grace: Duration) -> Self {
        Self {
            grace,
            seen: Mutex::new(Seen::Never),
        }
    }

    /// Takes note of how a question to the store went that was asked at `now`, and hands the answer on.
    pub(crate) fn noted<T>(&self, answer: Result<T>, now: Timestamp) -> Result<T> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_down = matches!(answer, Err(Error::Unavailable { .. }));
        *seen = match (*seen, is_down) {
            (Seen::Never, true) => Seen::Since(now.minus(RESTART), Duration::ZERO),
            (Seen::Never, false) => Seen::Over(now, RESTART),
            (Seen::Since(from, before), false) => Seen::Over(now, before + now.since(from)),
            // A short breath between two outages gives nobody the time to come back.
            (Seen::Over(until, lasted), true) if now <= until.plus(self.grace) => {
                // It may have begun before that one was seen to be over, and no time counts twice.
                Seen::Since(now.max(until), lasted)
            }
            (Seen::Over(..), true) => Seen::Since(now, Duration::ZERO),
            (unchanged @ Seen::Since(..), true) | (unchanged @ Seen::Over(..), false) => unchanged,
        };
        drop(seen);
        answer
    }

    /// The grace period at `now`: longer by the time that the store was down, if it is, or was less than a grace period ago.
    pub(crate) fn grace(&self, now: Timestamp) -> Duration {
        let lasted = match *self.seen.lock().unwrap_or_else(PoisonError::into_inner) {
            Seen::Never => RESTART,
            Seen::Since(from, before) => before + now.since(from),
            Seen::Over(until, lasted) if now <= until.plus(self.grace) => lasted,
            Seen::Over(..) => Duration::ZERO,
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

    /// An outage whose grace period is asked for after each of these answers.
    fn after(answers: &[(i64, bool)]) -> Outage {
        let outage = Outage::new(GRACE);
        for (seconds, is_up) in answers {
            let answer = if *is_up {
                Ok(())
            } else {
                Err(Error::unavailable("down"))
            };
            assert_eq!(outage.noted(answer, at(*seconds)).is_ok(), *is_up);
        }
        outage
    }

    #[test]
    fn the_grace_period_stands_still_during_an_outage() {
        let outage = after(&[(-100, true), (0, false), (5, false), (30, true), (31, true)]);
        assert_eq!(outage.grace(at(31)), GRACE + Duration::from_secs(30));
        assert_eq!(outage.grace(at(40)), GRACE + Duration::from_secs(30));
        assert_eq!(outage.grace(at(41)), GRACE, "everybody has had the time to come back");
    }

    #[test]
    fn an_outage_that_goes_on_has_lasted_until_now() {
        assert_eq!(
            after(&[(-100, true), (0, false)]).grace(at(30)),
            GRACE + Duration::from_secs(30)
        );
    }

    #[test]
    fn two_outages_in_short_order_are_one() {
        let outage = after(&[(-100, true), (0, false), (20, true), (25, false), (30, true)]);
        assert_eq!(
            outage.grace(at(31)),
            GRACE + Duration::from_secs(25),
            "less the time it was up"
        );
    }

    #[test]
    fn time_that_two_outages_share_counts_once() {
        // Asked at 15 and 5, and answered late.
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
    fn a_gateway_that_starts_has_been_gone_for_a_while() {
        assert_eq!(after(&[]).grace(at(0)), GRACE + RESTART);
        assert_eq!(after(&[(0, true)]).grace(at(10)), GRACE + RESTART);
        assert_eq!(after(&[(0, true)]).grace(at(11)), GRACE);
    }

    #[test]
    fn what_is_no_outage_changes_nothing() {
        let outage = after(&[(-100, true)]);
        let answer: Result<()> = Err(Error::NotFound);
        assert!(outage.noted(answer, at(0)).is_err());
        assert_eq!(outage.grace(at(30)), GRACE);
    }
}
