//! Who is asking: what a request presents, and who that turns out to be.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::account::Account;
use crate::domain::account::AccountId;
use crate::domain::clock::Timestamp;
use crate::domain::rate_limit::Charges;
use crate::domain::secret::SecretString;
use crate::domain::session::{Device, SessionId};

/// Where a request comes from, whoever sends it.
#[derive(Debug, Clone, Default)]
pub struct ClientInfo {
    /// What is kept of it with a session.
    pub device: Device,
    /// The client's address, as trusted proxies tell it.
    pub address: Option<IpAddr>,
    /// What the request has been charged so far.
    pub charges: Charges,
    /// The id of the request, at most 64 plain characters.
    pub request_id: Option<String>,
}

/// The header in which trusted proxies tell where a request comes from.
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
    /// A header that holds no single bearer token (RFC 6750 section 2.1).
    Malformed,
    /// A bearer token, not verified.
    Bearer(SecretString),
}

/// What an access token says after its signature, algorithm, type, issuer and audience were verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessClaim {
    /// Whose token it is.
    pub account: AccountId,
    /// The session that it belongs to.
    pub session: SessionId,
    /// When it expires; not yet compared with the clock.
    pub expires_at: Timestamp,
}

impl AccessClaim {
    /// The longest life that `ACCESS_TOKEN_TTL` can give a token.
    pub const LONGEST_LIFE: Duration = Duration::from_hours(24);
}

/// Somebody whose access token is valid and whose session lives.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub account: Arc<Account>,
    /// The session.
    pub session: SessionId,
}
