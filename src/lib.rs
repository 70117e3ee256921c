//! auth-gateway: a server that handles sign-in for an application.
//!
//! The modules in reading order. None uses a module below it, and a test checks this:
//!
//! - `domain`: accounts, sessions, tokens and errors as plain values
//! - `config`: the settings
//! - `security`: password hashes, tokens and keys
//! - `store`: the database and Redis
//! - `service`: the use cases
//! - `api`: REST and GraphQL
//! - `server`: the listener
//! - `app`: builds the gateway from all of them
//!
//! `bounded_cache`, `log_span` and `threads` use none of them. `telemetry` sets up logs and
//! metrics.

pub mod api;
pub mod app;
mod bounded_cache;
pub mod config;
pub mod domain;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod log_span;
pub mod security;
pub mod server;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod threads;
