//! All routes of the public listener, and the middleware around each of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tower::Service as _;

use crate::api::http::cors::Cors;
use crate::api::http::security_headers::SecurityHeaders;
use crate::api::http::{fallback, middleware};
use crate::api::options::ApiOptions;
use crate::api::state::ApiState;
use crate::api::{graphql, health, rest, well_known};
use crate::service::Service;

/// Both APIs, as the public listener serves them.
#[derive(Clone)]
pub struct Api {
    routes: Router,
    middleware: Arc<Middleware>,
}

struct Middleware {
    cors: Cors,
    security_headers: SecurityHeaders,
    answer_timeout: Duration,
}

impl Api {
    #[must_use]
    pub fn new(service: Arc<Service>, options: &ApiOptions) -> Self {
        let state = ApiState::new(service, options);
        let middleware = Middleware {
            cors: Cors::new(&options.browsers.cors_origins),
            security_headers: SecurityHeaders::new(&options.browsers),
            answer_timeout: options.answer_timeout,
        };
        let routes = Router::new()
            .merge(graphql::routes(&state, options))
            .merge(rest::routes())
            .merge(well_known::routes())
            .merge(health::routes())
            .fallback(fallback::route_not_found)
            .method_not_allowed_fallback(fallback::method_not_allowed)
            // Last: axum builds routes without a state anew for each request.
            .with_state(state);
        Self {
            routes,
            middleware: Arc::new(middleware),
        }
    }

    /// Answers a request.
    pub async fn answer(self, request: Request) -> Response {
        let Self { routes, middleware } = self;
        // Nested calls, because a tower layer for each would cost every request several
        // allocations. Boxed, so that the futures around this one stay small.
        let handle = |request| {
            let mut routes = routes.clone();
            let response = async move { routes.call(request).await };
            Box::pin(middleware::with_timeout(
                middleware.answer_timeout,
                middleware::catch_panic(response),
            ))
        };
        let with_cors = |request| middleware.cors.answer(request, handle);
        let mut response = middleware::with_request_id(request, with_cors).await;
        middleware.security_headers.write(response.headers_mut());
        response
    }
}
