//! The keys that sign access tokens.

pub(crate) mod discovery;
pub(crate) mod rotate;
