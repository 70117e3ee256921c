//! The sections of the settings, one file for each subject.

mod connections;
mod database;
mod graphql;
mod http;
mod keys;
mod log;
mod passwords;
mod redis_server;
mod requests;
mod server;
mod sockets;
mod tokens;

pub use connections::ConnectionSettings;
pub use database::{DatabaseSettings, DatabaseUrl};
pub use graphql::GraphqlSettings;
pub use http::HttpSettings;
pub(super) use keys::{AUTH_SECRET_BYTES, auth_secret};
pub use keys::{AuthSecret, KeySettings};
pub use log::{LogFormat, LogSettings};
pub use passwords::{Argon2Cost, PasswordSettings};
pub use redis_server::{RedisSettings, RedisUrl};
pub use requests::RequestSettings;
pub use server::{ServerSettings, Stage};
pub use sockets::SocketSettings;
pub use tokens::TokenSettings;
