//! Reads request bodies: JSON only, of bounded size, within a timeout.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use crate::api::http::error::{ApiError, Result};

/// How large a body may be, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct BodyRules {
    /// The largest body, in bytes.
    pub limit: usize,
    /// How long the whole body may take to arrive. A client that sends one byte now and then is
    /// as slow as a client that sends none.
    pub timeout: Duration,
}

impl BodyRules {
    /// Reads a body that is declared as JSON.
    ///
    /// Browsers send a form post or `text/plain` without a preflight, so a page of a foreign
    /// origin could send one. Neither is read (Fetch standard, "CORS-safelisted request-header").
    ///
    /// # Errors
    /// `UnsupportedMediaType`, and those of [`BodyRules::read`].
    pub(crate) async fn read_json(self, headers: &HeaderMap, body: Body) -> Result<Bytes> {
        if !is_json(headers) {
            return Err(ApiError::UnsupportedMediaType);
        }
        self.read(body).await
    }

    /// Reads a body of any media type.
    ///
    /// # Errors
    /// `PayloadTooLarge`; `RequestTimeout`; `BadRequest` for a body that ends too early.
    pub(crate) async fn read(self, body: Body) -> Result<Bytes> {
        // Before the body is read: a client that sends `Expect: 100-continue` is then told not to
        // send it (RFC 9110 section 10.1.1).
        if body.size_hint().lower() > self.limit as u64 {
            return Err(ApiError::PayloadTooLarge(self.limit));
        }
        // Tokio sets no timer for a body that has arrived already.
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

/// Whether the media type is `application/json`, in UTF-8 if a charset is named (RFC 8259 section
/// 8.1).
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
    is_json && parts.filter(|part| !part.is_empty()).all(is_plain_parameter)
}

/// Every parameter but a charset other than UTF-8.
fn is_plain_parameter(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    }
}
