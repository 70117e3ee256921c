//! The headers that every response has: what a browser must not do with it (OWASP REST Security
//! Cheat Sheet, "Security Headers").
//!
//! A handler that needs another value sets it, and that value stays. GraphiQL's page has its own
//! policy, and every origin may embed the public keys.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use crate::api::options::BrowserOptions;

/// Which origins may embed a response without CORS (Fetch standard, "Cross-Origin-Resource-Policy
/// header").
pub(crate) const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Tokens and personal data must not stay in any cache (RFC 6749 section 5.1).
pub(crate) const NO_STORE: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

const DEFAULTS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    // Does not apply to requests with CORS: pages of CORS_ORIGINS still read responses.
    (RESOURCE_POLICY, "same-origin"),
    (X_FRAME_OPTIONS, "DENY"),
    // In case a browser renders JSON as a page. Lists the directives that `default-src` does not
    // cover (CSP Level 3, section 6).
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
];

/// Two years, for this host only. Its subdomains may not support https (RFC 6797 section 6.1).
const ONLY_HTTPS: HeaderValue = HeaderValue::from_static("max-age=63072000");

pub(crate) struct SecurityHeaders {
    is_https: bool,
}

impl SecurityHeaders {
    pub(crate) fn new(options: &BrowserOptions) -> Self {
        Self {
            is_https: options.is_https(),
        }
    }

    /// Adds the headers that the response does not have yet.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in DEFAULTS {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        if self.is_https {
            headers.insert(STRICT_TRANSPORT_SECURITY, ONLY_HTTPS);
        }
    }
}
