//! The life of an account.

mod me;
pub(crate) mod register;
