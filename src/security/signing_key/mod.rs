//! The keys that sign access tokens: generated, encrypted for storage, and opened.

pub(crate) mod key_pair;
pub(crate) mod key_ring;

pub use key_ring::{FreshKey, KeyRing, KeyVault};
