//! Wires the concrete parts together. This is the only place that does so, and it holds no rule.
//!
//! A new subject gets its struct in `service/`, and its collaborators in `services.rs`.

mod assemble;
mod listen;
mod options;
mod services;
#[cfg(test)]
mod sign_in_policy_tests;
mod start_error;
mod stores;

pub use assemble::App;
pub use listen::{listen, serve_metrics};
pub use services::{key_rotation, session_ender};
pub use start_error::StartError;
pub use stores::{check_migrations, connect};
