//! The `RateLimit` headers.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::rate_limit::{Allowance, Quota};

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
