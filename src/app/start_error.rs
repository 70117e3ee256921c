//! Why the gateway cannot start.

use std::error::Error as StdError;
use std::net::SocketAddr;

use crate::config::SettingError;
use crate::domain::Error;

/// Why the gateway cannot start: one sentence, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The schema is older than the program, and this is production.
    #[error("The database is not up to date; apply what is pending with: auth-gateway migrate up ({0} to go)")]
    PendingMigrations(usize),
    #[error("DATABASE_URL names a database that cannot be used ({}); check that it runs, and the address, user and password in the setting.", cause(.0))]
    Database(#[source] Error),
    /// Something that the gateway needs does not work.
    #[error("{}", cause(.0))]
    Failed(#[from] Error),
    #[error("The gateway cannot listen on {address} ({cause}); choose another PORT or HOST, for example PORT=8001.")]
    Listen { address: SocketAddr, cause: std::io::Error },
}

/// The cause of an error, for the operator. Clients never see it.
pub(super) fn cause(error: &Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}
