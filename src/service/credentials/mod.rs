//! What an account signs in with.

pub(crate) mod change_password;
