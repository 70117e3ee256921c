//! What things are: accounts, sessions, tokens and errors as plain values.
//!
//! No I/O and no async here, and no word of HTTP, SQL or Redis. Text from outside is parsed into these types
//! once, at the edge; everything further in may rely on them.

pub mod account;
pub mod audit;
pub mod challenge;
pub mod client;
pub mod clock;
mod common_passwords;
pub mod connection_limit;
pub mod context_words;
pub mod credential;
pub mod document_limits;
pub mod email;
pub mod error;
pub mod key_publication;
pub mod message_authenticator;
pub mod password;
pub mod rate_limit;
pub mod refresh_token;
pub mod secret;
pub mod session;
pub mod signing_key;
pub mod stored_events;
pub mod username;

pub use error::{Error, Result};
