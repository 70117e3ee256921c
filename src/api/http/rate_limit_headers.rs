//! The headers `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::rate_limit::{Allowance, Quota};

/// Writes the limits that a request was charged against, and what is left of them. Times are in
/// whole seconds.
pub(crate) fn write(charges: &[Allowance], headers: &mut HeaderMap) {
    if charges.is_empty() {
        return;
    }
    insert_list(headers, "ratelimit-policy", charges.iter().map(policy));
    insert_list(headers, "ratelimit", charges.iter().map(remaining));
}

/// Quota `q` and window `w`.
fn policy(charge: &Allowance) -> String {
    let Quota { burst, every } = charge.limit.quota();
    let window = (every * burst).as_secs();
    format!("\"{}\";q={burst};w={window}", charge.limit.public_name())
}

/// Remaining quota `r`, and the time `t` until it grows by one.
///
/// The draft lets servers without a fixed window choose the moment that `t` names, and wants it to
/// agree with `Retry-After`. So `t` is when the next request is allowed, not when all quota is
/// back.
fn remaining(charge: &Allowance) -> String {
    let seconds = charge.next_in.as_secs_f64().ceil();
    format!(
        "\"{}\";r={};t={seconds:.0}",
        charge.limit.public_name(),
        charge.remaining
    )
}

fn insert_list(headers: &mut HeaderMap, name: &'static str, items: impl Iterator<Item = String>) {
    let list = items.collect::<Vec<_>>().join(", ");
    if let Ok(value) = HeaderValue::from_str(&list) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
