//! Credentials of an account.

mod change_password;
