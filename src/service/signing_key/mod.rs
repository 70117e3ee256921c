//! The keys that sign access tokens.

mod discovery;
mod reading;
mod reload;
mod rotate;
mod service;

pub use discovery::Discovery;
pub(crate) use reading::KeyReading;
pub use rotate::KeyRotation;
pub use service::SigningKeyService;
