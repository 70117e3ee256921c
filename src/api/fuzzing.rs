//! Fuzzes the parsing of headers and bodies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::api::http::forwarded::Proxies;
use crate::api::{graphql, rest};
use crate::domain::client::ProxyHeader;

pub use graphql::fuzzing::document as graphql_document;

/// A trusted proxy, and two clients outside the trusted networks.
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENTS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// Parses a body as every operation of both APIs does.
///
/// # Panics
/// When the parsed values differ from the body, or a refusal is not an error of the client.
pub fn request_body(data: &[u8]) {
    rest::fuzzing::body(data);
    graphql::fuzzing::body(data);
}

/// Parses what a client writes into the proxies' header, line by line.
///
/// # Panics
/// When a forged header changes the client's address.
pub fn forwarded(data: &[u8]) {
    for (header, name) in [
        (ProxyHeader::XForwardedFor, "x-forwarded-for"),
        (ProxyHeader::Forwarded, "forwarded"),
    ] {
        let name = HeaderName::from_static(name);
        let lines: Vec<HeaderValue> = data
            .split(|byte| *byte == b'\n')
            .filter_map(|line| HeaderValue::from_bytes(line).ok())
            .collect();
        for client in CLIENTS {
            assert_eq!(
                trusting(&[], header).client(client, &headers(&name, &lines)),
                client,
                "no proxy is trusted"
            );
            let proxies = trusting(&[PROXY], header);
            assert_eq!(
                proxies.client(client, &headers(&name, &lines)),
                client,
                "the peer is not trusted"
            );
            for written in appended(&lines, &element(header, client)) {
                assert_eq!(proxies.client(PROXY, &headers(&name, &written)), client, "{written:?}");
            }
        }
        // Whatever a trusted proxy passes on, parsing must not panic.
        let _any = trusting(&[PROXY], header).client(PROXY, &headers(&name, &lines));
    }
}

fn trusting(addresses: &[IpAddr], header: ProxyHeader) -> Proxies {
    Proxies {
        networks: addresses.iter().copied().map(IpNet::from).collect(),
        header,
    }
}

fn element(header: ProxyHeader, client: IpAddr) -> String {
    match (header, client) {
        (ProxyHeader::XForwardedFor, _) => client.to_string(),
        (ProxyHeader::Forwarded, IpAddr::V4(_)) => format!("for={client}"),
        (ProxyHeader::Forwarded, IpAddr::V6(_)) => format!("for=\"[{client}]\""),
    }
}

/// The client's lines with the proxy's element. A proxy adds a line, or appends to the last one.
fn appended(lines: &[HeaderValue], element: &str) -> Vec<Vec<HeaderValue>> {
    let own = HeaderValue::from_str(element).ok();
    let mut written = vec![lines.iter().cloned().chain(own).collect()];
    if let Some((last, before)) = lines.split_last() {
        let last = HeaderValue::from_bytes(&[last.as_bytes(), b", ", element.as_bytes()].concat()).ok();
        written.push(before.iter().cloned().chain(last).collect());
    }
    written
}

fn headers(name: &HeaderName, lines: &[HeaderValue]) -> HeaderMap {
    lines.iter().map(|line| (name.clone(), line.clone())).collect()
}
