//! What is remembered, in no more bytes than are set aside for it: what is used least makes room.
//!
//! Owns the bound and the counting. What is in here may be gone at any time, and whoever remembers something says why it may be believed.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

/// What the memory itself takes for one entry, in bytes: its place, its key, and room that is kept for others.
const PLACE: usize = 256;

/// What knows how much memory it takes.
pub(crate) trait CacheWeight {
    /// What one of ordinary size takes, in bytes. What is set up at first follows from it, and no bound.
    const ORDINARY: usize;

    /// What this one takes, in bytes, with its texts and those of its key.
    fn bytes(&self) -> usize;
}

/// Remembers values by their keys.
pub(crate) struct BoundedCache<K, V>(Cache<K, V, Scale>);

/// Weighs entries in bytes.
#[derive(Clone)]
struct Scale;

impl<K, V: CacheWeight> Weighter<K, V> for Scale {
    fn weight(&self, _key: &K, value: &V) -> u64 {
        (value.bytes() + PLACE) as u64
    }
}

impl<V: CacheWeight> CacheWeight for Arc<V> {
    const ORDINARY: usize = V::ORDINARY;

    fn bytes(&self) -> usize {
        self.as_ref().bytes()
    }
}

impl<K: Hash + Eq, V: CacheWeight + Clone> BoundedCache<K, V> {
    /// An empty one that never takes more than so many bytes.
    pub(crate) fn of(most: usize) -> Self {
        Self(Cache::with_weighter(most / (V::ORDINARY + PLACE), most as u64, Scale))
    }

    /// What is remembered under this key.
    pub(crate) fn find<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<V> {
        self.0.get(key)
    }

    /// Remembers a value; one that would push out all others is not taken.
    pub(crate) fn remember(&self, key: K, value: V) {
        self.0.insert(key, value);
    }
}

#[cfg(test)]
impl<K: Hash + Eq, V: CacheWeight + Clone> BoundedCache<K, V> {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weight()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// What is remembered is nobody's business in a log.
impl<K, V> fmt::Debug for BoundedCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[memory]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl CacheWeight for String {
        const ORDINARY: usize = 100;

        fn bytes(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn it_is_bounded_whatever_the_size_and_what_is_used_stays() {
        const MOST: usize = 1 << 20;
        for (length, count) in [(0, 20_000), (100, 20_000), (20_000, 500)] {
            let memory = BoundedCache::of(MOST);
            memory.remember(0, "used".to_owned());
            for key in 1..count {
                assert!(memory.find(&0).is_some(), "after {key} others of {length}");
                memory.remember(key, "x".repeat(length));
            }
            assert!(memory.bytes() <= MOST as u64);
            assert!(
                memory.count() > MOST / (length + PLACE) / 2,
                "it hardly remembers anything"
            );
        }
    }

    #[test]
    fn one_that_would_push_out_all_others_is_not_taken() {
        let memory = BoundedCache::of(1 << 20);
        memory.remember(0, "small".to_owned());
        memory.remember(1, "x".repeat(1 << 20));
        assert!(memory.find(&0).is_some());
        assert!(memory.find(&1).is_none());
    }
}
