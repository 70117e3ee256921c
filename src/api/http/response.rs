//! What both doors say in the same way: the status of an error, what of it goes to the log, and what is left of the limits.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::domain::Error;
use crate::domain::rate_limit::{Allowance, Quota};

/// Logs what an operator should know of an error that a client is about to see; a client's own mistakes are its own.
pub(crate) fn log(error: &Error) {
    let cause: &dyn std::error::Error = error;
    let cause = cause.source();
    if let Error::Internal(_) = error {
        tracing::error!(cause, "internal error");
    } else if let Error::Unavailable { .. } = error {
        tracing::warn!(cause, "a dependency is not available");
    }
}

/// The HTTP status of an error, where the status tells it.
pub(crate) fn status(error: &Error) -> StatusCode {
    match error {
        Error::BadRequest { .. } | Error::Document(_) => StatusCode::BAD_REQUEST,
        Error::InvalidCredentials
        | Error::Unauthenticated(_)
        | Error::RefreshTokenInvalid
        | Error::RefreshTokenReused => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::NotFound => StatusCode::NOT_FOUND,
        Error::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Error::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Error::EmailTaken | Error::UsernameTaken => StatusCode::CONFLICT,
        Error::RequestTimeout(_) => StatusCode::REQUEST_TIMEOUT,
        Error::PayloadTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::Validation(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The limits that a request was charged under, and what is left of them, in whole seconds (IETF draft "`RateLimit` header fields for
/// HTTP", draft-ietf-httpapi-ratelimit-headers-10).
pub(crate) fn show_limits(charges: &[Allowance], headers: &mut HeaderMap) {
    if charges.is_empty() {
        return;
    }
    let policy = |charge: &Allowance| {
        let Quota { burst, every } = charge.limit.quota();
        format!(
            "\"{}\";q={burst};w={}",
            charge.limit.public_name(),
            (every * burst).as_secs()
        )
    };
    let left = |charge: &Allowance| {
        let (name, seconds) = (charge.limit.public_name(), charge.restored_in.as_secs_f64().ceil());
        format!("\"{name}\";r={};t={seconds:.0}", charge.remaining)
    };
    for (name, items) in [
        ("ratelimit-policy", charges.iter().map(policy).collect::<Vec<_>>()),
        ("ratelimit", charges.iter().map(left).collect()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&items.join(", ")) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
