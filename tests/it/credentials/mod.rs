//! What an account signs in with.

mod change_password;
