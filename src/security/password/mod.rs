//! Password hashing with argon2id, on dedicated threads.

mod argon2_memory;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hash_costs;
mod hashing_thread;
mod pool;
mod thread_priority;

pub use pool::{PasswordPool, PasswordVerification};
