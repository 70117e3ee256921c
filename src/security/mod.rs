//! How secrets are protected: password hashes, refresh tokens, access tokens and the keys that sign them.
//!
//! Nothing here does I/O or knows where anything is stored.

mod access_tokens;
mod compact;
mod derived_key;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hash_costs;
mod hashing_thread;
mod key_pair;
mod low_s;
mod password_pool;
mod priority;
mod profile_seal;
mod pseudonyms;
mod refresh_tokens;
mod signing_keys;
mod tag;
mod verified_tokens;

pub use access_tokens::{AccessTokens, TokenRules, Verification};
pub use password_pool::{PasswordPool, Verdict};
pub use profile_seal::ProfileSeal;
pub use pseudonyms::Pseudonyms;
pub use refresh_tokens::RefreshTokens;
pub use signing_keys::{FreshKey, KeyRing, KeyVault};
