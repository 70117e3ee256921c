//! Accounts, sessions, tokens and errors as plain values.
//!
//! There is no I/O and no async here, and nothing about HTTP, SQL or Redis. Input is parsed into
//! these types once, at the edge; all other code can rely on them.

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
pub mod encryption;
pub mod error;
pub mod key_publication;
pub mod message_authenticator;
pub mod one_time_token;
pub mod outbox;
pub mod password;
pub mod rate_limit;
pub mod refresh_token;
pub mod secret;
pub mod session;
pub mod signing_key;
pub mod stored_events;
pub mod username;

pub use error::{Error, Result};
