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
pub(super) struct Outage {
    grace: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Copy)]
enum Seen {
    /// The node has been up, or will find its first answer to be the end of this.
    Never,
    Since(Timestamp),
    Over {
        from: Timestamp,
        until: Timestamp,
    },
}

impl Outage {
    /// For clients that have this grace period.
    pub(super) fn new(grace: Duration) -> Self {
        Self {
            grace,
            seen: Mutex::new(Seen::Never),
        }
    }

    /// Takes note of how a question to the store went that was asked at `now`, and hands the answer on.
    pub(super) fn noted<T>(&self, answer: Result<T>, now: Timestamp) -> Result<T> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_down = matches!(answer, Err(Error::Unavailable { .. }));
        *seen = match (*seen, is_down) {
            (Seen::Never, true) => Seen::Since(now.minus(RESTART)),
            (Seen::Never, false) => Seen::Over {
                from: now.minus(RESTART),
                until: now,
            },
            (Seen::Since(from), false) => Seen::Over { from, until: now },
            // A short breath between two outages gives nobody the time to come back.
            (Seen::Over { from, until }, true) if now <= until.plus(self.grace) => Seen::Since(from),
            (Seen::Over { .. }, true) => Seen::Since(now),
            (unchanged @ Seen::Since(_), true) | (unchanged @ Seen::Over { .. }, false) => unchanged,
        };
        drop(seen);
        answer
    }

    /// The grace period at `now`: longer by the outage, if one goes on or was over less than a grace period ago.
    pub(super) fn grace(&self, now: Timestamp) -> Duration {
        let (from, until) = match *self.seen.lock().unwrap_or_else(PoisonError::into_inner) {
            Seen::Never => (now.minus(RESTART), now),
            Seen::Since(from) => (from, now),
            Seen::Over { from, until } if now <= until.plus(self.grace) => (from, until),
            Seen::Over { .. } => return self.grace,
        };
        let lasted = u64::try_from(until.millis() - from.millis()).unwrap_or_default();
        self.grace.saturating_add(Duration::from_millis(lasted))
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
        assert_eq!(outage.grace(at(31)), GRACE + Duration::from_secs(30));
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
