//! The ways to sign in.

mod outcome;
mod password;
mod service;

pub use outcome::CompleteSignIn;
pub use password::LoginInput;
pub(crate) use password::{ATTEMPTS, credentials_keep_changing};
pub use service::SignInService;
