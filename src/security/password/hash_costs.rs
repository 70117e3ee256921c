//! The argon2 costs that stored password hashes have.
//!
//! An attacker must not learn from the time of a refused login whether an account exists, or how
//! old its hash is. Accounts keep the cost of their last sign-in, so several costs are in use after
//! `ARGON2_…` was changed. Every refused login therefore computes one hash at each known cost: the
//! same work, whichever cost the stored hash has.

use std::cmp::Reverse;
use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::Params;
use password_hash::phc::PasswordHash as Phc;

use crate::config::Argon2Cost;
use crate::domain::password::PasswordHash;

/// Most older costs that a refused login computes. Beyond it the cheapest are dropped: a refused
/// login at a dropped cost takes longer by that one cheap hash.
const MAX_OLDER_COSTS: usize = 3;

/// The configured cost, and the other costs that stored hashes have been seen with.
#[derive(Debug)]
pub(crate) struct HashCosts {
    configured: Argon2Cost,
    older: Mutex<Vec<Argon2Cost>>,
}

impl HashCosts {
    pub(crate) fn new(configured: Argon2Cost) -> Self {
        Self {
            configured,
            older: Mutex::default(),
        }
    }

    /// The cost of new hashes.
    pub(crate) fn configured(&self) -> Argon2Cost {
        self.configured
    }

    /// Records the cost of a stored hash.
    pub(crate) fn record(&self, cost: Argon2Cost) {
        let mut older = self.older();
        if cost == self.configured || older.contains(&cost) {
            return;
        }
        older.push(cost);
        older.sort_by_key(|cost| Reverse(estimated_work(*cost)));
        older.truncate(MAX_OLDER_COSTS);
    }

    /// All known costs except the one that was just computed.
    pub(crate) fn all_except(&self, computed: Argon2Cost) -> Vec<Argon2Cost> {
        let mut costs = self.older().clone();
        costs.push(self.configured);
        costs.retain(|cost| *cost != computed);
        costs
    }

    fn older(&self) -> MutexGuard<'_, Vec<Argon2Cost>> {
        self.older.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cost of a stored hash; `None` if it is not an argon2 hash.
pub(crate) fn cost_of(stored: &PasswordHash) -> Option<Argon2Cost> {
    let phc = Phc::new(&stored.0).ok()?;
    Params::try_from(&phc).ok().as_ref().map(cost)
}

/// Converts from the library's type.
pub(crate) fn cost(params: &Params) -> Argon2Cost {
    Argon2Cost {
        memory_kib: params.m_cost(),
        iterations: params.t_cost(),
        parallelism: params.p_cost(),
    }
}

/// The time of a hash is roughly proportional to its memory times its passes.
fn estimated_work(cost: Argon2Cost) -> u64 {
    u64::from(cost.memory_kib) * u64::from(cost.iterations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(memory_kib: u32) -> Argon2Cost {
        Argon2Cost {
            memory_kib,
            iterations: 2,
            parallelism: 1,
        }
    }

    #[test]
    fn a_refused_login_computes_the_same_costs_whichever_was_stored() {
        let costs = HashCosts::new(of(1024));
        assert!(costs.all_except(of(1024)).is_empty());
        for stored in [4096, 256, 1024, 4096] {
            costs.record(of(stored));
        }
        for stored in [256, 1024, 4096] {
            let mut all = costs.all_except(of(stored));
            all.push(of(stored));
            all.sort_by_key(|cost| cost.memory_kib);
            assert_eq!(all, [of(256), of(1024), of(4096)]);
        }
    }

    #[test]
    fn the_configured_cost_and_the_highest_others_are_kept() {
        let costs = HashCosts::new(of(8));
        for stored in [16, 32, 64, 128, 24] {
            costs.record(of(stored));
        }
        assert_eq!(costs.all_except(of(16)), [of(128), of(64), of(32), of(8)]);
    }
}
