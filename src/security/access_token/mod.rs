//! Access tokens: JWTs in the profile of RFC 9068, issued and verified.

pub(crate) mod compact_form;
pub(crate) mod jwt;
mod verified_cache;

pub use jwt::{AccessTokens, TokenRules, Verification};
