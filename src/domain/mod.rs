//! What things are: accounts, sessions, tokens and errors as plain values.
//!
//! No I/O and no async here, and no word of HTTP, SQL or Redis. Text from outside is parsed into these types
//! once, at the edge; everything further in may rely on them.

pub mod account;
pub mod audit;
pub mod caller;
pub mod clock;
mod common_passwords;
pub mod context_words;
pub mod document;
pub mod email;
pub mod error;
pub mod key_lead;
pub mod limit;
pub mod password;
pub mod places;
pub mod refresh_token;
pub mod seal;
pub mod secret;
pub mod session;
pub mod signing_key;
pub mod username;

pub use error::{Error, Result};
