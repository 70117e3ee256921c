//! The refresh token in a cookie, for pages: their scripts then never see it.
//!
//! Owns the cookie's name and attributes, and the way that a request's refresh token and its successor take.
//! Both doors ask here, at refresh and logout alone; nothing else reads the cookie. Whether a token is any good is the service's
//! business.

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
/// A browser takes a cookie with this prefix over https alone, for this one host and all of its paths: no neighbour on a subdomain
/// can plant one (RFC 6265bis, draft-ietf-httpbis-rfc6265bis section 4.1.3.2).
pub(crate) const SECURE_NAME: &str = "__Host-auth_gateway_refresh";

/// Where a client keeps its refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TokenMode {
    /// In its own hands: the token stands in the body.
    #[default]
    Body,
    /// In the cookie.
    Cookie,
}

/// What is the same for every request.
#[derive(Debug)]
pub(crate) struct CookieRules {
    name: &'static str,
    attributes: String,
    max_age: u64,
    origins: Origins,
}

/// The cookie of one request: what it holds, whether the request may use it, and what the answer does to it.
#[derive(Debug, Clone)]
pub(crate) struct RefreshCookie {
    rules: Arc<CookieRules>,
    found: Found,
    is_trusted: bool,
    pending_cookie: PendingCookie,
}

/// What the `Cookie` headers of a request hold under our name.
#[derive(Debug, Clone)]
enum Found {
    Nothing,
    One(SecretString),
    /// Several, or one that can be no token. Which of several counts, a browser and a server need not agree on.
    Unusable,
}

/// What the answer is to set.
#[derive(Debug, Clone, Default)]
pub(crate) struct PendingCookie(Arc<Mutex<Option<Change>>>);

#[derive(Debug)]
enum Change {
    Set(HeaderValue),
    Clear(HeaderValue),
}

/// The refresh token that a request presents.
pub(crate) struct Presented<'a> {
    cookie: &'a RefreshCookie,
    token: Option<SecretString>,
    is_from_cookie: bool,
    /// Where its successor goes.
    pub(crate) mode: TokenMode,
}

impl CookieRules {
    pub(crate) fn new(options: &BrowserOptions) -> Self {
        let is_secure = options.is_https();
        // Strict, where Lax would add nothing but top-level visits from other sites, and no page of ours wants the cookie. Neither
        // depends on the port: who may use the cookie among the origins of one site is `Origins`' business.
        let attributes = format!(
            "Path=/; HttpOnly; SameSite=Strict{}",
            if is_secure { "; Secure" } else { "" }
        );
        Self {
            // Browsers refuse the prefix over plain http, which is for development.
            name: if is_secure { SECURE_NAME } else { NAME },
            attributes,
            max_age: options.refresh_token_ttl.as_secs(),
            origins: Origins::new(options),
        }
    }

    fn find(&self, headers: &HeaderMap) -> Found {
        // HTTP/2 may split the list over several headers (RFC 9113 section 8.2.3).
        let pairs = headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
        let mut values = pairs.filter_map(|pair| value_of(self.name, pair.trim_ascii()));
        match (values.next(), values.next()) {
            (None, _) => Found::Nothing,
            (Some(value), None) => match std::str::from_utf8(value) {
                Ok(text) if !text.is_empty() => Found::One(SecretString::new(text.to_owned())),
                _ => Found::Unusable,
            },
            (Some(_), Some(_)) => Found::Unusable,
        }
    }

    fn header(&self, value: &str, max_age: u64) -> HeaderValue {
        let text = format!("{}={value}; Max-Age={max_age}; {}", self.name, self.attributes);
        // Our own tokens are base64url, so this cannot fail.
        let mut header = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }
}

/// The value of a `name=value` pair; a name alone has an empty one.
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
            found: rules.find(headers),
            is_trusted: rules.origins.trust(headers),
            pending_cookie,
        }
    }

    /// The same where there is no answer that could set a cookie.
    pub(crate) fn out_of_reach(mut self) -> Self {
        self.found = Found::Nothing;
        self
    }

    /// Makes sure, before anything is done, that a request which wants the cookie may have it: a foreign page must not sign a browser
    /// in either.
    ///
    /// # Errors
    /// `ForbiddenOrigin`.
    pub(crate) fn check(&self, mode: TokenMode) -> Result<()> {
        if mode == TokenMode::Cookie && !self.is_trusted {
            return Err(ApiError::ForbiddenOrigin(
                "Pages of this origin may not use the refresh token's cookie; CORS_ORIGINS names those that may.",
            ));
        }
        Ok(())
    }

    /// The refresh token of a request: the one that was given explicitly, else the cookie's. A token that came by cookie goes back by
    /// cookie, whatever the client asks for: a script that could have it in the body could steal it.
    ///
    /// # Errors
    /// `ForbiddenOrigin`; `RefreshTokenInvalid` for a cookie that can be no token, and for none where the client says that it has one.
    pub(crate) fn present(&self, given: Option<String>, mode: TokenMode) -> Result<Presented<'_>> {
        let (token, is_from_cookie) = match (given, &self.found) {
            (Some(given), _) => (Some(SecretString::new(given)), false),
            (None, Found::One(token)) => (Some(token.clone()), true),
            (None, Found::Unusable) => {
                self.check(TokenMode::Cookie)?;
                self.forget();
                return Err(Error::RefreshTokenInvalid.into());
            }
            (None, Found::Nothing) if mode == TokenMode::Cookie => {
                self.check(mode)?;
                return Err(Error::RefreshTokenInvalid.into());
            }
            (None, Found::Nothing) => (None, false),
        };
        let mode = if is_from_cookie { TokenMode::Cookie } else { mode };
        self.check(mode)?;
        Ok(Presented {
            cookie: self,
            token,
            is_from_cookie,
            mode,
        })
    }

    /// Hands a refresh token out: into the cookie, or to the caller for the body.
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

    fn forget(&self) {
        self.pending_cookie.put(Change::Clear(self.rules.header("", 0)));
    }
}

impl Presented<'_> {
    /// The token, once.
    pub(crate) fn take(&mut self) -> Option<SecretString> {
        self.token.take()
    }

    /// Passes on what the service made of the token; a cookie that is good for nothing any more goes.
    pub(crate) fn clear_if_rejected<T>(&self, outcome: domain::Result<T>) -> domain::Result<T> {
        let is_useless = matches!(outcome, Err(Error::RefreshTokenInvalid | Error::RefreshTokenReused));
        if self.is_from_cookie && is_useless {
            self.cookie.forget();
        }
        outcome
    }

    /// The same for a logout: the cookie goes with its session.
    pub(crate) fn logged_out(&self, scope: LogoutScope, outcome: domain::Result<()>) -> domain::Result<()> {
        self.clear_if_rejected(outcome)?;
        if self.is_from_cookie && scope != LogoutScope::Others {
            self.cookie.forget();
        }
        Ok(())
    }
}

impl PendingCookie {
    /// One request can hold several operations, and an answer sets a cookie once (RFC 6265 section 4.1.1). The last sign-in counts, and what
    /// becomes of the cookie that the request came with does not undo it.
    fn put(&self, change: Change) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!((&*kept, &change), (Some(Change::Set(_)), Change::Clear(_))) {
            *kept = Some(change);
        }
    }

    /// Writes the change to the answer.
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
    fn one_cookie_of_the_name_is_found_among_others() {
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
                Found::Nothing => "nothing".to_owned(),
                Found::Unusable => "unusable".to_owned(),
                Found::One(token) => token.expose().to_owned(),
            }
        };
        assert_eq!(found(&[b"auth_gateway_refresh=x"]), "x");
        assert_eq!(found(&[b"a=1; auth_gateway_refresh=x=y; b=2"]), "x=y");
        assert_eq!(found(&[b"a=1", b"auth_gateway_refresh=x"]), "x");
        assert_eq!(
            found(&[b"a=\xff;auth_gateway_refresh=x"]),
            "x",
            "others are their owners' business"
        );
        assert_eq!(found(&[]), "nothing");
        assert_eq!(
            found(&[b"auth_gateway_refresher=x; Auth_gateway_refresh=y; a=auth_gateway_refresh=z"]),
            "nothing"
        );
        assert_eq!(found(&[b"__Host-auth_gateway_refresh=x"]), "nothing");
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
    fn a_sign_in_outlasts_what_became_of_the_cookie_before() {
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
