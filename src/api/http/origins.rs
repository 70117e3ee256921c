//! Which pages may use the refresh token's cookie, or open a WebSocket.

use axum::http::{HeaderMap, HeaderName, header};
use url::Url;

use crate::api::options::BrowserOptions;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origins whose pages may: the gateway's own, and those of `CORS_ORIGINS`.
#[derive(Debug)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    pub(crate) fn new(options: &BrowserOptions) -> Self {
        let own = Url::parse(&options.public_url).map(|url| url.origin().ascii_serialization());
        Self(options.cors_origins.iter().cloned().chain(own.ok()).collect())
    }

    /// Whether the request comes from a page of these, or from no page at all.
    ///
    /// `SameSite` keeps other sites out, but every port and every subdomain of ours is the same site. So the browser is asked, in
    /// headers that no script can set: `Sec-Fetch-RequestHandler` (W3C, Fetch Metadata Request Headers, section 2.3) and, where that does not
    /// settle it, `Origin` (Fetch standard, "Origin header"), which it sends with every POST. The OWASP Cross-RequestHandler Request Forgery
    /// Prevention Cheat Sheet recommends both. Who sends neither is no browser, and has no cookie but its own.
    pub(crate) fn trust(&self, headers: &HeaderMap) -> bool {
        match (Said::by(headers, &SEC_FETCH_SITE), Said::by(headers, &header::ORIGIN)) {
            // The page's own address may differ from PUBLIC_URL: 127.0.0.1 for localhost, say.
            (Said::Once("same-origin"), _) | (Said::Nothing | Said::Once("none"), Said::Nothing) => true,
            (_, Said::Once(origin)) => self.has(origin),
            (_, Said::Nothing | Said::Unclear) => false,
        }
    }

    /// Whether the handshake of a WebSocket comes from a page of these, or from no page at all.
    ///
    /// CORS does not hold for WebSockets, so any page may try, and the server must ask (RFC 6455 section 10.2). Every browser sends
    /// `Origin` with the handshake (section 4.1); the rest is as above.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> bool {
        match Said::by(headers, &header::ORIGIN) {
            Said::Nothing => true,
            Said::Once(_) | Said::Unclear => self.trust(headers),
        }
    }

    /// Whether the page comes from the very address that it asks: GraphiQL's, which may be opened by another name than `PUBLIC_URL`'s.
    /// Chromium sends no `Sec-Fetch-RequestHandler` with a handshake, so `Host` must tell; no page can choose it (Fetch standard, "forbidden
    /// request-header").
    pub(crate) fn is_from_here(headers: &HeaderMap) -> bool {
        match (Said::by(headers, &header::ORIGIN), Said::by(headers, &header::HOST)) {
            (Said::Once(origin), Said::Once(host)) => origin.split_once("://").is_some_and(|(_, from)| from == host),
            (Said::Once(_) | Said::Nothing | Said::Unclear, _) => false,
        }
    }

    fn has(&self, origin: &str) -> bool {
        self.0.iter().any(|ours| ours == origin)
    }
}

/// What a header says that may stand in a request once.
enum Said<'a> {
    Nothing,
    Once(&'a str),
    Unclear,
}

impl<'a> Said<'a> {
    fn by(headers: &'a HeaderMap, name: &HeaderName) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Nothing,
            (Some(value), None) => value.to_str().map_or(Self::Unclear, Self::Once),
            (Some(_), Some(_)) => Self::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ours() -> Origins {
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
        ours().trust(&headers(sites, origins))
    }

    #[test]
    fn browsers_say_where_a_request_comes_from() {
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
    fn what_is_said_twice_is_not_believed() {
        let ours = "https://auth.example.com";
        assert!(trusts(&[], &[ours]));
        assert!(!trusts(&[], &[ours, ours]));
        assert!(!trusts(&["same-origin", "cross-site"], &[]));
    }

    #[test]
    fn a_handshake_of_no_page_or_of_ours_is_admitted() {
        for (sites, origins, is_admitted) in [
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
            let admitted = ours().admit(&headers(sites, origins));
            assert_eq!(admitted, is_admitted, "{sites:?} {origins:?}");
        }
    }

    #[test]
    fn a_page_from_here_has_our_own_address() {
        for (origins, host, is_from_here) in [
            (&["http://127.0.0.1:8000"][..], "127.0.0.1:8000", true),
            (&["http://127.0.0.1:8000"], "127.0.0.1", false),
            (&["http://evil.example"], "127.0.0.1:8000", false),
            (&["null"], "null", false),
            (&[], "127.0.0.1:8000", false),
            (&["http://127.0.0.1", "http://127.0.0.1"], "127.0.0.1", false),
        ] {
            let mut headers = headers(&[], origins);
            headers.insert(header::HOST, host.parse().unwrap());
            assert_eq!(Origins::is_from_here(&headers), is_from_here, "{origins:?} {host}");
        }
    }
}
