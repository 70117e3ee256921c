//! The client's address, as our own proxies tell it.
//!
//! A proxy appends what it saw to one header, and passes every other one on as the client made it up. So the operator names the header
//! that the proxies write, and no other is ever read.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use crate::domain::client::ProxyHeader;

/// Who is believed, and in which header.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// The networks of our proxies.
    pub networks: Vec<IpNet>,
    /// What all of them write.
    pub header: ProxyHeader,
}

impl Proxies {
    /// The client's address: that of the connection, or, as long as that is a trusted proxy's, the one that the proxy saw. The list is
    /// read from the right, where our own proxies wrote; what stands left of the first untrusted address, anybody may have made up. A
    /// proxy that hides what it saw, or writes no address, ends the walk: then its own address has to do.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.networks.is_empty() {
            return peer.to_canonical();
        }
        let (name, hops): (_, fn(&[u8]) -> Hops) = match self.header {
            ProxyHeader::XForwardedFor => ("x-forwarded-for", listed),
            ProxyHeader::Forwarded => ("forwarded", elements),
        };
        let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        let mut client = peer.to_canonical();
        for hop in lines.into_iter().rev().flat_map(hops) {
            if !self.networks.iter().any(|network| network.contains(&client)) {
                break;
            }
            let Some(seen) = hop else { break };
            client = seen.to_canonical();
        }
        client
    }
}

/// What the proxies saw, the last one first; `None` where it is no address.
type Hops<'a> = Box<dyn Iterator<Item = Option<IpAddr>> + 'a>;

/// `X-Forwarded-For`, for which no standard exists: addresses, separated by commas.
fn listed(line: &[u8]) -> Hops<'_> {
    Box::new(line.rsplit(|byte| *byte == b',').map(address))
}

/// An address with or without a port: some proxies write `203.0.113.9:4711` or `[2001:db8::1]:4711`.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.parse().ok();
    bare.or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

/// `Forwarded` (RFC 7239 section 4): elements of pairs, separated by commas.
fn elements(line: &[u8]) -> Hops<'_> {
    let mut rest = Some(line);
    let split = std::iter::from_fn(move || {
        let (left, last) = split_last(rest?);
        rest = left;
        Some(last)
    });
    Box::new(split.map(|element| seen(std::str::from_utf8(element).ok()?)))
}

/// The last element, and what stands left of its comma. A comma in a quoted string separates nothing, and quotes are paired from the
/// right: one that a client left open must not swallow what our proxies wrote behind it.
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

/// Whether what stands before a quote makes it a part of the string (RFC 9110 section 5.6.4).
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The address of the one `for` in an element. Of two, or beside anything that is no pair, none counts: who wrote that is no proxy that
/// we understand.
fn seen(element: &str) -> Option<IpAddr> {
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

/// A token or a quoted string (RFC 9110 sections 5.6.2 and 5.6.4), and what follows it.
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

/// RFC 7239 section 6: an address with or without a port. `unknown` and the identifiers that hide an address are none.
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
    let is_hidden = text.strip_prefix('_').is_some_and(|hidden| !hidden.is_empty());
    is_hidden && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        || (1..=5).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit())
}
