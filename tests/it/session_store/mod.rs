//! The contract of session stores, on SQLite, PostgreSQL and PostgreSQL with Redis.

mod contract;
mod fixture;
mod lookup;
mod model;
mod profile;
mod redis_servers;
mod rotation;
mod sqlite_file;
