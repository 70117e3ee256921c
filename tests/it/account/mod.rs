//! Registering, and the own account.

mod me;
mod register;
