//! Which pages of other origins may read an answer (Fetch standard, "CORS protocol").

use std::convert::Infallible;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use futures_util::FutureExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;

/// What the headers of an answer depend on, whoever asks: a cache must not give a page what was meant for none, or the other way round.
const VARY: HeaderValue = HeaderValue::from_static("origin");

/// The origins that may, and what they may see.
pub(crate) struct Cors(CorsLayer);

impl Cors {
    /// Exact origins, credentials allowed: a wildcard and credentials exclude each other.
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

    /// Answers with the headers of CORS, and answers preflights: those of unknown routes too, or a page would learn of a CORS error in
    /// place of the 404 that it can read. An `OPTIONS` that is no preflight ("CORS-preflight request") is a request like any other.
    pub(crate) async fn answer<F>(&self, request: Request, work: impl Fn(Request) -> F) -> Response
    where
        F: Future<Output = Response>,
    {
        let is_preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if request.method() == Method::OPTIONS {
            if !is_preflight {
                return work(request).await;
            }
        } else if !request.headers().contains_key(header::ORIGIN) {
            // No page asks that needs leave: most requests, which the layer would take apart and put together again.
            let mut response = work(request).await;
            response.headers_mut().append(header::VARY, VARY);
            return response;
        }
        let work = service_fn(|request| work(request).map(Ok::<_, Infallible>));
        // Boxed, as it is for the few: every request would carry its size about.
        let Ok(response) = Box::pin(self.0.layer(work).oneshot(request)).await;
        response
    }
}
