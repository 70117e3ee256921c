//! The refresh token in a cookie, which scripts of a page cannot read.
//!
//! Defines the cookie's name and attributes, where a request's refresh token comes from, and where
//! the next one goes. Only refresh and logout read the cookie. The service decides whether a token
//! is valid.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue, header};

use crate::api::http::error::{ApiError, Result};
use crate::api::http::origins::Origins;
use crate::api::options::BrowserOptions;
use crate::domain;
use crate::domain::Error;
use crate::domain::secret::SecretString;
use crate::service::{LogoutScope, SignedIn};

const NAME: &str = "auth_gateway_refresh";
/// A browser accepts a cookie with the prefix `__Host-` over https only, for one host and all of
/// its paths. So another subdomain cannot set one (draft-ietf-httpbis-rfc6265bis section 4.1.3.2).
pub(crate) const SECURE_NAME: &str = "__Host-auth_gateway_refresh";

/// Where a client keeps its refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TokenMode {
    /// The client stores the token, which it gets in the response body.
    #[default]
    Body,
    /// The browser stores the token in the cookie.
    Cookie,
}

/// The name and attributes of the cookie, and the origins that may use it.
#[derive(Debug)]
pub(crate) struct CookieRules {
    name: &'static str,
    attributes: String,
    max_age: u64,
    origins: Origins,
}

/// The cookie of one request: its value, whether the request may use it, and its change in the
/// response.
#[derive(Debug, Clone)]
pub(crate) struct RefreshCookie {
    rules: Arc<CookieRules>,
    value: CookieValue,
    is_trusted: bool,
    pending_cookie: PendingCookie,
}

/// What the `Cookie` headers of a request contain under the cookie's name.
#[derive(Debug, Clone)]
enum CookieValue {
    Absent,
    Token(SecretString),
    /// Several cookies, of which a browser and a server may choose different ones, or a value that
    /// cannot be a token.
    Unusable,
}

/// The change that the response makes to the cookie.
#[derive(Debug, Clone, Default)]
pub(crate) struct PendingCookie(Arc<Mutex<Option<Change>>>);

#[derive(Debug)]
enum Change {
    Set(HeaderValue),
    Clear(HeaderValue),
}

/// The refresh token of a request.
pub(crate) struct PresentedToken<'a> {
    cookie: &'a RefreshCookie,
    token: Option<SecretString>,
    is_from_cookie: bool,
    /// Where the next refresh token goes.
    pub(crate) mode: TokenMode,
}

impl CookieRules {
    pub(crate) fn new(options: &BrowserOptions) -> Self {
        let is_secure = options.is_https();
        // Lax would only add top-level navigation from other sites, which never needs this cookie.
        // SameSite ignores ports and subdomains: `Origins` decides which origins of the same site
        // may use the cookie.
        let attributes = format!(
            "Path=/; HttpOnly; SameSite=Strict{}",
            if is_secure { "; Secure" } else { "" }
        );
        Self {
            // Browsers refuse the prefix over plain http, which serves development.
            name: if is_secure { SECURE_NAME } else { NAME },
            attributes,
            max_age: options.refresh_token_ttl.as_secs(),
            origins: Origins::new(options),
        }
    }

    fn find(&self, headers: &HeaderMap) -> CookieValue {
        // HTTP/2 may split the cookies over several headers (RFC 9113 section 8.2.3).
        let pairs = headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
        let mut values = pairs.filter_map(|pair| value_of(self.name, pair.trim_ascii()));
        match (values.next(), values.next()) {
            (None, _) => CookieValue::Absent,
            (Some(value), None) => match std::str::from_utf8(value) {
                Ok(text) if !text.is_empty() => CookieValue::Token(SecretString::new(text.to_owned())),
                _ => CookieValue::Unusable,
            },
            (Some(_), Some(_)) => CookieValue::Unusable,
        }
    }

    fn header(&self, value: &str, max_age: u64) -> HeaderValue {
        let text = format!("{}={value}; Max-Age={max_age}; {}", self.name, self.attributes);
        // Refresh tokens are base64url, so this cannot fail.
        let mut header = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }
}

/// The value of a `name=value` pair. A name without `=` has an empty value.
fn value_of<'a>(name: &str, pair: &'a [u8]) -> Option<&'a [u8]> {
    let rest = pair.strip_prefix(name.as_bytes())?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix(b"=")
}

impl RefreshCookie {
    pub(crate) fn of(headers: &HeaderMap, rules: &Arc<CookieRules>, pending_cookie: PendingCookie) -> Self {
        Self {
            rules: rules.clone(),
            value: rules.find(headers),
            is_trusted: rules.origins.is_trusted(headers),
            pending_cookie,
        }
    }

    /// Ignores the cookie, for a WebSocket, which has no response that could set one.
    pub(crate) fn ignore(mut self) -> Self {
        self.value = CookieValue::Absent;
        self
    }

    /// Checks that a request in cookie mode may use the cookie. Done before anything else: a page
    /// of a foreign origin must not sign a browser in either.
    ///
    /// # Errors
    /// `ForbiddenOrigin`.
    pub(crate) fn check_origin(&self, mode: TokenMode) -> Result<()> {
        if mode == TokenMode::Cookie && !self.is_trusted {
            return Err(ApiError::ForbiddenOrigin(
                "Pages of this origin may not use the refresh token's cookie; CORS_ORIGINS names those that may.",
            ));
        }
        Ok(())
    }

    /// The refresh token of a request: the explicit one if there is one, otherwise the cookie's.
    ///
    /// A token from the cookie stays in the cookie, whatever mode the client asks for: a script
    /// that got the next token in a body could steal it.
    ///
    /// # Errors
    /// `ForbiddenOrigin`; `RefreshTokenInvalid` for a cookie that cannot be a token, and for a
    /// missing cookie in cookie mode.
    pub(crate) fn present(&self, given: Option<String>, mode: TokenMode) -> Result<PresentedToken<'_>> {
        let (token, is_from_cookie) = match (given, &self.value) {
            (Some(given), _) => (Some(SecretString::new(given)), false),
            (None, CookieValue::Token(token)) => (Some(token.clone()), true),
            (None, CookieValue::Unusable) => {
                self.check_origin(TokenMode::Cookie)?;
                self.clear();
                return Err(Error::RefreshTokenInvalid.into());
            }
            (None, CookieValue::Absent) if mode == TokenMode::Cookie => {
                self.check_origin(mode)?;
                return Err(Error::RefreshTokenInvalid.into());
            }
            (None, CookieValue::Absent) => (None, false),
        };
        let mode = if is_from_cookie { TokenMode::Cookie } else { mode };
        self.check_origin(mode)?;
        Ok(PresentedToken {
            cookie: self,
            token,
            is_from_cookie,
            mode,
        })
    }

    /// Puts the refresh token into the cookie, or returns it for the body.
    pub(crate) fn deliver(&self, mode: TokenMode, signed_in: &SignedIn) -> Option<String> {
        let token = signed_in.tokens.refresh.expose();
        match mode {
            TokenMode::Body => Some(token.to_owned()),
            TokenMode::Cookie => {
                let header = self.rules.header(token, self.rules.max_age);
                self.pending_cookie.put(Change::Set(header));
                None
            }
        }
    }

    fn clear(&self) {
        self.pending_cookie.put(Change::Clear(self.rules.header("", 0)));
    }
}

impl PresentedToken<'_> {
    /// The token, for the first call only.
    pub(crate) fn take(&mut self) -> Option<SecretString> {
        self.token.take()
    }

    /// Passes on the outcome, and clears a cookie whose token the service rejected.
    pub(crate) fn clear_if_rejected<T>(&self, outcome: domain::Result<T>) -> domain::Result<T> {
        let is_rejected = matches!(outcome, Err(Error::RefreshTokenInvalid | Error::RefreshTokenReused));
        if self.is_from_cookie && is_rejected {
            self.cookie.clear();
        }
        outcome
    }

    /// The same for a logout, which also clears the cookie of a session that it ends.
    pub(crate) fn clear_after_logout(&self, scope: LogoutScope, outcome: domain::Result<()>) -> domain::Result<()> {
        self.clear_if_rejected(outcome)?;
        if self.is_from_cookie && scope != LogoutScope::Others {
            self.cookie.clear();
        }
        Ok(())
    }
}

impl PendingCookie {
    /// A request can hold several operations, but a response sets a cookie once (RFC 6265 section
    /// 4.1.1). The last sign-in counts, and clearing the request's own cookie does not undo it.
    fn put(&self, change: Change) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!((&*current, &change), (Some(Change::Set(_)), Change::Clear(_))) {
            *current = Some(change);
        }
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let change = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Change::Set(header) | Change::Clear(header)) = change {
            headers.append(header::SET_COOKIE, header);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rules(public_url: &str) -> CookieRules {
        CookieRules::new(&BrowserOptions {
            public_url: public_url.to_owned(),
            cors_origins: Vec::new(),
            refresh_token_ttl: Duration::from_hours(1),
        })
    }

    #[test]
    fn exactly_one_cookie_of_the_name_is_used() {
        let rules = rules("http://localhost:8000");
        let found = |lines: &[&[u8]]| {
            let lines = lines
                .iter()
                .map(|line| (header::COOKIE, HeaderValue::from_bytes(line).unwrap()));
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(name, value);
            }
            match rules.find(&headers) {
                CookieValue::Absent => "absent".to_owned(),
                CookieValue::Unusable => "unusable".to_owned(),
                CookieValue::Token(token) => token.expose().to_owned(),
            }
        };
        assert_eq!(found(&[b"auth_gateway_refresh=x"]), "x");
        assert_eq!(found(&[b"a=1; auth_gateway_refresh=x=y; b=2"]), "x=y");
        assert_eq!(found(&[b"a=1", b"auth_gateway_refresh=x"]), "x");
        assert_eq!(
            found(&[b"a=\xff;auth_gateway_refresh=x"]),
            "x",
            "other cookies may have any value"
        );
        assert_eq!(found(&[]), "absent");
        assert_eq!(
            found(&[b"auth_gateway_refresher=x; Auth_gateway_refresh=y; a=auth_gateway_refresh=z"]),
            "absent"
        );
        assert_eq!(found(&[b"__Host-auth_gateway_refresh=x"]), "absent");
        assert_eq!(found(&[b"auth_gateway_refresh="]), "unusable");
        assert_eq!(found(&[b"auth_gateway_refresh"]), "unusable");
        assert_eq!(found(&[b"auth_gateway_refresh=\xff"]), "unusable");
        assert_eq!(found(&[b"auth_gateway_refresh=x; auth_gateway_refresh=x"]), "unusable");
        assert_eq!(
            found(&[b"auth_gateway_refresh=x", b"auth_gateway_refresh="]),
            "unusable"
        );
    }

    #[test]
    fn clearing_the_old_cookie_does_not_undo_a_sign_in() {
        let change = |pending_cookie: PendingCookie| {
            let mut headers = HeaderMap::new();
            pending_cookie.write(&mut headers);
            headers.get_all(header::SET_COOKIE).iter().cloned().collect::<Vec<_>>()
        };
        let set = || Change::Set(HeaderValue::from_static("set"));
        let clear = || Change::Clear(HeaderValue::from_static("clear"));
        for (changes, left) in [
            (vec![set(), clear()], "set"),
            (vec![clear(), set()], "set"),
            (vec![clear()], "clear"),
        ] {
            let pending_cookie = PendingCookie::default();
            for change in changes {
                pending_cookie.put(change);
            }
            assert_eq!(change(pending_cookie), [left]);
        }
    }
}
