//! The client of a request: its origin, its credentials and its account.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::account::{Account, AccountId};
use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::Charges;
use crate::domain::secret::SecretString;
use crate::domain::session::{Device, SessionId};

/// The origin of a request.
#[derive(Debug, Clone, Default)]
pub struct ClientInfo {
    /// Stored with a session that the request opens.
    pub device: Device,
    /// The client's address, by the header of trusted proxies.
    pub address: Option<IpAddr>,
    /// The rate limit charges of the request so far.
    pub charges: Charges,
    /// At most 64 characters, all of them safe in a log line.
    pub request_id: Option<String>,
}

/// The header in which trusted proxies send the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
}

/// The access token that a request presents.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// No `Authorization` header.
    Missing,
    /// An `Authorization` header without exactly one bearer token (RFC 6750 section 2.1).
    Malformed,
    /// A bearer token, not verified.
    Bearer(SecretString),
}

/// The claims of an access token whose signature, algorithm, type, issuer and audience were
/// verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessClaim {
    pub account: AccountId,
    pub session: SessionId,
    /// Not yet compared with the clock.
    pub expires_at: Timestamp,
}

impl AccessClaim {
    /// The greatest lifetime that `ACCESS_TOKEN_TTL` allows.
    pub const LONGEST_LIFE: Duration = Duration::from_hours(24);
}

/// The client of a request with a valid access token and a live session.
#[derive(Debug, Clone)]
pub struct Caller {
    pub account: Arc<Account>,
    pub session: SessionId,
}
