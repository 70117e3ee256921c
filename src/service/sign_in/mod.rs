//! The ways to sign in.

pub(crate) mod password;
