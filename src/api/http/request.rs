//! What every request has, at either door: an id, a log line, an end, and a body that is JSON, not too large and not too slow.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use futures_util::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use metrics::{SharedString, counter};
use tokio::time::timeout;
use tracing::Span;
use uuid::Uuid;

use crate::api::http::cookie::PendingCookie;
use crate::api::http::error::{ApiError, Result};
use crate::api::http::{problem, response};
use crate::domain::rate_limit::Charges;
use crate::log_span;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken over from a client or proxy.
const MAX_ID_LENGTH: usize = 64;
/// How many headers an answer gets on its way out, ours and those of CORS.
const COMMON_HEADERS: usize = 8;

tokio::task_local! {
    static CURRENT_ID: HeaderValue;
}

/// The id of the request that is being answered.
pub(crate) fn current_id() -> Option<String> {
    CURRENT_ID.try_with(|id| id.to_str().map(str::to_owned)).ok()?.ok()
}

/// Lets work that goes on after the answer keep the request's id and its place in the log.
pub(crate) fn in_current_span<F: Future<Output = ()>>(work: F) -> impl Future<Output = ()> {
    let id = CURRENT_ID.try_with(Clone::clone).ok();
    let work = log_span::in_current_span(work);
    async move {
        match id {
            Some(id) => CURRENT_ID.scope(id, work).await,
            None => work.await,
        }
    }
}

/// Gives the request its id, in the log and on the answer, and logs how it ended. Neither holds anything that could be secret: the
/// path, never the query or a header.
pub(crate) async fn with_request_id<F>(mut request: Request, next: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let outcome = Outcome::default();
    request.extensions_mut().insert(outcome.clone());
    let id = request_id(request.headers());
    let method = request.method().clone();
    let span = span_of(id.clone(), method.clone(), request.uri().clone());
    let started = Instant::now();
    // Boxed: what goes on around it would move its size about.
    let answer = Box::pin(async {
        let answer = next(request).await;
        tracing::debug!(
            status = answer.status().as_u16(),
            micros = started.elapsed().as_micros(),
            "answered"
        );
        answer
    });
    let mut response = CURRENT_ID.scope(id.clone(), log_span::with_span(span, answer)).await;
    let status = status_label(response.status());
    counter!("auth_gateway_http_requests_total", "method" => method_label(&method), "status" => status).increment(1);
    let headers = response.headers_mut();
    // Room for what every answer has: asked for once.
    headers.reserve(COMMON_HEADERS);
    headers.insert(REQUEST_ID, id);
    response::show_limits(&outcome.charges.all(), headers);
    outcome.pending_cookie.write(headers);
    response
}

/// Ends a request that nothing else has ended: each thing that a handler waits for has a time of its own, and this is the net below them
/// all. The handler is dropped, as when its client hangs up; a WebSocket lives on, since its handshake is answered at once.
pub(crate) fn end_in_time(timeout: Duration, work: impl Future<Output = Response>) -> impl Future<Output = Response> {
    tokio::time::timeout(timeout, work).map(|ended| ended.unwrap_or_else(|_elapsed| problem::overdue()))
}

/// Keeps a panic to the request that it is in.
pub(crate) fn catch_panic(
    work: impl Future<Output = std::result::Result<Response, Infallible>>,
) -> impl Future<Output = Response> {
    // What a panic leaves behind is dropped with the request.
    AssertUnwindSafe(work).catch_unwind().map(|ended| match ended {
        Ok(Ok(response)) => response,
        Err(panic) => problem::panicked(panic),
    })
}

fn span_of(id: HeaderValue, method: Method, uri: Uri) -> impl Fn() -> Span + Send + Sync + 'static {
    move || {
        tracing::info_span!(
            "request",
            id = id.to_str().unwrap_or_default(),
            %method,
            path = uri.path()
        )
    }
}

/// What the handlers of a request leave for its answer's headers.
#[derive(Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) charges: Charges,
    pub(crate) pending_cookie: PendingCookie,
}

fn status_label(status: StatusCode) -> SharedString {
    // By far the most frequent ones, without a copy.
    match status {
        StatusCode::OK => "200".into(),
        StatusCode::NO_CONTENT => "204".into(),
        StatusCode::UNAUTHORIZED => "401".into(),
        other => other.as_str().to_owned().into(),
    }
}

/// A client may make up methods, and each label is kept for ever.
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

/// The client's own id if it is short and plain, so that it cannot write into a log, else a fresh one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_plain = |id: &&HeaderValue| {
        let id = id.as_bytes();
        (1..=MAX_ID_LENGTH).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    headers.get(REQUEST_ID).filter(is_plain).cloned().unwrap_or_else(|| {
        let mut text = Uuid::encode_buffer();
        let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none"))
    })
}

/// How much of a body is read, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct BodyRules {
    /// Most bytes of a body.
    pub limit: usize,
    /// How long it may take to come, as a whole: a client that sends a byte now and then is as slow as one that sends none.
    pub timeout: Duration,
}

impl BodyRules {
    /// Reads a body that is declared as JSON.
    ///
    /// A form post or `text/plain` needs no preflight, so a foreign page could send one: neither is read (Fetch standard,
    /// "CORS-safelisted request-header").
    ///
    /// # Errors
    /// `UnsupportedMediaType`, and those of [`BodyRules::read`].
    pub(crate) async fn read_json(self, headers: &HeaderMap, body: Body) -> Result<Bytes> {
        if !is_json(headers) {
            return Err(ApiError::UnsupportedMediaType);
        }
        self.read(body).await
    }

    /// Reads a body up to the limit, in time.
    ///
    /// # Errors
    /// `PayloadTooLarge`, `RequestTimeout`, `BadRequest` when the client stops half way.
    pub(crate) async fn read(self, body: Body) -> Result<Bytes> {
        // Said beforehand, so that a client that asks whether to go on (RFC 9110 section 10.1.1) is told not to.
        if body.size_hint().lower() > self.limit as u64 {
            return Err(ApiError::PayloadTooLarge(self.limit));
        }
        // No timer is set for a body that is there already.
        let read = timeout(self.timeout, Limited::new(body, self.limit).collect()).await;
        let read = read.map_err(|_elapsed| ApiError::RequestTimeout(self.timeout))?;
        let read = read.map_err(|error| {
            if error.downcast_ref::<LengthLimitError>().is_some() {
                ApiError::PayloadTooLarge(self.limit)
            } else {
                ApiError::bad_request("The body ended before it was complete.")
            }
        })?;
        Ok(read.to_bytes())
    }
}

/// `application/json`, in UTF-8 if a charset is named (RFC 8259 section 8.1).
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let Ok(value) = value.to_str() else { return false };
    let mut parts = value.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
    is_json
        && parts
            .filter(|part| !part.is_empty())
            .all(|parameter| match parameter.split_once('=') {
                Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                    value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
                }
                _ => true,
            })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn what_finds_no_end_is_unavailable() {
        let response = end_in_time(Duration::from_millis(1), std::future::pending()).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["code"], json!("UNAVAILABLE"));
    }
}
