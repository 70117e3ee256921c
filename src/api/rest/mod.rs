//! The REST API: `/auth/…`, snake case, problem documents, and an OpenAPI document.

mod account;
mod body;
mod credentials;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod openapi;
mod problems;
mod routes;
mod session;
mod sign_in;

pub use routes::openapi_text;
pub(crate) use routes::routes;
