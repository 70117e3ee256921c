//! A cache that never takes more than a given number of bytes: the least used entries are evicted.
//!
//! Any entry may be gone at any time. The code that inserts a value is responsible for its being
//! still right when it is read.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

/// What the cache itself takes for one entry, in bytes: slot, key, and unused slots.
const ENTRY_OVERHEAD: usize = 256;

/// A value that knows how much memory it takes.
pub(crate) trait CacheWeight {
    /// The size of a typical value, in bytes. It only determines the initial capacity.
    const TYPICAL_BYTES: usize;

    /// The size of this value, in bytes, including its texts and those of its key.
    fn bytes(&self) -> usize;
}

pub(crate) struct BoundedCache<K, V>(Cache<K, V, ByteWeight>);

#[derive(Clone)]
struct ByteWeight;

impl<K, V: CacheWeight> Weighter<K, V> for ByteWeight {
    fn weight(&self, _key: &K, value: &V) -> u64 {
        (value.bytes() + ENTRY_OVERHEAD) as u64
    }
}

impl<V: CacheWeight> CacheWeight for Arc<V> {
    const TYPICAL_BYTES: usize = V::TYPICAL_BYTES;

    fn bytes(&self) -> usize {
        self.as_ref().bytes()
    }
}

impl<K: Hash + Eq, V: CacheWeight + Clone> BoundedCache<K, V> {
    /// An empty cache of at most this many bytes.
    pub(crate) fn with_capacity(max_bytes: usize) -> Self {
        Self(Cache::with_weighter(
            max_bytes / (V::TYPICAL_BYTES + ENTRY_OVERHEAD),
            max_bytes as u64,
            ByteWeight,
        ))
    }

    pub(crate) fn find<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<V> {
        self.0.get(key)
    }

    /// Inserts a value. A value that would evict all others is not inserted.
    pub(crate) fn insert(&self, key: K, value: V) {
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

/// Cached values do not belong in a log.
impl<K, V> fmt::Debug for BoundedCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[cache]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl CacheWeight for String {
        const TYPICAL_BYTES: usize = 100;

        fn bytes(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_used_entries() {
        const CAPACITY: usize = 1 << 20;
        for (length, count) in [(0, 20_000), (100, 20_000), (20_000, 500)] {
            let cache = BoundedCache::with_capacity(CAPACITY);
            cache.insert(0, "used".to_owned());
            for key in 1..count {
                assert!(cache.find(&0).is_some(), "after {key} others of {length}");
                cache.insert(key, "x".repeat(length));
            }
            assert!(cache.bytes() <= CAPACITY as u64);
            assert!(
                cache.count() > CAPACITY / (length + ENTRY_OVERHEAD) / 2,
                "it holds hardly anything"
            );
        }
    }

    #[test]
    fn a_value_that_would_evict_all_others_is_not_inserted() {
        let cache = BoundedCache::with_capacity(1 << 20);
        cache.insert(0, "small".to_owned());
        cache.insert(1, "x".repeat(1 << 20));
        assert!(cache.find(&0).is_some());
        assert!(cache.find(&1).is_none());
    }
}
