//! The client's address behind trusted proxies.
//!
//! A proxy appends the address of its peer to one header, and passes all other headers on as the
//! client sent them. So the operator names the header that the proxies write, and only this header
//! is read.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use crate::domain::client::ProxyHeader;

/// The trusted proxies, and the header that they write.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// The networks of the proxies.
    pub networks: Vec<IpNet>,
    /// The header that all of them write.
    pub header: ProxyHeader,
}

impl Proxies {
    /// The client's address: that of the connection, or, if that is a trusted proxy, the one that
    /// the proxy wrote.
    ///
    /// The list is read from the right, where the trusted proxies wrote. A client can forge
    /// everything left of the first untrusted address. If a proxy wrote no address, its own address
    /// is the result.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.networks.is_empty() {
            return peer.to_canonical();
        }
        let (name, addresses): (_, fn(&[u8]) -> Addresses) = match self.header {
            ProxyHeader::XForwardedFor => ("x-forwarded-for", x_forwarded_for),
            ProxyHeader::Forwarded => ("forwarded", forwarded),
        };
        let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        let mut client = peer.to_canonical();
        for address in lines.into_iter().rev().flat_map(addresses) {
            if !self.networks.iter().any(|network| network.contains(&client)) {
                break;
            }
            let Some(address) = address else { break };
            client = address.to_canonical();
        }
        client
    }
}

/// The addresses of one header line, the last one first; `None` for an element without an address.
type Addresses<'a> = Box<dyn Iterator<Item = Option<IpAddr>> + 'a>;

/// `X-Forwarded-For`, for which no standard exists: addresses, separated by commas.
fn x_forwarded_for(line: &[u8]) -> Addresses<'_> {
    Box::new(line.rsplit(|byte| *byte == b',').map(parse_address))
}

/// An address with or without a port: some proxies write `203.0.113.9:4711` or
/// `[2001:db8::1]:4711`.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.parse().ok();
    bare.or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

/// `Forwarded` (RFC 7239 section 4): elements of pairs, separated by commas.
fn forwarded(line: &[u8]) -> Addresses<'_> {
    let mut rest = Some(line);
    let elements = std::iter::from_fn(move || {
        let (left, last) = split_last(rest?);
        rest = left;
        Some(last)
    });
    Box::new(elements.map(|element| forwarded_for(std::str::from_utf8(element).ok()?)))
}

/// The text before the last comma, and the element after it.
///
/// A comma in a quoted string is not a separator. Quotes are paired from the right, because a
/// client could leave a quote open to hide what the proxies append after it.
fn split_last(line: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut is_quoted = false;
    for (at, byte) in line.iter().enumerate().rev() {
        let (left, right) = (line.get(..at), line.get(at + 1..).unwrap_or_default());
        match byte {
            b'"' if !is_quoted => is_quoted = true,
            b'"' => is_quoted = is_escaped(left.unwrap_or_default()),
            b',' if !is_quoted => return (left, right),
            _ => {}
        }
    }
    (None, line)
}

/// Whether the backslashes before a quote make it part of the string (RFC 9110 section 5.6.4).
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The address of the `for` parameter of an element. `None` for two of them, or for an element with
/// anything but pairs: no known proxy writes that.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let (mut found, mut rest) = (None, element.trim_matches(BLANKS));
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after)?;
        if name.trim_matches(BLANKS).eq_ignore_ascii_case("for") && found.replace(node(&value)?).is_some() {
            return None;
        }
        let after = after.trim_start_matches(BLANKS);
        rest = after.strip_prefix(';').or_else(|| after.is_empty().then_some(after))?;
    }
    found
}

const BLANKS: [char; 2] = [' ', '\t'];

/// A token or a quoted string (RFC 9110 sections 5.6.2 and 5.6.4), and the text after it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()));
        return (!token.is_empty()).then(|| (token.to_owned(), rest));
    };
    let (mut value, mut chars) = (String::new(), quoted.chars());
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            plain => value.push(plain),
        }
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// An address with or without a port (RFC 7239 section 6). `None` for `unknown` and for identifiers
/// that hide an address.
fn node(text: &str) -> Option<IpAddr> {
    let (address, port): (IpAddr, _) = if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        (IpAddr::V6(address.parse().ok()?), port)
    } else {
        let (address, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (IpAddr::V4(address.parse().ok()?), port)
    };
    (port.is_empty() || is_port(port.strip_prefix(':')?)).then_some(address)
}

fn is_port(text: &str) -> bool {
    let is_obfuscated = text.strip_prefix('_').is_some_and(|name| !name.is_empty());
    is_obfuscated && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        || (1..=5).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit())
}
