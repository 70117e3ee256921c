//! Access tokens as text: the compact serialisation of a JWS (RFC 7515 section 7.1), in the one spelling that ours have.
//!
//! Libraries differ in what they forgive: a member that stands there twice, bits of the last character that nobody reads, a header that
//! brings its own key. What two readers read differently is how one token comes to mean two things (RFC 8725 section 2.6). So a token
//! is judged here, before any library reads it; knows nothing of keys and signatures.

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The type in the header of every access token (RFC 9068 section 2.1).
pub(crate) const TYPE: &str = "at+jwt";

/// Longest token that is looked at, in bytes; ours have a third of that.
pub(crate) const MAX_LENGTH: usize = 4096;
/// Length of every key id: 32 bytes of a thumbprint in base64 (RFC 7638 section 3).
const KID_LENGTH: usize = 43;

/// A token in our spelling. Nothing says yet that we wrote it.
pub(crate) struct CompactToken {
    pub(crate) header: TokenHeader,
}

/// What stands in the header of every token of ours, and nothing beside it. All that a header may hold elsewhere (RFC 7515 section 4.1:
/// `jku`, `jwk`, `x5u`, `x5c`, `cty`, `crit`; `b64`, RFC 7797; `zip`, RFC 7516) tells a verifier to do as the token says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenHeader {
    pub(crate) alg: String,
    pub(crate) kid: String,
    typ: String,
}

impl CompactToken {
    /// Reads a token; `None` unless it is spelled as ours are.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let mut parts = token.split('.');
        let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let header: TokenHeader = object(&decode(header)?)?;
        let _unread: serde_json::Value = object(&decode(claims)?)?;
        decode(signature)?;
        header.could_be_ours().then_some(Self { header })
    }
}

impl TokenHeader {
    /// A key id that can be none of ours is not worth a look into the database.
    fn could_be_ours(&self) -> bool {
        let is_thumbprint = self.kid.len() == KID_LENGTH && decode(&self.kid).is_some();
        self.typ == TYPE && is_thumbprint
    }
}

/// Base64url without padding, in its one spelling: every character counts, and so does every bit of the last one (RFC 4648
/// section 3.5).
fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    (URL_SAFE_NO_PAD.encode(&bytes) == text).then_some(bytes)
}

/// A JSON object without a member that stands there twice, at any depth (RFC 7515 section 4, RFC 7519 section 4). Blanks before it are
/// refused with everything else that does not begin as an object does: the library would read an array as the members in order.
fn object<T: for<'de> Deserialize<'de>>(json: &[u8]) -> Option<T> {
    if !json.starts_with(b"{") {
        return None;
    }
    let _: Unambiguous = serde_json::from_slice(json).ok()?;
    serde_json::from_slice(json).ok()
}

/// JSON that every reader reads alike (RFC 7493 section 2.3): read for that alone.
struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !seen.insert(name) {
                return Err(A::Error::custom("a member stands there twice"));
            }
            let _: Self = members.next_value()?;
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

    fn token(header: &str, claims: &[u8], signature: &str) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        format!("{}.{}.{signature}", encode(header.as_bytes()), encode(claims))
    }

    fn header() -> String {
        format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{KID}"}}"#)
    }

    #[test]
    fn our_spelling_is_read() {
        let parsed = CompactToken::parse(&token(&header(), b"{}", "AQID")).unwrap();
        assert_eq!((parsed.header.alg.as_str(), parsed.header.kid.as_str()), ("EdDSA", KID));
    }

    #[test]
    fn no_other_spelling_is_read() {
        let good = token(&header(), b"{}", "AQI");
        assert!(CompactToken::parse(&good).is_some());
        for other in [
            good.replace("AQI", "AQJ"),
            format!("{good}="),
            format!("{good}."),
            format!(".{good}"),
            format!("{good}.AQI"),
            format!(" {good}"),
            format!("{good}\n"),
            good.rsplit_once('.').unwrap().0.to_owned(),
            token(&header(), b"{}", &"A".repeat(MAX_LENGTH)),
        ] {
            assert!(CompactToken::parse(&other).is_none(), "{other:.80}");
        }
    }

    #[test]
    fn a_header_holds_our_three_members_once_and_no_other() {
        for other in [
            header().replace("at+jwt", "JWT"),
            header().replace(KID, "../../etc/passwd"),
            header().replace(KID, &KID[1..]),
            header().replace("S4k", "S4l"),
            header().replace('{', r#"{"alg":"none","#),
            header().replace('{', r#"{"\u0061lg":"EdDSA","#),
            header().replace('{', r#"{"jwk":{},"#),
            header().replace('{', r#"{"crit":[],"#),
            header().replace(r#""typ":"at+jwt","#, ""),
            header().replace(r#""EdDSA""#, "null"),
            format!(" {}", header()),
            format!("{} x", header()),
            format!("\u{feff}{}", header()),
            format!(r#"["EdDSA","{KID}","at+jwt"]"#),
        ] {
            assert_ne!(other, header());
            assert!(CompactToken::parse(&token(&other, b"{}", "AQI")).is_none(), "{other}");
        }
    }

    #[test]
    fn claims_are_an_object_that_says_everything_once() {
        let unknown = br#"{"a":[1,-1,1.5,"x",true,null,{"a":{"a":1}}],"b":1}"#;
        assert!(CompactToken::parse(&token(&header(), unknown, "AQI")).is_some());
        for claims in [
            br#"{"a":1,"a":1}"#.as_slice(),
            br#"{"a":[{"b":1,"\u0062":1}]}"#,
            b"[]",
            b"null",
            b"",
            b"{}{}",
            b"{\"a\":\"\xff\"}",
            b"\xef\xbb\xbf{}",
        ] {
            let token = token(&header(), claims, "AQI");
            assert!(
                CompactToken::parse(&token).is_none(),
                "{}",
                String::from_utf8_lossy(claims)
            );
        }
    }
}
