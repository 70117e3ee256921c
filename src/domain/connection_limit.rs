//! Connection limits: how many connections may be open, in total and from one network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::rate_limit::network;

/// A limit. Clones share their counters.
#[derive(Debug, Clone)]
pub struct ConnectionLimit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: usize,
    per_network: usize,
    open: Mutex<Open>,
}

/// The open connections. Networks without any have no entry, so the map stays small.
#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// Permission for one connection. Dropping it frees the permit.
#[derive(Debug)]
pub struct Permit {
    limit: ConnectionLimit,
    network: Option<IpAddr>,
}

/// The limit that refuses a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitReached {
    /// The total limit.
    Total,
    /// The limit of one network.
    Network,
}

impl ConnectionLimit {
    #[must_use]
    pub fn new(total: usize, per_network: usize) -> Self {
        Self(Arc::new(Inner {
            total,
            per_network,
            open: Mutex::default(),
        }))
    }

    /// Takes a permit for a client at this address. Without an address only the total limit
    /// applies.
    ///
    /// # Errors
    /// When a limit is reached.
    pub fn acquire(&self, address: Option<IpAddr>) -> Result<Permit, LimitReached> {
        let network = address.map(network);
        let mut open = self.open();
        if open.total >= self.0.total {
            return Err(LimitReached::Total);
        }
        if let Some(network) = network {
            let count = open.by_network.entry(network).or_default();
            if *count >= self.0.per_network {
                return Err(LimitReached::Network);
            }
            *count += 1;
        }
        open.total += 1;
        Ok(Permit {
            limit: self.clone(),
            network,
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.limit.open();
        open.total -= 1;
        let Some(network) = self.network else { return };
        let left = open.by_network.get(&network).map_or(0, |count| count - 1);
        if left == 0 {
            open.by_network.remove(&network);
        } else {
            open.by_network.insert(network, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_a_network_and_in_total_hold() {
        let limit = ConnectionLimit::new(3, 2);
        let take = |address: &str| limit.acquire(Some(address.parse().unwrap()));
        let _first = take("2001:db8:1:2::1").unwrap();
        let second = take("2001:db8:1:2::2").unwrap();
        assert_eq!(take("2001:db8:1:2:3::").unwrap_err(), LimitReached::Network);
        let _without_address = limit.acquire(None).unwrap();
        assert_eq!(take("203.0.113.9").unwrap_err(), LimitReached::Total);
        drop(second);
        let _again = take("2001:db8:1:2:3::").unwrap();
    }

    #[test]
    fn a_network_without_connections_has_no_entry() {
        let limit = ConnectionLimit::new(2, 1);
        drop(limit.acquire(Some("203.0.113.9".parse().unwrap())).unwrap());
        assert!(limit.open().by_network.is_empty());
        assert_eq!(limit.open().total, 0);
    }
}
