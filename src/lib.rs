//! auth-gateway: one server that owns sign-in for an application.
//!
//! The modules in reading order: what things are (`domain`), how the gateway is set up (`config`), how secrets are
//! protected (`security`), where state lives (`store`), what the product does (`service`), the two doors (`api`), the listener
//! before them (`server`), and the place where all of it is wired together (`app`). An arrow that points the other way fails a test.
//! `log_scope`, `memory` and `threads` know none of them.

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
