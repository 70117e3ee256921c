//! Rate limits: how often something may be attempted. A person does not reach one; a script does at
//! once.
//!
//! Each limit counts by the generic cell rate algorithm (ITU-T I.371, annex A, "virtual
//! scheduling"). It needs one point in time for each subject. It has no window whose edge lets
//! twice as much through.
//!
//! A new limit gets a variant in [`Limit`] and a row in [`LIMITS`], at the same place.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::clock::{Timestamp, millis};

/// In seconds.
const DAY: u64 = 24 * 60 * 60;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Registrations from one network.
    RegisterPerAddress,
    /// Logins from one network, to any account.
    LoginPerAddress,
    /// Logins to one account from networks where it has never signed in.
    LoginPerAccount,
    /// Logins to one account from one network where it has signed in. Clients elsewhere cannot use
    /// these up.
    LoginFromKnownAddress,
    /// Failed logins to one account since the last success, from networks where it has never
    /// signed in.
    FailuresPerAccount,
    /// Failed logins to one account since the last success, from one network where it has signed
    /// in.
    FailuresFromKnownAddress,
    /// Renewals of one session.
    RefreshPerSession,
}

/// Everything there is to say about a limit.
#[derive(Debug)]
pub struct LimitRow {
    pub limit: Limit,
    /// The name in metrics, in the audit log and in Redis keys.
    pub name: &'static str,
    /// The name in the headers of an answer. It does not reveal whether the network is known: only
    /// an existing account has known networks, so a client that shares the owner's network could
    /// find out that the account exists.
    pub public_name: &'static str,
    pub quota: Quota,
}

/// How much of something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// So many at once.
    pub burst: u32,
    /// And one more each time this has passed.
    pub every: Duration,
}

/// One row for each limit, in the order of [`Limit`].
///
/// Failed logins: NIST SP 800-63B-4 section 3.2.2 allows 100 in a row for an account. An account
/// has two names, its e-mail and its username. Each has an allowance of its own, so that a limit
/// does not reveal which names belong together.
#[rustfmt::skip]
pub static LIMITS: [LimitRow; 7] = [
    row(Limit::RegisterPerAddress,       "register-address",       "register-address", 20, 30),
    row(Limit::LoginPerAddress,          "login-address",          "login-address",    60, 2),
    row(Limit::LoginPerAccount,          "login-account",          "login-account",    10, 15),
    row(Limit::LoginFromKnownAddress,    "login-known-address",    "login-account",    10, 15),
    row(Limit::FailuresPerAccount,       "failures-account",       "failures-account", 40, DAY),
    row(Limit::FailuresFromKnownAddress, "failures-known-address", "failures-account", 40, DAY),
    row(Limit::RefreshPerSession,        "refresh-session",        "refresh-session",  120, 1),
];

const fn row(limit: Limit, name: &'static str, public_name: &'static str, burst: u32, every_seconds: u64) -> LimitRow {
    LimitRow {
        limit,
        name,
        public_name,
        quota: Quota {
            burst,
            every: Duration::from_secs(every_seconds),
        },
    }
}

impl Limit {
    /// Its row in [`LIMITS`].
    #[must_use]
    pub fn row(self) -> &'static LimitRow {
        &LIMITS[self as usize]
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    #[must_use]
    pub fn public_name(self) -> &'static str {
        self.row().public_name
    }

    #[must_use]
    pub fn quota(self) -> Quota {
        self.row().quota
    }
}

/// What is left of a limit after a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub limit: Limit,
    /// How many more attempts are allowed now.
    pub remaining: u32,
    /// How long until one more than `remaining` is allowed. Equals `refused_for` after a refusal.
    pub next_in: Duration,
    /// How long until one more is allowed, if the charge was refused.
    pub refused_for: Option<Duration>,
}

impl Limit {
    /// Charges one attempt of a subject with this theoretical arrival time. Returns the new arrival
    /// time, which a refused charge leaves unchanged.
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

    /// What is left at `now` for a subject with this arrival time after its charge.
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

/// The charges of one request, for the headers of its answer.
#[derive(Debug, Clone, Default)]
pub struct Charges(Arc<Mutex<Vec<Allowance>>>);

impl Charges {
    /// Adds a charge. Of several with one public name, as when a request logs in twice, the last
    /// one counts.
    pub fn record(&self, allowance: Allowance) {
        let mut charges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        charges.retain(|charged| charged.limit.public_name() != allowance.limit.public_name());
        charges.push(allowance);
    }

    #[must_use]
    pub fn all(&self) -> Vec<Allowance> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The network that counts as one client. With IPv6, a client can choose any address of a /64 (RFC
/// 6177 section 2).
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
        assert_eq!(Some(unchanged), arrival, "a refused charge changes nothing");
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
            "the whole burst is allowed again"
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
    fn a_clock_that_is_set_back_refuses_nothing() {
        let limit = Limit::RefreshPerSession;
        let (arrival, _) = limit.charge(None, at(0));
        let (_, allowance) = limit.charge(Some(arrival), at(-1000));
        assert_eq!(allowance.refused_for, None);
    }

    #[test]
    fn every_row_is_at_the_place_of_its_limit_and_has_its_own_name() {
        for (place, row) in LIMITS.iter().enumerate() {
            assert_eq!(row.limit as usize, place, "{}", row.name);
            assert_eq!(LIMITS.iter().filter(|other| other.name == row.name).count(), 1);
        }
    }

    #[test]
    fn an_ipv6_client_is_counted_by_its_network() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("203.0.113.9"), "203.0.113.9");
        assert_eq!(network("::ffff:203.0.113.9"), "203.0.113.9");
    }
}
