//! What every transport shares: the request's context, middleware, bodies, cookies, origins, and problem documents.

pub(crate) mod cookie;
pub(crate) mod cors;
pub(crate) mod error;
mod error_codes;
pub(crate) mod forwarded;
pub(crate) mod origins;
pub(crate) mod problem;
pub(crate) mod request;
pub(crate) mod request_context;
pub(crate) mod response;
pub(crate) mod security_headers;
