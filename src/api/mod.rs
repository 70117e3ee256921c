//! The two APIs, GraphQL and REST, over one service, and the few routes that belong to neither.
//!
//! An API reads a request, calls one method of the service and writes the response. Rules belong
//! into the service or the domain.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod graphiql;
mod graphql;
mod health;
mod http;
mod metrics;
mod options;
mod rest;
mod router;
mod state;
mod well_known;

pub use graphql::schema_text;
pub use http::body::BodyRules;
pub use http::forwarded::Proxies;
pub use metrics::admin_routes;
pub use options::{ApiOptions, BrowserOptions};
pub use rest::openapi_text;
pub use router::Api;
