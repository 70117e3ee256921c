//! The mixed load: clients who register, log in, renew, look and log out, each with a ledger of its own.

mod check;
mod operations;
mod user;
mod user_pool;

pub use user::UserOptions;
pub use user_pool::{CheckDepth, UserPool};

/// What the clients do, as it is counted.
pub const OPERATIONS: [&str; 7] = [
    "register",
    "login",
    "refresh",
    "me",
    "logout",
    "sessions",
    "end session",
];
