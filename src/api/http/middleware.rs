//! What every request gets, whatever its route: an id and a log span, a timeout, and a response
//! even if its handler panics.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use futures_util::FutureExt;
use metrics::{SharedString, counter};
use tracing::Span;

use crate::api::http::pending_headers::PendingHeaders;
use crate::api::http::problem;
use crate::api::http::request_id::{self, REQUEST_ID};
use crate::log_span;

/// How many headers the middleware adds to a response, including those of CORS.
const COMMON_HEADERS: usize = 8;

/// Gives the request its id, in the log and in the response, and logs its outcome. The log line
/// has the path, but never the query or a header: both could be secret.
pub(crate) async fn with_request_id<F>(mut request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let pending_headers = PendingHeaders::default();
    request.extensions_mut().insert(pending_headers.clone());
    let id = request_id::from_headers(request.headers());
    let method = request.method().clone();
    let span = request_span(id.clone(), method.clone(), request.uri().clone());
    let started = Instant::now();
    // Boxed, so that the futures around this one stay small.
    let answer = Box::pin(async {
        let response = next(request).await;
        tracing::debug!(
            status = response.status().as_u16(),
            micros = started.elapsed().as_micros(),
            "answered"
        );
        response
    });
    let mut response = request_id::scope(id.clone(), log_span::with_span(span, answer)).await;
    let status = status_label(response.status());
    counter!("auth_gateway_http_requests_total", "method" => method_label(&method), "status" => status).increment(1);
    let headers = response.headers_mut();
    // One allocation for all of them.
    headers.reserve(COMMON_HEADERS);
    headers.insert(REQUEST_ID, id);
    pending_headers.write(headers);
    response
}

/// Ends a request that runs for too long. Each wait in a handler has a timeout of its own, so this
/// one is the last resort. It drops the handler, as when the client closes the connection. A
/// WebSocket is not affected, because its handshake is answered at once.
pub(crate) fn with_timeout(timeout: Duration, work: impl Future<Output = Response>) -> impl Future<Output = Response> {
    tokio::time::timeout(timeout, work).map(|ended| ended.unwrap_or_else(|_elapsed| problem::timed_out()))
}

/// Turns a panic of a handler into an error response: one request fails, the server goes on.
pub(crate) fn catch_panic(
    work: impl Future<Output = std::result::Result<Response, Infallible>>,
) -> impl Future<Output = Response> {
    // Safe to unwind: state that a panic leaves inconsistent is dropped with the request.
    AssertUnwindSafe(work).catch_unwind().map(|ended| match ended {
        Ok(Ok(response)) => response,
        Err(_panic) => problem::panicked(),
    })
}

fn request_span(id: HeaderValue, method: Method, uri: Uri) -> impl Fn() -> Span + Send + Sync + 'static {
    move || {
        tracing::info_span!(
            "request",
            id = id.to_str().unwrap_or_default(),
            %method,
            path = uri.path()
        )
    }
}

/// The most frequent statuses without a copy.
fn status_label(status: StatusCode) -> SharedString {
    match status {
        StatusCode::OK => "200".into(),
        StatusCode::NO_CONTENT => "204".into(),
        StatusCode::UNAUTHORIZED => "401".into(),
        other => other.as_str().to_owned().into(),
    }
}

/// A fixed set, because a client can invent methods and each label value is kept in memory.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn a_request_that_runs_for_too_long_is_unavailable() {
        let response = with_timeout(Duration::from_millis(1), std::future::pending()).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["code"], json!("UNAVAILABLE"));
    }
}
