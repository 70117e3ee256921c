//! The headers that every answer has, whatever it is: what a browser must not do with it (OWASP REST Security Cheat Sheet, "Security
//! Headers").
//!
//! An answer that needs something else says so itself, and keeps it: GraphiQL's page has a policy of its own, and the keys are for
//! everybody.

use axum::http::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// Who may embed an answer without CORS (Fetch standard, "Cross-Origin-Resource-Policy header").
pub(crate) const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const EVERYWHERE: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    // Requests with CORS are not concerned: those of CORS_ORIGINS go on.
    (RESOURCE_POLICY, "same-origin"),
    (X_FRAME_OPTIONS, "DENY"),
    // For the day a browser takes JSON for a page. What `default-src` does not cover is named (CSP Level 3, section 6).
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
];

/// Two years, for this host alone: what else runs under its domain is not ours to say (RFC 6797 section 6.1).
const ONLY_HTTPS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Whether clients come by https.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transport {
    pub(crate) is_https: bool,
}

/// Adds what the answer does not have yet.
pub(crate) fn complete(headers: &mut HeaderMap, transport: Transport) {
    for (name, value) in EVERYWHERE {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if transport.is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, ONLY_HTTPS);
    }
}
