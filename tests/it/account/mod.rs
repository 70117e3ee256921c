//! Registration, and the caller's own account.

mod me;
mod register;
