//! The error responses that many operations share, for the OpenAPI document.

#![allow(dead_code, reason = "describes responses; `Problem` makes them")]

use utoipa::IntoResponses;

use crate::api::http::problem::ProblemDocument;

/// Of every operation.
#[derive(IntoResponses)]
pub(crate) enum CommonProblems {
    /// `INTERNAL`
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(ProblemDocument),
    /// `UNAVAILABLE`
    #[response(
        status = 503,
        content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "Seconds to wait before the next attempt."))
    )]
    Unavailable(ProblemDocument),
}

/// Of every operation with a body.
#[derive(IntoResponses)]
pub(crate) enum BodyProblems {
    /// `BAD_REQUEST`
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(ProblemDocument),
    /// `REQUEST_TIMEOUT`
    #[response(status = 408, content_type = "application/problem+json")]
    RequestTimeout(ProblemDocument),
    /// `PAYLOAD_TOO_LARGE`
    #[response(status = 413, content_type = "application/problem+json")]
    PayloadTooLarge(ProblemDocument),
    /// `UNSUPPORTED_MEDIA_TYPE`
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(ProblemDocument),
}

/// Of every operation that can use the cookie.
#[derive(IntoResponses)]
pub(crate) enum CookieProblems {
    /// `FORBIDDEN`: a page of a foreign origin asks for the cookie
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemDocument),
}

/// Of every operation with a rate limit.
#[derive(IntoResponses)]
pub(crate) enum LimitProblems {
    /// `RATE_LIMITED`
    #[response(
        status = 429,
        content_type = "application/problem+json",
        headers(
            ("RateLimit" = String, description = "What is left of each limit, and the seconds until it allows one more."),
            ("RateLimit-Policy" = String, description = "The quota and the window of each limit."),
            ("Retry-After" = u64, description = "Seconds to wait before the next attempt.")
        )
    )]
    RateLimited(ProblemDocument),
}
