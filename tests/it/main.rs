//! Tests of the gateway through its public APIs.
//!
//! Each scenario runs through both APIs, on SQLite, on PostgreSQL and on PostgreSQL with Redis: six
//! tests with one body. `scripts/test` starts the servers. Without a server that it needs, a test
//! fails and names the missing variable.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(
    unreachable_pub,
    clippy::too_many_lines,
    reason = "one harness serves all files, and tables of cases are long"
)]

mod harness;

mod account;
mod attack;
mod credentials;
mod graphql;
mod http;
mod one_time_token;
mod operation;
mod outbox;
mod project;
mod rate_limit;
mod server;
mod session;
mod session_store;
mod sign_in;
mod signing_key;
mod token_attacks;
