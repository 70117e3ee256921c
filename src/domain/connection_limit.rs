//! Connection limits: how many connections may be open at the same time, in total and for one network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::rate_limit::network;

/// The limit, of which clones are the same.
#[derive(Debug, Clone)]
pub struct ConnectionLimit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    in_all: usize,
    per_network: usize,
    taken: Mutex<Taken>,
}

/// Only networks that have a permit are in here.
#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// A permit that is taken, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    limit: ConnectionLimit,
    network: Option<IpAddr>,
}

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitReached {
    /// All are taken.
    Total,
    /// The network has as many as one may have.
    Network,
}

impl ConnectionLimit {
    /// So many in all, and for each network.
    #[must_use]
    pub fn new(in_all: usize, per_network: usize) -> Self {
        Self(Arc::new(Inner {
            in_all,
            per_network,
            taken: Mutex::default(),
        }))
    }

    /// Takes a permit for a client at this address; without one it counts in all alone.
    ///
    /// # Errors
    /// When there is none.
    pub fn acquire(&self, address: Option<IpAddr>) -> Result<Permit, LimitReached> {
        let network = address.map(network);
        let mut taken = self.taken();
        if taken.in_all >= self.0.in_all {
            return Err(LimitReached::Total);
        }
        if let Some(network) = network {
            let own = taken.by_network.entry(network).or_default();
            if *own >= self.0.per_network {
                return Err(LimitReached::Network);
            }
            *own += 1;
        }
        taken.in_all += 1;
        Ok(Permit {
            limit: self.clone(),
            network,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.limit.taken();
        taken.in_all -= 1;
        let Some(network) = self.network else { return };
        let left = taken.by_network.get(&network).map_or(0, |own| own - 1);
        if left == 0 {
            taken.by_network.remove(&network);
        } else {
            taken.by_network.insert(network, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_share_and_all_have_the_whole() {
        let limit = ConnectionLimit::new(3, 2);
        let take = |address: &str| limit.acquire(Some(address.parse().unwrap()));
        let _first = take("2001:db8:1:2::1").unwrap();
        let second = take("2001:db8:1:2::2").unwrap();
        assert_eq!(take("2001:db8:1:2:3::").unwrap_err(), LimitReached::Network);
        let _nobody = limit.acquire(None).unwrap();
        assert_eq!(take("203.0.113.9").unwrap_err(), LimitReached::Total);
        drop(second);
        let _again = take("2001:db8:1:2:3::").unwrap();
    }

    #[test]
    fn nothing_is_remembered_of_who_has_left() {
        let limit = ConnectionLimit::new(2, 1);
        drop(limit.acquire(Some("203.0.113.9".parse().unwrap())).unwrap());
        assert!(limit.taken().by_network.is_empty());
        assert_eq!(limit.taken().in_all, 0);
    }
}
