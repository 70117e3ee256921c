//! Places: how many of something may be taken at the same time, in all and by one network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limit::network;

/// The places, of which clones are the same.
#[derive(Debug, Clone)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    in_all: usize,
    per_network: usize,
    taken: Mutex<Taken>,
}

/// Only networks that have a place are in here.
#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// A place that is taken, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    network: Option<IpAddr>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// All are taken.
    InAll,
    /// The network has as many as one may have.
    ForNetwork,
}

impl Places {
    /// So many in all, and for each network.
    #[must_use]
    pub fn new(in_all: usize, per_network: usize) -> Self {
        Self(Arc::new(Inner {
            in_all,
            per_network,
            taken: Mutex::default(),
        }))
    }

    /// Takes a place for a client at this address; without one it counts in all alone.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(&self, address: Option<IpAddr>) -> Result<Place, Full> {
        let network = address.map(network);
        let mut taken = self.taken();
        if taken.in_all >= self.0.in_all {
            return Err(Full::InAll);
        }
        if let Some(network) = network {
            let own = taken.by_network.entry(network).or_default();
            if *own >= self.0.per_network {
                return Err(Full::ForNetwork);
            }
            *own += 1;
        }
        taken.in_all += 1;
        Ok(Place {
            places: self.clone(),
            network,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
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
        let places = Places::new(3, 2);
        let take = |address: &str| places.take(Some(address.parse().unwrap()));
        let _first = take("2001:db8:1:2::1").unwrap();
        let second = take("2001:db8:1:2::2").unwrap();
        assert_eq!(take("2001:db8:1:2:3::").unwrap_err(), Full::ForNetwork);
        let _nobody = places.take(None).unwrap();
        assert_eq!(take("203.0.113.9").unwrap_err(), Full::InAll);
        drop(second);
        let _again = take("2001:db8:1:2:3::").unwrap();
    }

    #[test]
    fn nothing_is_remembered_of_who_has_left() {
        let places = Places::new(2, 1);
        drop(places.take(Some("203.0.113.9".parse().unwrap())).unwrap());
        assert!(places.taken().by_network.is_empty());
        assert_eq!(places.taken().in_all, 0);
    }
}
