//! Limits of a single node. They begin anew when it starts.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::{Allowance, Limit};
use crate::store::limits::Limits;

/// Most subjects that are remembered, about 20 MB. Beyond that those are forgotten that have used least.
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

/// Forgets who has everything back; if that is not enough, the half that has used least.
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
    async fn a_flood_of_subjects_is_bounded_and_does_not_free_the_worst() {
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
