//! The GraphQL API: one endpoint, camel case, errors with codes, and GraphiQL for browsers.
//!
//! Each subject has a file, with the types and the resolvers of its fields. A resolver calls one
//! method of the service. `schema` merges the subjects; the other files are the transport.

mod account;
mod context;
mod credentials;
mod date_time;
mod document;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod http;
mod routes;
mod schema;
mod session;
mod sign_in;
mod state;
mod websocket;

pub(crate) use routes::routes;
pub use schema::schema_text;
