//! The listener: accepts connections, limits how many there are, and ends those that are too slow.
//!
//! It owns the sockets, their limit and their timeouts. It does not know what is served: it only
//! sees when a request begins and ends.

mod acceptor;
mod connection;
mod connection_activity;
mod descriptors;
mod request_handler;
mod socket;

pub use acceptor::{ConnectionOptions, serve};
pub use connection_activity::Timeouts;
pub use descriptors::raise_descriptor_limit;
pub use request_handler::RequestHandler;
