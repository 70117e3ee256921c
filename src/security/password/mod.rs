//! Password hashing: argon2id on threads of its own.

mod hash_costs;
mod hashing_thread;
mod pool;
mod thread_priority;

pub use pool::{PasswordPool, PasswordVerification};
