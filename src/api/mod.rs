//! The two doors, GraphQL and REST, side by side over one service, and the few routes that belong to neither.
//!
//! A door reads a request, calls one method of the service and writes the answer; it holds no rule.

mod answer;
mod caller;
mod cookie;
mod forwarded;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod graphiql;
mod graphql;
mod headers;
mod health;
mod metrics;
mod origins;
mod request;
mod rest;
mod well_known;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use tower::{Layer, ServiceExt};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;

use crate::domain::document::DocumentLimits;
use crate::domain::places::Places;
use crate::service::Service;
use cookie::CookieRules;
use headers::Transport;

pub use forwarded::Proxies;
pub use graphql::schema_text;
pub use metrics::admin_routes;
pub use request::BodyRules;
pub use rest::openapi_text;

/// What the doors need besides the service.
#[derive(Debug, Clone)]
pub struct DoorOptions {
    /// Whose word on a client's address is believed.
    pub proxies: Proxies,
    /// What browsers may do.
    pub browsers: BrowserOptions,
    /// Whether GraphiQL is served.
    pub is_graphiql_on: bool,
    /// Whether the GraphQL schema can be asked for.
    pub is_introspection_on: bool,
    /// How large a GraphQL document may be.
    pub document_limits: DocumentLimits,
    /// How bodies are read, at both doors.
    pub bodies: BodyRules,
    /// How long an answer may take.
    pub answer_patience: Duration,
    /// The places for WebSockets.
    pub socket_places: Places,
    /// How long a WebSocket stays without a subscription.
    pub socket_idle_timeout: Duration,
}

/// What browsers may do.
#[derive(Debug, Clone)]
pub struct BrowserOptions {
    /// Address under which clients reach the gateway.
    pub public_url: String,
    /// Origins whose pages may call the gateway.
    pub cors_origins: Vec<String>,
    /// Lifetime of a refresh token that is not used, and of its cookie.
    pub refresh_token_ttl: Duration,
}

impl BrowserOptions {
    fn is_https(&self) -> bool {
        self.public_url.starts_with("https:")
    }
}

/// What every handler can reach.
#[derive(Clone)]
struct Shared {
    service: Arc<Service>,
    proxies: Arc<Proxies>,
    cookie_rules: Arc<CookieRules>,
    bodies: BodyRules,
}

/// The address that a connection came from, as the listener saw it.
pub type Peer = axum::extract::ConnectInfo<SocketAddr>;

/// All routes of the public listener.
pub fn routes(service: Arc<Service>, options: &DoorOptions) -> Router {
    let shared = Shared {
        service,
        proxies: Arc::new(options.proxies.clone()),
        cookie_rules: Arc::new(CookieRules::new(&options.browsers)),
        bodies: options.bodies,
    };
    let transport = Transport {
        is_https: options.browsers.is_https(),
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
        .layer(middleware::from_fn_with_state(
            options.answer_patience,
            request::end_in_time,
        ))
        .layer(middleware::from_fn_with_state(
            cors(&options.browsers.cors_origins),
            share,
        ))
        .layer(middleware::from_fn(request::scope))
        .layer(middleware::map_response_with_state(transport, headers::complete))
}

/// Answers with the headers of CORS, and answers preflights: those of unknown routes too, or a page would learn of a CORS error in place
/// of the 404 that it can read. An `OPTIONS` that is no preflight (Fetch standard, "CORS-preflight request") is a request like any other.
async fn share(State(cors): State<CorsLayer>, request: Request, next: Next) -> Response {
    let is_preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() == Method::OPTIONS && !is_preflight {
        return next.run(request).await;
    }
    let Ok(response) = cors.layer(next).oneshot(request).await;
    response
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
