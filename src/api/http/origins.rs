//! Which origins may use the refresh token's cookie or open a WebSocket.

use axum::http::{HeaderMap, HeaderName, header};
use url::Url;

use crate::api::options::BrowserOptions;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The gateway's own origin, and those of `CORS_ORIGINS`.
#[derive(Debug)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    pub(crate) fn new(options: &BrowserOptions) -> Self {
        let own = Url::parse(&options.public_url).map(|url| url.origin().ascii_serialization());
        Self(options.cors_origins.iter().cloned().chain(own.ok()).collect())
    }

    /// Whether the request comes from a page of these origins, or from no page at all.
    ///
    /// `SameSite` excludes other sites, but every port and subdomain of this host is the same site.
    /// So the decision follows from two headers that no script can set. `Sec-Fetch-Site` (W3C,
    /// Fetch Metadata Request Headers, section 2.3) decides first, then `Origin` (Fetch standard,
    /// "Origin header"), which browsers send with every POST. The OWASP Cross-Site Request Forgery
    /// Prevention Cheat Sheet recommends both. A client that sends neither is not a browser, so it
    /// cannot be made to send a user's cookie.
    pub(crate) fn is_trusted(&self, headers: &HeaderMap) -> bool {
        use SingleHeader::{Absent, Unclear, Value};
        match (
            SingleHeader::of(headers, &SEC_FETCH_SITE),
            SingleHeader::of(headers, &header::ORIGIN),
        ) {
            // The page's own address may differ from PUBLIC_URL, as 127.0.0.1 does from localhost.
            (Value("same-origin"), _) | (Absent | Value("none"), Absent) => true,
            (_, Value(origin)) => self.contains(origin),
            (_, Absent | Unclear) => false,
        }
    }

    /// Whether a WebSocket handshake comes from a page of these origins, or from no page at all.
    ///
    /// CORS does not apply to WebSockets, so a page of any origin can try, and the server must
    /// check (RFC 6455 section 10.2). Every browser sends `Origin` with the handshake (section
    /// 4.1).
    pub(crate) fn is_trusted_handshake(&self, headers: &HeaderMap) -> bool {
        match SingleHeader::of(headers, &header::ORIGIN) {
            SingleHeader::Absent => true,
            SingleHeader::Value(_) | SingleHeader::Unclear => self.is_trusted(headers),
        }
    }

    /// Whether the page comes from the address that the request goes to. GraphiQL's page does, even
    /// if it is opened under another name than `PUBLIC_URL`.
    ///
    /// Chromium sends no `Sec-Fetch-Site` with a handshake, so `Host` has to do. No page can choose
    /// it (Fetch standard, "forbidden request-header").
    pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
        use SingleHeader::{Absent, Unclear, Value};
        match (
            SingleHeader::of(headers, &header::ORIGIN),
            SingleHeader::of(headers, &header::HOST),
        ) {
            (Value(origin), Value(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
            (Value(_) | Absent | Unclear, _) => false,
        }
    }

    fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|known| known == origin)
    }
}

/// A header that a request should have at most once.
enum SingleHeader<'a> {
    Absent,
    Value(&'a str),
    /// The header is there twice, or is not text.
    Unclear,
}

impl<'a> SingleHeader<'a> {
    fn of(headers: &'a HeaderMap, name: &HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => value.to_str().map_or(Self::Unclear, Self::Value),
            (Some(_), Some(_)) => Self::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn example() -> Origins {
        Origins::new(&BrowserOptions {
            public_url: "https://auth.example.com/base".to_owned(),
            cors_origins: vec!["https://app.example.com".to_owned()],
            refresh_token_ttl: Duration::from_hours(1),
        })
    }

    fn headers(sites: &[&str], origins: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for site in sites {
            headers.append(SEC_FETCH_SITE, site.parse().unwrap());
        }
        for origin in origins {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    fn trusts(sites: &[&str], origins: &[&str]) -> bool {
        example().is_trusted(&headers(sites, origins))
    }

    #[test]
    fn pages_of_foreign_origins_are_not_trusted() {
        for (site, origin, is_trusted) in [
            (None, None, true),
            (Some("none"), None, true),
            (Some("same-origin"), None, true),
            (Some("same-origin"), Some("https://127.0.0.1"), true),
            (Some("same-site"), Some("https://app.example.com"), true),
            (Some("cross-site"), Some("https://app.example.com"), true),
            (None, Some("https://app.example.com"), true),
            (None, Some("https://auth.example.com"), true),
            (Some("same-site"), None, false),
            (Some("cross-site"), None, false),
            (Some("cross-site"), Some("https://evil.example"), false),
            (Some("same-site"), Some("https://other.example.com"), false),
            (Some("none"), Some("chrome-extension://abc"), false),
            (Some("Same-Origin"), None, false),
            (None, Some("null"), false),
            (None, Some("http://auth.example.com"), false),
            (None, Some("https://auth.example.com:8443"), false),
            (None, Some("https://auth.example.com.evil.example"), false),
            (None, Some(""), false),
        ] {
            let sites: Vec<&str> = site.into_iter().collect();
            let origins: Vec<&str> = origin.into_iter().collect();
            assert_eq!(trusts(&sites, &origins), is_trusted, "{site:?} {origin:?}");
        }
    }

    #[test]
    fn a_header_that_is_sent_twice_is_not_trusted() {
        let own = "https://auth.example.com";
        assert!(trusts(&[], &[own]));
        assert!(!trusts(&[], &[own, own]));
        assert!(!trusts(&["same-origin", "cross-site"], &[]));
    }

    #[test]
    fn handshakes_of_foreign_pages_are_not_trusted() {
        for (sites, origins, is_trusted) in [
            (&[][..], &[][..], true),
            (&[], &["https://app.example.com"][..], true),
            (&[], &["https://auth.example.com"], true),
            (&["same-origin"], &["https://127.0.0.1"], true),
            (&["cross-site"], &["https://app.example.com"], true),
            (&[], &["https://evil.example"], false),
            (&["cross-site"], &["https://evil.example"], false),
            (&["same-site"], &["https://other.example.com"], false),
            (&[], &["wss://auth.example.com"], false),
            (&[], &["null"], false),
            (&[], &["https://auth.example.com", "https://auth.example.com"], false),
        ] {
            let outcome = example().is_trusted_handshake(&headers(sites, origins));
            assert_eq!(outcome, is_trusted, "{sites:?} {origins:?}");
        }
    }

    #[test]
    fn a_page_is_of_the_same_origin_if_its_origin_is_the_host() {
        for (origins, host, is_same_origin) in [
            (&["http://127.0.0.1:8000"][..], "127.0.0.1:8000", true),
            (&["http://127.0.0.1:8000"], "127.0.0.1", false),
            (&["http://evil.example"], "127.0.0.1:8000", false),
            (&["null"], "null", false),
            (&[], "127.0.0.1:8000", false),
            (&["http://127.0.0.1", "http://127.0.0.1"], "127.0.0.1", false),
        ] {
            let mut headers = headers(&[], origins);
            headers.insert(header::HOST, host.parse().unwrap());
            assert_eq!(Origins::is_same_origin(&headers), is_same_origin, "{origins:?} {host}");
        }
    }
}
