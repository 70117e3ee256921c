//! What both APIs share: the request's context, middleware, bodies, cookies, origins, errors.

pub(crate) mod body;
pub(crate) mod cookie;
pub(crate) mod cors;
pub(crate) mod error;
mod error_codes;
pub(crate) mod fallback;
pub(crate) mod forwarded;
pub(crate) mod middleware;
pub(crate) mod origins;
mod pending_headers;
pub(crate) mod problem;
mod rate_limit_headers;
pub(crate) mod request_context;
pub(crate) mod request_id;
pub(crate) mod security_headers;
