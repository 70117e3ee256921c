//! The keys that sign access tokens.

mod discovery;
mod reload;
mod rotate;
mod service;

pub use discovery::Discovery;
pub(crate) use reload::KeyReading;
pub use rotate::KeyRotation;
pub use service::SigningKeyService;
