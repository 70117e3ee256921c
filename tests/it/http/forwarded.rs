//! The client's address behind proxies: only what trusted proxies wrote counts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use auth_gateway::api::Proxies;
use auth_gateway::domain::client::ProxyHeader;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::harness::{Api, AttackReport, Backend, TestApp, http, raw};

const HEADERS: [ProxyHeader; 2] = [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded];
const CASES: u32 = 2_000;

fn name(header: ProxyHeader) -> HeaderName {
    HeaderName::from_static(match header {
        ProxyHeader::XForwardedFor => "x-forwarded-for",
        ProxyHeader::Forwarded => "forwarded",
    })
}

/// Trusts the proxies in `10.0.0.0/8` and `fd00::/8`.
fn proxies(header: ProxyHeader) -> Proxies {
    let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
    Proxies {
        networks: networks.into(),
        header,
    }
}

fn client(header: ProxyHeader, peer: &str, lines: &[&str]) -> String {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name(header), HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    proxies(header).client(peer.parse().unwrap(), &headers).to_string()
}

#[test]
fn a_direct_client_cannot_choose_its_address() {
    let untrusted_address = |header, line| client(header, "203.0.113.9", &[line]);
    assert_eq!(
        untrusted_address(ProxyHeader::XForwardedFor, "198.51.100.1"),
        "203.0.113.9"
    );
    assert_eq!(
        untrusted_address(ProxyHeader::Forwarded, "for=198.51.100.1"),
        "203.0.113.9"
    );
    let no_proxies = Proxies::default();
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-for", HeaderValue::from_static("198.51.100.1"));
    assert_eq!(
        no_proxies.client("10.0.0.1".parse().unwrap(), &headers).to_string(),
        "10.0.0.1"
    );
}

#[test]
fn x_forwarded_for_is_read_from_the_right() {
    for (lines, expected) in [
        (vec!["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        (vec!["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (vec!["203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        (vec!["203.0.113.9:4711"], "203.0.113.9"),
        (vec!["[2001:db8::1]:4711"], "2001:db8::1"),
        (vec!["[2001:db8::1]"], "2001:db8::1"),
        (vec!["::ffff:203.0.113.9"], "203.0.113.9"),
        (vec!["\u{e9}, 203.0.113.9"], "203.0.113.9"),
        (vec!["nonsense"], "10.0.0.1"),
        (vec!["203.0.113.9, nonsense"], "10.0.0.1"),
        (vec!["203.0.113.9,"], "10.0.0.1"),
        (vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (vec![""], "10.0.0.1"),
        (vec![], "10.0.0.1"),
    ] {
        assert_eq!(
            client(ProxyHeader::XForwardedFor, "10.0.0.1", &lines),
            expected,
            "{lines:?}"
        );
    }
    assert_eq!(
        client(ProxyHeader::XForwardedFor, "::ffff:10.0.0.1", &["203.0.113.9"]),
        "203.0.113.9"
    );
}

/// Most lines are the examples of RFC 7239 sections 4 and 6.
#[test]
fn forwarded_is_read_from_the_right_as_in_rfc_7239() {
    for (lines, expected) in [
        (vec!["for=192.0.2.43"], "192.0.2.43"),
        (vec![r#"For="[2001:db8:cafe::17]:4711""#], "2001:db8:cafe::17"),
        (vec!["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60"),
        (
            vec!["proto=http; FOR=192.0.2.60 ;host=\"a;for=1.2.3.4\";"],
            "192.0.2.60",
        ),
        (vec!["for=192.0.2.43, for=198.51.100.17"], "198.51.100.17"),
        (vec!["for=192.0.2.43, for=10.0.0.2"], "192.0.2.43"),
        (vec!["for=192.0.2.43", "for=10.0.0.2"], "192.0.2.43"),
        (vec![r#"for="192.0.2.43:47011""#], "192.0.2.43"),
        (vec![r#"for="192.0.2.43:_secret""#], "192.0.2.43"),
        (vec![r#"for="[2001:db8::1]""#], "2001:db8::1"),
        (vec![r#"for="\1\9\2.0.2.43""#], "192.0.2.43"),
        (vec![r#"host="a, b\", c";for=192.0.2.43"#], "192.0.2.43"),
        (vec![r#"for=192.0.2.43;host="a\\""#], "192.0.2.43"),
        // The proxy at 10.0.0.1 wrote no usable address, so its own address counts.
        (vec!["for=192.0.2.43, for=unknown"], "10.0.0.1"),
        (vec!["for=192.0.2.43, for=_hidden"], "10.0.0.1"),
        (vec![r#"for=192.0.2.43, for="_gazonk""#], "10.0.0.1"),
        (vec!["for=192.0.2.43, for=_SEVKISEK, for=10.0.0.2"], "10.0.0.2"),
        (vec!["by=192.0.2.43"], "10.0.0.1"),
        (vec!["for=192.0.2.43;for=192.0.2.44"], "10.0.0.1"),
        (vec!["for=192.0.2.43:80"], "10.0.0.1"),
        (vec!["for=[2001:db8::1]"], "10.0.0.1"),
        (vec![r#"for="2001:db8::1""#], "10.0.0.1"),
        (vec![r#"for="[192.0.2.43]""#], "10.0.0.1"),
        (vec![r#"for="192.0.2.43:123456""#], "10.0.0.1"),
        (vec![r#"for="192.0.2.43:""#], "10.0.0.1"),
        (vec![r#"for="192.0.2.43"#], "10.0.0.1"),
        (vec!["for=192.0.2.43;nonsense"], "10.0.0.1"),
        (vec!["for="], "10.0.0.1"),
        (vec!["192.0.2.43"], "10.0.0.1"),
        (vec![""], "10.0.0.1"),
        (vec![], "10.0.0.1"),
        // A quoted string without its end.
        (vec![r#"for="1.2.3.4, for=192.0.2.43"#], "192.0.2.43"),
        (vec![r#"for="1.2.3.4\, for="[2001:db8::1]""#], "2001:db8::1"),
        (vec![r#"\", for=192.0.2.43"#], "192.0.2.43"),
    ] {
        assert_eq!(
            client(ProxyHeader::Forwarded, "10.0.0.1", &lines),
            expected,
            "{lines:?}"
        );
    }
}

/// Checks a property with many cases and reports their number.
fn property<S: Strategy>(suite: &'static str, strategy: &S, holds: impl Fn(S::Value) -> TestCaseResult) {
    let mut report = AttackReport::new(suite);
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    if let Err(error) = TestRunner::new(config).run(strategy, holds) {
        report.accepted(error.to_string());
    }
    report.tried(CASES as usize);
    report.finish();
}

/// Any value of a header, often similar to a real one.
fn forged_value() -> impl Strategy<Value = HeaderValue> {
    let plausible = prop::collection::vec(
        prop::sample::select(vec![
            "for=",
            "For=",
            "by=",
            "host=",
            "\"",
            "\\",
            "\\\"",
            ",",
            ", ",
            ";",
            "=",
            "[",
            "]",
            ":",
            " ",
            "\t",
            "unknown",
            "_x",
            "10.0.0.1",
            "10.0.0.2",
            "198.51.100.1",
            "fd00::1",
            "[fd00::1]",
            "[2001:db8::1]:80",
            "for=10.0.0.1",
            "for=\"[fd00::1]\"",
            "for=198.51.100.1",
            "\u{e9}",
        ]),
        0..12,
    );
    let plausible = plausible.prop_map(|pieces| pieces.concat().into_bytes());
    let any = prop::collection::vec(any::<u8>(), 0..80);
    prop_oneof![plausible, any].prop_filter_map("not a header value", |bytes| HeaderValue::from_bytes(&bytes).ok())
}

fn forged_headers() -> impl Strategy<Value = HeaderMap> {
    let names = [
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "x-client-ip",
        "true-client-ip",
        "via",
    ];
    let line = (prop::sample::select(names.to_vec()), forged_value());
    prop::collection::vec(line, 0..6).prop_map(|lines| {
        let lines = lines
            .into_iter()
            .map(|(name, value)| (HeaderName::from_static(name), value));
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        headers
    })
}

/// An address that is no trusted proxy.
fn untrusted_address() -> impl Strategy<Value = IpAddr> {
    let v4 = any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from(bits)));
    let v6 = any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from(bits)).to_canonical());
    let is_untrusted = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.octets()[0] != 10,
        IpAddr::V6(address) => address.octets()[0] != 0xfd,
    };
    prop_oneof![v4, v6].prop_filter("a trusted proxy", is_untrusted)
}

fn proxy() -> impl Strategy<Value = IpAddr> {
    let v4 = any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::from([10, b, c, d]));
    let v6 = any::<u64>().prop_map(|bits| IpAddr::from(Ipv6Addr::from((0xfd << 120) | u128::from(bits))));
    prop_oneof![v4, v6]
}

/// How a proxy may write an address into its header.
fn written(header: ProxyHeader, address: IpAddr, manner: u8) -> String {
    let bracketed = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    match (header, manner % 4) {
        (ProxyHeader::XForwardedFor, 0) => format!("{bracketed}:4711"),
        (ProxyHeader::XForwardedFor, 1) => bracketed,
        (ProxyHeader::XForwardedFor, _) => address.to_string(),
        (ProxyHeader::Forwarded, 0) => format!("for=\"{bracketed}:4711\""),
        (ProxyHeader::Forwarded, 1) => format!("proto=https;host=\"a, \\\"b\\\\\";For=\"{bracketed}\""),
        (ProxyHeader::Forwarded, 2) => format!("FOR=\"{bracketed}:_obscure\";by=_us"),
        (ProxyHeader::Forwarded, _) if address.is_ipv4() => format!("for={address}"),
        (ProxyHeader::Forwarded, _) => format!("for=\"{bracketed}\""),
    }
}

#[test]
fn a_forged_header_never_changes_the_address_of_a_direct_client() {
    for header in HEADERS {
        property(
            "forwarded-direct",
            &(untrusted_address(), forged_headers()),
            |(peer, forged)| {
                prop_assert_eq!(proxies(header).client(peer, &forged), peer.to_canonical());
                Ok(())
            },
        );
    }
}

/// One to four proxies, each of which appends to the last header line or adds a line.
#[test]
fn a_forged_header_changes_nothing_behind_trusted_proxies() {
    let hop = || (proxy(), any::<u8>(), any::<bool>());
    let way = (
        untrusted_address(),
        prop::collection::vec(hop(), 1..5),
        forged_headers(),
    );
    for header in HEADERS {
        property("forwarded-behind", &way, |(client, way, forged)| {
            let (mut headers, mut seen) = (forged.clone(), client);
            for (proxy, manner, is_new_line) in way {
                append(&mut headers, header, &written(header, seen, manner), is_new_line);
                seen = proxy;
            }
            prop_assert_eq!(proxies(header).client(seen, &headers), client, "{:?}", headers);
            Ok(())
        });
    }
}

/// Adds an address as a proxy does.
fn append(headers: &mut HeaderMap, header: ProxyHeader, written: &str, is_new_line: bool) {
    let mut lines: Vec<HeaderValue> = headers.get_all(name(header)).iter().cloned().collect();
    match lines.pop() {
        Some(last) if !is_new_line => {
            let joined = [last.as_bytes(), b", ", written.as_bytes()].concat();
            lines.push(HeaderValue::from_bytes(&joined).unwrap());
        }
        last => lines.extend(last.into_iter().chain([HeaderValue::from_str(written).unwrap()])),
    }
    headers.remove(name(header));
    for line in lines {
        headers.append(name(header), line);
    }
}

/// The address from the configured header is the address in the list of sessions.
#[tokio::test]
async fn only_the_configured_proxy_header_is_read() {
    for (options, expected) in [
        (&["--trusted-proxies=127.0.0.0/8"][..], "203.0.113.1"),
        (
            &["--trusted-proxies=127.0.0.0/8", "--proxy-header=forwarded"],
            "203.0.113.2",
        ),
        (&["--proxy-header=forwarded"], "127.0.0.1"),
        (&[], "127.0.0.1"),
    ] {
        let app = TestApp::with(Backend::Sqlite, Api::Rest, options).await;
        app.john().await;
        let login = http()
            .post(app.url("/auth/login"))
            .header("x-forwarded-for", "198.51.100.1, 203.0.113.1")
            .header("forwarded", "for=198.51.100.2, for=203.0.113.2")
            .header("x-real-ip", "198.51.100.3");
        let body = serde_json::json!({"username": "johndoe", "password": "Password@123"});
        let (_, _, signed_in) = raw(login.json(&body)).await;
        let token = signed_in["token"]["access_token"].as_str().unwrap();
        let sessions = app.client().sessions(token).await.unwrap();
        let own = sessions.iter().find(|session| session["current"] == true).unwrap();
        assert_eq!(own["ip"], expected, "{options:?}");
    }
}
