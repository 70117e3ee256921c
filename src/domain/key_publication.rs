//! How long a new signing key is published before it signs, and the intervals that follow from it.

use std::time::Duration;

/// How often a node loads the keys, unless the lead requires it more often.
const RELOAD_INTERVAL: Duration = Duration::from_secs(30);
/// How long verifiers may cache the JWKS, unless the lead requires less.
const JWKS_MAX_AGE: Duration = Duration::from_mins(5);

/// The time from the publication of a key to its first signature.
///
/// Before it signs, every node and every verifier must have loaded the key. Of a lead of seven
/// minutes, five are for the caches of verifiers, one for two loads of a node, and one for clocks
/// that differ. A shorter lead is divided in the same proportions. The rest of a longer lead is for
/// verifiers that cache the JWKS longer than its headers allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPublicationLead(Duration);

impl KeyPublicationLead {
    /// The shortest lead. Nodes then load the keys every two seconds.
    pub const LEAST: Duration = Duration::from_secs(30);
    pub const MOST: Duration = Duration::from_hours(7 * 24);
    /// The default of `SIGNING_KEY_LEAD`: seven minutes.
    pub const DEFAULT: Self = Self(Duration::from_mins(7));

    /// Clamps the span to the bounds.
    #[must_use]
    pub fn new(span: Duration) -> Self {
        Self(span.clamp(Self::LEAST, Self::MOST))
    }

    #[must_use]
    pub fn span(self) -> Duration {
        self.0
    }

    /// How often a node loads the keys.
    #[must_use]
    pub fn reload_interval(self) -> Duration {
        RELOAD_INTERVAL.min(self.0 / 14)
    }

    /// How long verifiers may cache the JWKS, in whole seconds (RFC 9111 section 5.2.2.1).
    #[must_use]
    pub fn jwks_max_age(self) -> Duration {
        Duration::from_secs(JWKS_MAX_AGE.min(self.0 * 5 / 7).as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Maintenance runs once in this time.
    const TICK: Duration = Duration::from_secs(1);

    #[test]
    fn every_cache_is_refreshed_within_the_lead_although_clocks_differ() {
        let (least, most) = (KeyPublicationLead::LEAST.as_secs(), KeyPublicationLead::MOST.as_secs());
        for seconds in least..=most {
            for extra in [0, 1, 999] {
                let lead = KeyPublicationLead::new(Duration::from_secs(seconds) + Duration::from_millis(extra));
                let clocks = Duration::from_mins(1).min(lead.span() / 7);
                let renewed = lead.jwks_max_age() + 2 * lead.reload_interval();
                assert!(renewed + clocks <= lead.span(), "{lead:?}: {renewed:?}");
                assert!(lead.jwks_max_age() + 2 * (lead.reload_interval() + TICK) < lead.span());
                assert!(lead.reload_interval() > TICK && lead.jwks_max_age() > TICK, "{lead:?}");
            }
        }
    }

    #[test]
    fn seven_minutes_are_five_for_verifiers_and_one_for_two_loads() {
        for minutes in [7, 8, 60] {
            let lead = KeyPublicationLead::new(Duration::from_mins(minutes));
            assert_eq!(lead.jwks_max_age(), Duration::from_mins(5));
            assert_eq!(lead.reload_interval(), Duration::from_secs(30));
        }
        assert_eq!(
            KeyPublicationLead::new(KeyPublicationLead::LEAST).jwks_max_age(),
            Duration::from_secs(21)
        );
    }
}
