//! What both APIs share: input, cookies, headers, proxies, secrets.

mod bad_input;
mod cookies;
mod forwarded;
mod headers;
mod secrets;
