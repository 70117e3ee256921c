//! The contract of one-time tokens, on every store.

mod codes;
mod encryption;
mod expiry;
mod fixture;
mod secrets;
mod subjects;
