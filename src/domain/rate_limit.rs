//! Limits: what may be tried how often. A person never meets one; a robot meets it at once.
//!
//! Each limit counts by the generic cell rate algorithm (ITU-T I.371, annex A, "virtual scheduling"): one point in time for each
//! subject, no window whose edge lets twice as much through.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::clock::{Timestamp, millis};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Registrations from one network.
    RegisterPerAddress,
    /// Logins from one network, whatever the account.
    LoginPerAddress,
    /// Logins at one account from networks where it has never been signed in.
    LoginPerAccount,
    /// Logins at one account from one network where it has been signed in: a stranger cannot use these up.
    LoginFromKnownAddress,
    /// Failed logins at one account since the last one that succeeded, for strangers.
    FailuresPerAccount,
    /// The same for each network where it has been signed in.
    FailuresFromKnownAddress,
    /// Renewals of one session.
    RefreshPerSession,
}

/// How much of something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// So many at once.
    pub burst: u32,
    /// And one more each time this has passed.
    pub every: Duration,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RegisterPerAddress,
        Self::LoginPerAddress,
        Self::LoginPerAccount,
        Self::LoginFromKnownAddress,
        Self::FailuresPerAccount,
        Self::FailuresFromKnownAddress,
        Self::RefreshPerSession,
    ];

    /// Its name in metrics and keys.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RegisterPerAddress => "register-address",
            Self::LoginPerAddress => "login-address",
            Self::LoginPerAccount => "login-account",
            Self::LoginFromKnownAddress => "login-known-address",
            Self::FailuresPerAccount => "failures-account",
            Self::FailuresFromKnownAddress => "failures-known-address",
            Self::RefreshPerSession => "refresh-session",
        }
    }

    /// Its name in the headers of an answer. Whether a place is known is not said: only a name that is an account's has such places, and
    /// whoever shares the owner's network would learn that it is one.
    #[must_use]
    pub fn public_name(self) -> &'static str {
        match self {
            Self::LoginPerAccount | Self::LoginFromKnownAddress => Self::LoginPerAccount.name(),
            Self::FailuresPerAccount | Self::FailuresFromKnownAddress => Self::FailuresPerAccount.name(),
            Self::RegisterPerAddress | Self::LoginPerAddress | Self::RefreshPerSession => self.name(),
        }
    }

    /// How much is allowed.
    ///
    /// Failed logins: NIST SP 800-63B-4 section 3.2.2 allows 100 in a row for an account. An account has two names, its e-mail and its
    /// username, and each has an allowance of its own, so that a limit does not tell which names belong together.
    #[must_use]
    pub fn quota(self) -> Quota {
        let quota = |burst, every| Quota { burst, every };
        match self {
            Self::RegisterPerAddress => quota(20, SECOND * 30),
            Self::LoginPerAddress => quota(60, SECOND * 2),
            Self::LoginPerAccount | Self::LoginFromKnownAddress => quota(10, SECOND * 15),
            Self::FailuresPerAccount | Self::FailuresFromKnownAddress => quota(40, HOUR * 24),
            Self::RefreshPerSession => quota(120, SECOND),
        }
    }
}

/// What is left of a limit after it was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The limit.
    pub limit: Limit,
    /// How often the same may be done now.
    pub remaining: u32,
    /// How long until one more than `remaining` is allowed. Equals `refused_for` after a refusal.
    pub next_in: Duration,
    /// How long until one more is allowed, if the charge was refused.
    pub refused_for: Option<Duration>,
}

impl Limit {
    /// Charges one of a subject whose theoretical arrival time is `arrival`, and gives the new one; a refused charge leaves it as it is.
    #[must_use]
    pub fn charge(self, arrival: Option<Timestamp>, now: Timestamp) -> (Timestamp, Allowance) {
        let Quota { burst, every } = self.quota();
        let whole = every * burst;
        let arrival = arrival.unwrap_or(now).max(now);
        let charged = arrival.plus(every);
        let too_early = charged.since(now.plus(whole));
        let (arrival, refused_for) = match too_early {
            Duration::ZERO => (charged, None),
            wait => (arrival, Some(wait)),
        };
        (arrival, self.allowance(arrival, refused_for, now))
    }

    /// What is left at `now`, for a subject that has this arrival time after its charge.
    #[must_use]
    pub fn allowance(self, arrival: Timestamp, refused_for: Option<Duration>, now: Timestamp) -> Allowance {
        let Quota { burst, every } = self.quota();
        let (used, whole) = (arrival.since(now), every * burst);
        let remaining = millis(whole.saturating_sub(used)) / millis(every);
        let remaining = u32::try_from(remaining).unwrap_or_default();
        Allowance {
            limit: self,
            remaining,
            next_in: (used + every * (remaining + 1)).saturating_sub(whole),
            refused_for,
        }
    }
}

/// What one request has been charged, for the headers of its answer.
#[derive(Debug, Clone, Default)]
pub struct Charges(Arc<Mutex<Vec<Allowance>>>);

impl Charges {
    /// Takes note of a charge. Of several that are shown under one name, as when a request logs in twice, the last one counts.
    pub fn record(&self, allowance: Allowance) {
        let mut charges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        charges.retain(|charged| charged.limit.public_name() != allowance.limit.public_name());
        charges.push(allowance);
    }

    /// Everything that has been charged.
    #[must_use]
    pub fn all(&self) -> Vec<Allowance> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The network that a client's address stands for. With IPv6 one client has a whole /64 (RFC 6177 section 2) to choose addresses from.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + millis)
    }

    #[test]
    fn a_burst_is_allowed_and_then_one_at_a_time() {
        let limit = Limit::LoginPerAccount;
        let Quota { burst, every } = limit.quota();
        let mut arrival = None;
        for left in (0..burst).rev() {
            let (next, allowance) = limit.charge(arrival, at(0));
            assert_eq!((allowance.remaining, allowance.refused_for), (left, None));
            assert_eq!(allowance.next_in, every);
            arrival = Some(next);
        }
        let (unchanged, refused) = limit.charge(arrival, at(0));
        assert_eq!(Some(unchanged), arrival, "who is refused pays nothing");
        assert_eq!((refused.remaining, refused.refused_for), (0, Some(every)));
        assert_eq!(refused.next_in, every);

        let (_, refused) = limit.charge(arrival, at(millis(every) - 1));
        let wait = Duration::from_millis(1);
        assert_eq!((refused.refused_for, refused.next_in), (Some(wait), wait));
        let (arrival, allowance) = limit.charge(arrival, at(millis(every)));
        assert_eq!((allowance.remaining, allowance.refused_for), (0, None));
        let later = at(millis(every * (burst + 1)));
        assert_eq!(
            limit.charge(Some(arrival), later).1.remaining,
            burst - 1,
            "all of it is back"
        );
    }

    #[test]
    fn the_next_one_is_allowed_while_the_burst_is_coming_back() {
        let limit = Limit::LoginPerAccount;
        let every = limit.quota().every;
        let (arrival, _) = limit.charge(None, at(0));
        let (arrival, _) = limit.charge(Some(arrival), at(0));
        let later = at(millis(every) / 3);
        let allowance = limit.allowance(arrival, None, later);
        assert_eq!((allowance.remaining, allowance.next_in), (8, every * 2 / 3));
    }

    #[test]
    fn a_clock_that_goes_back_takes_nothing_away_for_long() {
        let limit = Limit::RefreshPerSession;
        let (arrival, _) = limit.charge(None, at(0));
        let (_, allowance) = limit.charge(Some(arrival), at(-1000));
        assert_eq!(allowance.refused_for, None);
    }

    #[test]
    fn the_names_are_different() {
        let mut names: Vec<_> = Limit::ALL.map(Limit::name).into();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Limit::ALL.len());
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("203.0.113.9"), "203.0.113.9");
        assert_eq!(network("::ffff:203.0.113.9"), "203.0.113.9");
    }
}
