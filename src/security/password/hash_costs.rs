//! The costs that password hashes have: the configured one, and older ones that accounts keep until their owner signs in.
//!
//! How long a refusal takes must not tell whether there is such an account, nor how old its hash is. A hash of another cost takes another
//! time, and no arithmetic on costs foretells it well enough. So every refusal makes one hash at each cost in use, whichever of them was
//! compared: the same work for all.

use std::sync::{PoisonError, RwLock};

use argon2::Params;
use password_hash::phc::PasswordHash as Phc;

use crate::config::Argon2Cost;
use crate::domain::password::PasswordHash;

/// Most costs that one refusal pays for: the configured one and the costliest others. Where there have been more, a refusal at one of the
/// cheapest takes longer by that cheap hash.
const MOST: usize = 4;

/// The costs in use, as far as they have been seen.
#[derive(Debug)]
pub(crate) struct HashCosts {
    configured: Argon2Cost,
    others: RwLock<Vec<Argon2Cost>>,
}

impl HashCosts {
    /// Only the configured cost, so far.
    pub(crate) fn new(configured: Argon2Cost) -> Self {
        Self {
            configured,
            others: RwLock::default(),
        }
    }

    /// The cost of new hashes.
    pub(crate) fn configured(&self) -> Argon2Cost {
        self.configured
    }

    /// Takes note of a cost that a stored hash has.
    pub(crate) fn note(&self, seen: Argon2Cost) {
        if seen == self.configured || self.known().contains(&seen) {
            return;
        }
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.retain(|other| *other != seen);
        others.push(seen);
        others.sort_by_key(|cost| std::cmp::Reverse(work(*cost)));
        others.truncate(MOST - 1);
    }

    /// All costs in use but this one.
    pub(crate) fn but(&self, paid: Argon2Cost) -> Vec<Argon2Cost> {
        let mut rest = self.known();
        rest.push(self.configured);
        rest.retain(|cost| *cost != paid);
        rest
    }

    fn known(&self) -> Vec<Argon2Cost> {
        self.others.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The cost of a stored hash; `None` if it is none of argon2.
pub(crate) fn cost_of(stored: &PasswordHash) -> Option<Argon2Cost> {
    let phc = Phc::new(&stored.0).ok()?;
    Params::try_from(&phc).ok().as_ref().map(cost)
}

/// The same, in the library's words.
pub(crate) fn cost(params: &Params) -> Argon2Cost {
    Argon2Cost {
        memory_kib: params.m_cost(),
        iterations: params.t_cost(),
        parallelism: params.p_cost(),
    }
}

/// The time of a hash goes, roughly, with its memory times its passes.
fn work(cost: Argon2Cost) -> u64 {
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
    fn whichever_cost_was_paid_the_rest_completes_the_same_whole() {
        let costs = HashCosts::new(of(1024));
        assert!(costs.but(of(1024)).is_empty());
        for seen in [4096, 256, 1024, 4096] {
            costs.note(of(seen));
        }
        for paid in [256, 1024, 4096] {
            let mut whole = costs.but(of(paid));
            whole.push(of(paid));
            whole.sort_by_key(|cost| cost.memory_kib);
            assert_eq!(whole, [of(256), of(1024), of(4096)]);
        }
    }

    #[test]
    fn the_costliest_are_kept_and_the_configured_one_whatever_it_costs() {
        let costs = HashCosts::new(of(8));
        for seen in [16, 32, 64, 128, 24] {
            costs.note(of(seen));
        }
        assert_eq!(costs.but(of(16)), [of(128), of(64), of(32), of(8)]);
    }
}
