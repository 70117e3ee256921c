//! Counters of a single node. A restart resets them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::{Allowance, Limit};
use crate::store::limits::Limits;

/// The most subjects, about 20 MB. Beyond that, the subjects with the fewest charges are dropped.
const CAPACITY: usize = 200_000;

/// Counts in this process.
#[derive(Debug, Default)]
pub struct LimitsInProcess {
    arrivals: Mutex<HashMap<(Limit, Box<str>), Timestamp>>,
}

impl LimitsInProcess {
    fn lock(&self) -> MutexGuard<'_, HashMap<(Limit, Box<str>), Timestamp>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Limits for LimitsInProcess {
    async fn charge(&self, limit: Limit, subject: &str, now: Timestamp) -> Result<Allowance> {
        let key = (limit, subject.into());
        let mut arrivals = self.lock();
        if arrivals.len() >= CAPACITY && !arrivals.contains_key(&key) {
            make_room(&mut arrivals, now);
        }
        let (arrival, allowance) = limit.charge(arrivals.get(&key).copied(), now);
        arrivals.insert(key, arrival);
        Ok(allowance)
    }

    async fn forgive(&self, limit: Limit, subject: &str) -> Result<()> {
        self.lock().remove(&(limit, subject.into()));
        Ok(())
    }
}

/// Drops the subjects whose whole burst is allowed again. If that is not enough, drops the half
/// with the fewest charges.
fn make_room(arrivals: &mut HashMap<(Limit, Box<str>), Timestamp>, now: Timestamp) {
    arrivals.retain(|_, arrival| *arrival > now);
    if arrivals.len() < CAPACITY / 2 {
        return;
    }
    let mut times: Vec<Timestamp> = arrivals.values().copied().collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    arrivals.retain(|_, arrival| *arrival > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_of_subjects_is_bounded_and_keeps_the_most_charged_one() {
        let limits = LimitsInProcess::default();
        let now = Timestamp::from_millis(1_800_000_000_000);
        let limit = Limit::LoginPerAccount;
        for _ in 0..limit.quota().burst {
            assert_eq!(limits.charge(limit, "worst", now).await.unwrap().refused_for, None);
        }
        for number in 0..=CAPACITY {
            limits.charge(limit, &number.to_string(), now).await.unwrap();
        }
        assert!(limits.lock().len() <= CAPACITY);
        assert!(limits.charge(limit, "worst", now).await.unwrap().refused_for.is_some());
    }
}
