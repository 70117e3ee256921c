//! From a request to who is asking: the credentials it presents and the device it comes from.

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

/// Everything a use case may want to know about who asks. Nothing here is verified: a request that needs no caller pays no heed
/// to a dead token.
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
    /// Where the request comes from, put into words for those few use cases that write it down.
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

    /// The same, with the access token of a WebSocket's connection parameters, as `Authorization`: a browser can send no header there.
    /// It does send cookies, from any page (RFC 6455 section 10.2), so none counts.
    pub(crate) fn with_parameters(mut self, parameters: &Value) -> Self {
        self.cookie = self.cookie.out_of_reach();
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

/// The bearer token of the one `Authorization` header (RFC 6750 section 2.1). Two headers are malformed: proxies and servers would
/// disagree on which one counts.
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
        // Blanks may stand before the token (RFC 9110 section 11.4), and nothing else around it.
        .map(|(_, token)| token.trim_start_matches(' '))
        .filter(|token| !token.is_empty());
    token.map_or(Credentials::Malformed, |token| {
        Credentials::Bearer(SecretString::new(token.to_owned()))
    })
}
