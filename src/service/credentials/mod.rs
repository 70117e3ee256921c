//! What an account signs in with.

mod change_password;
mod service;

pub use change_password::ChangePasswordInput;
pub use service::CredentialsService;
