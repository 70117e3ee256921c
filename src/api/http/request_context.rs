//! What a request carries besides its operation: credentials, cookie, address and device.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use crate::api::http::cookie::RefreshCookie;
use crate::api::http::pending_headers::PendingHeaders;
use crate::api::http::request_id;
use crate::api::state::ApiState;
use crate::domain::client::{ClientInfo, Credentials};
use crate::domain::rate_limit::Charges;
use crate::domain::secret::SecretString;
use crate::domain::session::Device;

/// Longest `User-Agent` that is kept, in characters.
const MAX_USER_AGENT: usize = 512;

/// Where a request comes from, and what it authenticates with. Nothing here is verified, so an
/// operation that needs no caller also accepts a request with an expired token.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    pub(crate) credentials: Credentials,
    pub(crate) cookie: RefreshCookie,
    pub(crate) address: Option<IpAddr>,
    user_agent: Option<HeaderValue>,
    charges: Charges,
}

impl FromRequestParts<ApiState> for RequestContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Infallible> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|peer| peer.0.ip());
        let address = peer.map(|peer| state.proxies.client(peer, &parts.headers));
        let PendingHeaders {
            charges,
            pending_cookie,
        } = parts.extensions.get().cloned().unwrap_or_default();
        Ok(Self {
            credentials: credentials(&parts.headers),
            cookie: RefreshCookie::of(&parts.headers, &state.cookie_rules, pending_cookie),
            address,
            user_agent: parts.headers.get(header::USER_AGENT).cloned(),
            charges,
        })
    }
}

impl RequestContext {
    /// What the audit log, sessions and rate limits keep of the request.
    pub(crate) fn client_info(&self) -> ClientInfo {
        let user_agent = self.user_agent.as_ref().map(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .chars()
                .take(MAX_USER_AGENT)
                .collect()
        });
        ClientInfo {
            device: Device {
                user_agent,
                ip: self.address.map(|address| address.to_string()),
            },
            address: self.address,
            charges: self.charges.clone(),
            request_id: request_id::current_id(),
        }
    }

    /// The same, with the access token of a WebSocket's connection parameters, as `Authorization`.
    /// A browser cannot send that header with a handshake. It does send cookies, from pages of any
    /// origin (RFC 6455 section 10.2), so the cookie is ignored.
    pub(crate) fn with_parameters(mut self, parameters: &Value) -> Self {
        self.cookie = self.cookie.ignore();
        let is_authorization = |name: &String| name.eq_ignore_ascii_case("authorization");
        let members = parameters.as_object().into_iter().flatten();
        let mut named = members.filter(|(name, _)| is_authorization(name));
        match (named.next(), named.next()) {
            (None, _) => {}
            (Some((_, value)), None) => self.credentials = authorization(value.as_str()),
            (Some(_), Some(_)) => self.credentials = Credentials::Malformed,
        }
        self
    }
}

/// The bearer token of the `Authorization` header (RFC 6750 section 2.1). Two headers are
/// malformed, because a proxy and the gateway could choose different ones.
fn credentials(headers: &HeaderMap) -> Credentials {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Credentials::Missing,
        (Some(value), None) => authorization(value.to_str().ok()),
        (Some(_), Some(_)) => Credentials::Malformed,
    }
}

fn authorization(value: Option<&str>) -> Credentials {
    let token = value
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        // Spaces may precede the token (RFC 9110 section 11.4), but nothing may follow it.
        .map(|(_, token)| token.trim_start_matches(' '))
        .filter(|token| !token.is_empty());
    token.map_or(Credentials::Malformed, |token| {
        Credentials::Bearer(SecretString::new(token.to_owned()))
    })
}
