//! The headers of a response that follow from what its handlers did.

use axum::http::HeaderMap;

use crate::api::http::cookie::PendingCookie;
use crate::api::http::rate_limit_headers;
use crate::domain::rate_limit::Charges;

/// Collected while a request is handled; a request extension.
#[derive(Clone, Default)]
pub(crate) struct PendingHeaders {
    pub(crate) charges: Charges,
    pub(crate) pending_cookie: PendingCookie,
}

impl PendingHeaders {
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        rate_limit_headers::write(&self.charges.all(), headers);
        self.pending_cookie.write(headers);
    }
}
