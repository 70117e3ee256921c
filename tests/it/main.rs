//! The gateway as its users see it.
//!
//! Each scenario runs through both doors, on SQLite, on PostgreSQL and on PostgreSQL with Redis: six tests with one body.
//! `scripts/test` starts the servers; without them the tests fail with a sentence that says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(
    unreachable_pub,
    clippy::too_many_lines,
    reason = "one harness serves all files, and a table of cases is as long as it is"
)]

mod harness;

mod attack;
mod audit;
mod bad_input;
mod command_line;
mod cookies;
mod documents;
mod forwarded;
mod graphiql;
mod graphql_over_http;
mod headers;
mod keys;
mod layers;
mod limits;
mod login;
mod logout;
mod me;
mod metrics;
mod migrations;
mod nodes;
mod operations;
mod oracle;
mod outage;
mod password;
mod redis_kinds;
mod refresh;
mod register;
mod secrets;
mod security_document;
mod session_bench;
mod session_ended;
mod session_lookup;
mod session_memory;
mod session_model;
mod session_profile;
mod session_renewals;
mod session_store;
mod sessions;
mod settings;
mod shutdown;
mod snapshots;
mod sockets;
mod starvation;
mod token_attacks;
