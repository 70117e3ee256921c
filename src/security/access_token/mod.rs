//! Access tokens: JWTs in the profile of RFC 9068, issued and verified.

mod algorithm;
mod claims;
mod compact_form;
mod issue;
mod tokens;
mod verified_cache;
mod verify;

pub use claims::TokenRules;
pub use tokens::AccessTokens;
pub use verify::Verification;
