//! The two doors, GraphQL and REST, side by side over one service, and the few routes that belong to neither.
//!
//! A door reads a request, calls one method of the service and writes the answer; it holds no rule.

mod answer;
mod caller;
mod forwarded;
mod graphiql;
mod graphql;
mod health;
mod metrics;
mod request;
mod rest;
mod well_known;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;

use crate::service::Service;

pub use forwarded::Proxies;
pub use graphql::schema_text;
pub use metrics::admin_routes;
pub use rest::openapi_text;

/// Largest body that is read, in bytes, at both doors.
pub const BODY_LIMIT: usize = 256 * 1024;

/// What the doors need besides the service.
#[derive(Debug, Clone)]
pub struct DoorOptions {
    /// Whose word on a client's address is believed.
    pub proxies: Proxies,
    /// Origins whose pages may call the gateway.
    pub cors_origins: Vec<String>,
    /// Whether GraphiQL is served.
    pub is_graphiql_on: bool,
    /// Whether the GraphQL schema can be asked for.
    pub is_introspection_on: bool,
}

/// What every handler can reach.
#[derive(Clone)]
struct Shared {
    service: Arc<Service>,
    proxies: Arc<Proxies>,
}

/// The address that a connection came from, as the listener saw it.
pub type Peer = axum::extract::ConnectInfo<SocketAddr>;

/// All routes of the public listener.
pub fn routes(service: Arc<Service>, options: &DoorOptions) -> Router {
    let shared = Shared {
        service,
        proxies: Arc::new(options.proxies.clone()),
    };
    Router::new()
        .merge(graphql::routes(&shared, options))
        .merge(rest::routes())
        .merge(well_known::routes())
        .merge(health::routes())
        .with_state(shared)
        .fallback(rest::not_found)
        .method_not_allowed_fallback(rest::method_not_allowed)
        .layer(CatchPanicLayer::custom(rest::panicked))
        .layer(cors(&options.cors_origins))
        .layer(middleware::from_fn(request::scope))
}

/// Exact origins, credentials allowed (Fetch standard, "CORS protocol"): a wildcard and credentials exclude each other.
fn cors(origins: &[String]) -> CorsLayer {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("x-request-id"),
        ])
        .expose_headers(
            [header::RETRY_AFTER]
                .into_iter()
                .chain(["x-request-id", "ratelimit", "ratelimit-policy"].map(HeaderName::from_static))
                .collect::<Vec<_>>(),
        )
}
