//! The two doors, GraphQL and REST, side by side over one service, and the few routes that belong to neither.
//!
//! A door reads a request, calls one method of the service and writes the answer; it holds no rule.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod graphiql;
mod graphql;
mod health;
mod http;
mod metrics;
mod rest;
mod well_known;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tower::Service as _;

use crate::domain::connection_limit::ConnectionLimit;
use crate::domain::document_limits::DocumentLimits;
use crate::service::Service;
use http::cookie::CookieRules;
use http::cors::Cors;
use http::security_headers::Transport;
use http::{request, security_headers};

pub use graphql::schema_text;
pub use http::forwarded::Proxies;
pub use http::request::BodyRules;
pub use metrics::admin_routes;
pub use rest::openapi_text;

/// What the doors need besides the service.
#[derive(Debug, Clone)]
pub struct ApiOptions {
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
    pub answer_timeout: Duration,
    /// The limit for WebSockets.
    pub websocket_limit: ConnectionLimit,
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

/// All that the public listener serves: the routes, and what stands around every one of them.
#[derive(Clone)]
pub struct Api {
    routes: Router,
    middleware: Arc<Middleware>,
}

struct Middleware {
    cors: Cors,
    transport: Transport,
    answer_timeout: Duration,
}

impl Api {
    /// Both doors over this service.
    #[must_use]
    pub fn new(service: Arc<Service>, options: &ApiOptions) -> Self {
        let shared = Shared {
            service,
            proxies: Arc::new(options.proxies.clone()),
            cookie_rules: Arc::new(CookieRules::new(&options.browsers)),
            bodies: options.bodies,
        };
        let middleware = Middleware {
            cors: Cors::new(&options.browsers.cors_origins),
            transport: Transport {
                is_https: options.browsers.is_https(),
            },
            answer_timeout: options.answer_timeout,
        };
        let routes = Router::new()
            .merge(graphql::routes(&shared, options))
            .merge(rest::routes())
            .merge(well_known::routes())
            .merge(health::routes())
            .fallback(rest::not_found)
            .method_not_allowed_fallback(rest::method_not_allowed)
            // Last: what it leaves without a state is made anew for each request.
            .with_state(shared);
        Self {
            routes,
            middleware: Arc::new(middleware),
        }
    }

    /// Answers a request.
    pub async fn answer(self, request: Request) -> Response {
        let Self { routes, middleware } = self;
        // Plain calls, one within the other: a layer for each would cost every request several allocations. Boxed, since what stands
        // around it would move its size about.
        let work = |asked| {
            let mut routes = routes.clone();
            let work = async move { routes.call(asked).await };
            Box::pin(request::end_in_time(
                middleware.answer_timeout,
                request::catch_panic(work),
            ))
        };
        let mut response = request::with_request_id(request, |request| middleware.cors.answer(request, work)).await;
        security_headers::complete(response.headers_mut(), middleware.transport);
        response
    }
}
