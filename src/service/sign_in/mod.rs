//! The ways to sign in.

mod outcome;
mod password;
mod policy;
mod service;

pub use outcome::CompleteSignIn;
pub(crate) use outcome::{ProvedAccount, SignInOutcome};
pub use password::LoginInput;
pub(crate) use password::{ATTEMPTS, credentials_keep_changing};
pub use policy::{OneProofSuffices, Proof, SignInPolicy};
pub use service::SignInService;
