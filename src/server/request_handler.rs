//! The interface between the listener and the APIs.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use tower::Service;

/// Answers requests. Every request takes a clone, so cloning must be cheap.
pub trait RequestHandler: Clone + Send + Sync + 'static {
    /// Answers a request.
    fn answer(self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send + 'static;
}

impl RequestHandler for Router {
    async fn answer(mut self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = self.call(request).await;
        response
    }
}
