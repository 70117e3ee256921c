//! The life of an account.

mod me;
mod register;
mod service;

pub use register::RegisterInput;
pub use service::AccountService;
