//! Protection of secrets: password hashes, access tokens, refresh tokens and signing keys.
//!
//! Nothing here does I/O or knows where data is stored.

pub(crate) mod access_token;
mod derived_key;
mod encryption;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hmac_tag;
mod keyed_hash;
mod one_time_token;
pub(crate) mod password;
mod profile_authenticator;
mod refresh_token;
pub(crate) mod signing_key;

pub use access_token::{AccessTokens, TokenRules, Verification};
pub use encryption::PayloadEncryption;
pub use keyed_hash::KeyedHash;
pub use one_time_token::OneTimeTokens;
pub use password::{PasswordPool, PasswordVerification};
pub use profile_authenticator::ProfileAuthenticator;
pub use refresh_token::RefreshTokens;
pub use signing_key::{FreshKey, KeyRing, KeyVault};
