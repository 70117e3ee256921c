//! Lets pages of other origins read responses (Fetch standard, "CORS protocol").

use std::convert::Infallible;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use futures_util::FutureExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;

/// Every response depends on the origin. Otherwise a cache could give a page the response without
/// CORS headers, or the other way round.
const VARY: HeaderValue = HeaderValue::from_static("origin");

/// The allowed origins, and which headers they may send and read.
pub(crate) struct Cors(CorsLayer);

impl Cors {
    /// Exact origins only: credentials are allowed, and a wildcard does not go with credentials.
    pub(crate) fn new(origins: &[String]) -> Self {
        let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
        let exposed = ["x-request-id", "ratelimit", "ratelimit-policy"].map(HeaderName::from_static);
        let layer = CorsLayer::new()
            .allow_origin(origins)
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                HeaderName::from_static("x-request-id"),
            ])
            .expose_headers([header::RETRY_AFTER].into_iter().chain(exposed).collect::<Vec<_>>());
        Self(layer)
    }

    /// Adds the CORS headers to a response, and answers preflights.
    ///
    /// A preflight of an unknown route is answered too. Otherwise the page would get a CORS error
    /// in place of a 404 that it can read. An `OPTIONS` request without
    /// `Access-Control-Request-Method` is not a preflight ("CORS-preflight request"), and goes to
    /// its route.
    pub(crate) async fn answer<F>(&self, request: Request, next: impl Fn(Request) -> F) -> Response
    where
        F: Future<Output = Response>,
    {
        let is_preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if request.method() == Method::OPTIONS {
            if !is_preflight {
                return next(request).await;
            }
        } else if !request.headers().contains_key(header::ORIGIN) {
            // Not from another origin, as most requests. The layer would cost them a rebuilt
            // request.
            let mut response = next(request).await;
            response.headers_mut().append(header::VARY, VARY);
            return response;
        }
        let next = service_fn(|request| next(request).map(Ok::<_, Infallible>));
        // Boxed, because few requests come here, and the others should not pay for its size.
        let Ok(response) = Box::pin(self.0.layer(next).oneshot(request)).await;
        response
    }
}
