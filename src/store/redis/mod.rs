//! Redis: one server, or a cluster.

pub(crate) mod client;
mod connection;

pub use client::Redis;
