//! The mixed load: clients who register, log in, renew, look and log out, each with a ledger of its own.

mod check;
mod crowd;
mod deeds;
mod person;

pub use crowd::{Crowd, Depth};
pub use person::Habits;

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
