//! The mixed load: simulated users who register, log in, refresh, read and log out. Each knows the
//! expected state of its accounts.

mod check;
mod operations;
mod user;
mod user_pool;

pub use user::UserOptions;
pub use user_pool::{CheckDepth, UserPool};

/// The operations of the users, as they are counted.
pub const OPERATIONS: [&str; 7] = [
    "register",
    "login",
    "refresh",
    "me",
    "logout",
    "sessions",
    "end session",
];
