//! The id of a request, in the log, in error responses and in the audit log.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::log_span;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken over from a client or proxy, in bytes.
const MAX_LENGTH: usize = 64;

tokio::task_local! {
    static CURRENT: HeaderValue;
}

/// The client's id if it is short and plain, so that it cannot inject text into a log. Otherwise a
/// new id.
pub(crate) fn from_headers(headers: &HeaderMap) -> HeaderValue {
    let is_plain = |id: &&HeaderValue| {
        let id = id.as_bytes();
        (1..=MAX_LENGTH).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    headers.get(REQUEST_ID).filter(is_plain).cloned().unwrap_or_else(|| {
        let mut text = Uuid::encode_buffer();
        let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none"))
    })
}

/// Makes this the current id while `work` runs.
pub(crate) fn scope<F: Future>(id: HeaderValue, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, work)
}

/// The id of the request that is being answered.
pub(crate) fn current_id() -> Option<String> {
    CURRENT.try_with(|id| id.to_str().map(str::to_owned)).ok()?.ok()
}

/// Lets work that outlives the response keep the request's id and log span.
pub(crate) fn in_current_span<F: Future<Output = ()>>(work: F) -> impl Future<Output = ()> {
    let id = CURRENT.try_with(Clone::clone).ok();
    let work = log_span::in_current_span(work);
    async move {
        match id {
            Some(id) => CURRENT.scope(id, work).await,
            None => work.await,
        }
    }
}
