//! From a request to who is asking: the credentials it presents and the device it comes from.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use ipnet::IpNet;
use serde_json::Value;

use super::{Peer, Shared};
use crate::domain::caller::{Credentials, Visitor};
use crate::domain::secret::SecretString;
use crate::domain::session::Device;

/// Longest `User-Agent` that is kept, in characters.
const MAX_USER_AGENT: usize = 512;

/// Networks of proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies(pub Vec<IpNet>);

/// Everything a use case may want to know about who asks. Nothing here is verified: a request that needs no caller pays no heed
/// to a dead token.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) credentials: Credentials,
    pub(super) visitor: Visitor,
}

impl FromRequestParts<Shared> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
        let address = peer.map(|peer| shared.proxies.client(peer, &parts.headers));
        let user_agent = parts.headers.get(header::USER_AGENT).map(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .chars()
                .take(MAX_USER_AGENT)
                .collect()
        });
        let device = Device {
            user_agent,
            ip: address.map(|address| address.to_string()),
        };
        Ok(Self {
            credentials: credentials(&parts.headers),
            visitor: Visitor {
                device,
                address,
                charges: parts.extensions.get().cloned().unwrap_or_default(),
            },
        })
    }
}

impl Asker {
    /// The same, with the access token of a WebSocket's connection parameters, as `Authorization`: a browser can send no header there.
    pub(super) fn with_parameters(mut self, parameters: &Value) -> Self {
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

impl Proxies {
    /// The client's address: that of the connection, or, as long as that is a trusted proxy's, the one that the proxy saw. The list is
    /// read from the right, where our own proxies wrote; what stands left of the first untrusted address, anybody may have made up.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines: Vec<&[u8]> = headers
            .get_all("x-forwarded-for")
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            if !self.0.iter().any(|network| network.contains(&client)) {
                break;
            }
            let Some(seen) = address(hop) else { break };
            client = seen.to_canonical();
        }
        client
    }
}

/// An address with or without a port: some proxies write `203.0.113.9:4711` or `[2001:db8::1]:4711`.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.parse().ok();
    bare.or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies = Proxies(trusted.iter().map(|network| network.parse().unwrap()).collect());
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_its_address() {
        assert_eq!(client(&[], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(
            client(&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.1, 203.0.113.9"]),
            "203.0.113.9"
        );
    }

    #[test]
    fn trusted_proxies_are_read_from_the_right() {
        assert_eq!(
            client(&["10.0.0.0/8"], "10.0.0.1", &["203.0.113.9, 10.0.0.2"]),
            "203.0.113.9"
        );
        assert_eq!(
            client(&["10.0.0.0/8"], "10.0.0.1", &["203.0.113.9", "10.0.0.2"]),
            "203.0.113.9"
        );
        assert_eq!(
            client(&["10.0.0.0/8"], "::ffff:10.0.0.1", &["203.0.113.9"]),
            "203.0.113.9"
        );
        assert_eq!(
            client(&["10.0.0.0/8"], "10.0.0.1", &["203.0.113.9:4711"]),
            "203.0.113.9"
        );
        assert_eq!(
            client(&["10.0.0.0/8"], "10.0.0.1", &["[2001:db8::1]:4711"]),
            "2001:db8::1"
        );
        assert_eq!(
            client(&["10.0.0.0/8"], "10.0.0.1", &["\u{e9}, 203.0.113.9"]),
            "203.0.113.9",
            "what a client wrote blinds nobody"
        );
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
    }
}
